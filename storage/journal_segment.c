#include "storage/journal_segment_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

static int sys_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	return openat(dir_fd, name, flags, mode);
}

struct journal_sys journal_sys = {
	.openat = sys_openat,
	.pread = pread,
	.pwrite = pwrite,
	.fdatasync = fdatasync,
	.fsync = fsync,
	.fallocate = posix_fallocate,
	.ftruncate = ftruncate,
	.unlinkat = unlinkat,
};

static int create_fill(int fd, const struct journal_header *header, uint64_t size)
{
	uint8_t bytes[JOURNAL_HEADER_BYTES];
	int r = journal_sys.fallocate(fd, 0, (off_t)size);

	if (r != 0)
		return -r;
	journal_header_put(header, bytes);
	r = segment_write(fd, bytes, sizeof(bytes), 0);
	if (r < 0)
		return r;
	return journal_sys.fdatasync(fd) < 0 ? -errno : 0;
}

int segment_create(int dir_fd, const struct journal_header *header, uint64_t size, int *fd_out,
		   struct err *err)
{
	char name[JOURNAL_NAME_BYTES];
	int fd, r;

	journal_name(header->number, header->id, name);
	fd = journal_sys.openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "journal: cannot create segment '%s': %s", name,
			       strerror(errno));
	r = create_fill(fd, header, size);
	if (r == 0 && journal_sys.fsync(dir_fd) < 0)
		r = -errno;
	if (r == 0) {
		*fd_out = fd;
		return 0;
	}
	close(fd);
	unlinkat(dir_fd, name, 0);
	if (r == -EDQUOT || r == -EFBIG)
		r = -ENOSPC;
	return err_set(err, r, "journal: cannot make a segment of %llu MiB: %s",
		       (unsigned long long)(size >> 20), strerror(-r));
}

int segment_open(int dir_fd, uint64_t number, struct uuid id, int flags)
{
	char name[JOURNAL_NAME_BYTES];
	int fd;

	journal_name(number, id, name);
	fd = journal_sys.openat(dir_fd, name, flags | O_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int segment_write(int fd, const void *p, size_t n, uint64_t at)
{
	const char *from = p;

	while (n > 0) {
		ssize_t done = journal_sys.pwrite(fd, from, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		from += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int segment_seal(int fd, struct uuid id, uint64_t end, int64_t sealed_us)
{
	uint8_t seal[JOURNAL_SEAL_BYTES];
	int r;

	journal_seal_put(journal_seed(id), end, sealed_us, seal);
	r = segment_write(fd, seal, sizeof(seal), JOURNAL_SEAL_AT);
	if (r < 0)
		return r;
	return journal_sys.ftruncate(fd, (off_t)end) < 0 ? -errno : 0;
}

int segment_unlink(int dir_fd, uint64_t number, struct uuid id)
{
	char name[JOURNAL_NAME_BYTES];

	journal_name(number, id, name);
	return journal_sys.unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}

/* --- what is on disk -------------------------------------------------------------------------- */

static int64_t mtime_us(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * CLOCK_US_PER_S + st->st_mtim.tv_nsec / 1000;
}

/* The first JOURNAL_FIRST bytes, with zeros for what a short file does not have. */
static int read_front(int fd, uint8_t front[JOURNAL_FIRST])
{
	size_t have = 0;

	memset(front, 0, JOURNAL_FIRST);
	while (have < JOURNAL_FIRST) {
		ssize_t n = pread(fd, front + have, JOURNAL_FIRST - have, (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return 0;
}

static int inspect_front(const char *name, const uint8_t *front, struct segment_file *file,
			 struct err *err)
{
	static const uint8_t never_written[JOURNAL_FIRST];
	struct journal_header header;
	uint64_t end;
	int64_t sealed_us;
	int r = journal_header_get(front, &header);

	if (r == -EPROTO)
		return err_set(err, r,
			       "journal: segment '%s' was written by a newer rfeventd; start that "
			       "version until it is loaded, or move the file away",
			       name);
	file->is_known = r == 0 || memcmp(front, never_written, JOURNAL_FIRST) == 0;
	if (r == 0 && (header.number != file->view.number || !uuid_eq(header.id, file->view.id)))
		return err_set(
			err, -EBADF,
			"journal: segment '%s' was renamed; give it back its name to have it "
			"loaded",
			name);
	if (r == 0)
		file->view.created_us = header.created_us;
	if (journal_seal_get(journal_seed(file->view.id), front + JOURNAL_SEAL_AT, &end,
			     &sealed_us) &&
	    end >= JOURNAL_FIRST && end <= file->size) {
		file->view.end = end;
		file->view.sealed = true;
		file->sealed_us = sealed_us;
	}
	return 0;
}

int segment_inspect(int dir_fd, const char *name, struct segment_file *out, struct err *err)
{
	struct segment_file file = { .view = { .first = JOURNAL_FIRST, .end = JOURNAL_FIRST } };
	uint8_t front[JOURNAL_FIRST];
	struct stat st;
	int fd, r;

	if (!journal_name_parse(str_of(name), &file.view.number, &file.view.id))
		return err_set(err, -EBADF, "journal: '%s' is not the name of a segment", name);
	fd = journal_sys.openat(dir_fd, name, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno, "journal: cannot open segment '%s': %s", name,
			       strerror(errno));
	r = fstat(fd, &st) < 0 ? -errno : read_front(fd, front);
	close(fd);
	if (r < 0)
		return err_set(err, r, "journal: cannot read segment '%s': %s", name, strerror(-r));
	file.size = (uint64_t)st.st_size;
	file.view.created_us = file.sealed_us = mtime_us(&st);
	r = inspect_front(name, front, &file, err);
	if (r == 0)
		*out = file;
	return r;
}
