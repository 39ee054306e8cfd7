/* A copy gets the next number of our own, so that it is replayed after what we have. It is whole on
 * disk, under its name, before the original goes; after a crash between the two the id tells that
 * it is here, and the original is removed by the next try. */
#include "storage/journal_adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/journal.h"
#include "storage/journal_priv.h"

#define COPY_BYTES (1u << 20)

/* Its bytes behind the header, as they are: the CRCs know the id and not the number. */
static int copy_bytes(int from, int to, uint64_t size)
{
	char *buffer = xmalloc(COPY_BYTES);
	uint64_t at = JOURNAL_HEADER_BYTES;
	int r = 0;

	while (r == 0 && at < size) {
		size_t want = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
		ssize_t n = journal_sys.pread(from, buffer, want, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : -EIO;
			break;
		}
		r = segment_write(to, buffer, (size_t)n, at);
		at += (uint64_t)n;
	}
	free(buffer);
	return r;
}

static int copy_segment(struct journal *journal, struct journal *orphan,
			const struct segment *segment, struct err *err)
{
	const struct journal_header header = { segment->view.id, journal->next_number,
					       segment->view.created_us };
	int from = segment_open(orphan->dir_fd, segment->view.number, segment->view.id, O_RDONLY);
	int to = -1, r;

	if (from < 0)
		return err_set(err, from, "journal: cannot open segment %llu in '%s': %s",
			       (unsigned long long)segment->view.number, orphan->dir,
			       strerror(-from));
	r = segment_create(journal->dir_fd, &header, segment->size, &to, err);
	if (r < 0)
		goto out;
	r = copy_bytes(from, to, segment->size);
	if (r == 0 && journal_sys.fdatasync(to) < 0)
		r = -errno;
	if (r < 0) {
		err_set(err, r, "journal: cannot copy segment %llu of '%s': %s",
			(unsigned long long)segment->view.number, orphan->dir, strerror(-r));
		segment_unlink(journal->dir_fd, header.number, header.id);
	}
out:
	close(from);
	if (to >= 0)
		close(to);
	return r;
}

/* One whose header cannot be read has no other place to be looked at than its own. */
static bool is_worth_taking(const struct segment *segment)
{
	return segment->is_resolved && segment->is_known;
}

static int adopt_segment(struct journal *journal, struct journal *orphan, struct segment *segment,
			 struct err *err)
{
	struct segment copy = *segment;
	bool is_here = journal_list_find(journal, segment->view.id) != NULL;
	int r;

	if (!is_here && journal->bytes + segment->size > journal->max_bytes - journal->reserve_bytes)
		return err_set(err, -ENOSPC,
			       "journal: no room for segment %llu of '%s', storage.journal_max_bytes "
			       "is %llu MiB",
			       (unsigned long long)segment->view.number, orphan->dir,
			       (unsigned long long)(journal->max_bytes >> 20));
	r = is_here ? 0 : copy_segment(journal, orphan, segment, err);
	if (r < 0)
		return r;
	if (!is_here) {
		copy.view.number = journal->next_number++;
		copy.loaded = 0;
		journal_list_add(journal, &copy);
	}
	r = segment_unlink(orphan->dir_fd, segment->view.number, segment->view.id);
	if (r < 0)
		return err_set(err, r, "journal: segment %llu of '%s' is taken over but not deleted: %s",
			       (unsigned long long)segment->view.number, orphan->dir, strerror(-r));
	journal_list_remove(orphan, segment);
	return !is_here;
}

static int adopt_all(struct journal *journal, struct journal *orphan, struct err *err)
{
	int n = 0;

	for (size_t i = 0; i < orphan->n_segments;) {
		int r = 0;

		if (!is_worth_taking(&orphan->segments[i])) {
			i++;
			continue;
		}
		r = adopt_segment(journal, orphan, &orphan->segments[i], err);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

int journal_adopt(struct journal *journal, const char *dir, struct err *err)
{
	const struct journal_config config = { .dir = dir, .max_bytes = UINT64_MAX };
	struct journal *orphan = NULL;
	int r;

	if (access(dir, F_OK) < 0)
		return errno == ENOENT ? 0
				       : err_set(err, -errno, "journal: cannot look at '%s': %s", dir,
						 strerror(errno));
	r = journal_open(&config, &orphan, err);
	if (r < 0)
		return r;
	journal_resolve_all(orphan);
	r = adopt_all(journal, orphan, err);
	if (journal_sys.fsync(orphan->dir_fd) < 0 && r >= 0)
		log_warn("storage", "journal: directory not synced", LOG_T("err", strerror(errno)));
	journal_close(orphan);
	return r;
}
