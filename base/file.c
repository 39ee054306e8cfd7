#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

/* Reading starts with this much for files that do not tell their size. */
#define READ_FIRST_BYTES 4096

static int read_all(int fd, size_t max_bytes, struct strbuf *content)
{
	for (;;) {
		size_t room = content->size > content->len + 1 ? content->size - content->len - 1
							       : READ_FIRST_BYTES;
		size_t left = max_bytes + 1 - content->len;
		char *to = strbuf_reserve(content, room < left ? room : left);
		ssize_t n;

		if (!to)
			return -ENOMEM;
		n = read(fd, to, room < left ? room : left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		strbuf_commit(content, (size_t)n);
		if (content->len > max_bytes)
			return -EFBIG;
	}
}

int file_read(const char *path, size_t max_bytes, char **out, size_t *n_out, struct err *err)
{
	struct strbuf content;
	struct stat st;
	int fd, r;

	strbuf_init(&content, max_bytes + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		r = err_set(err, -errno, "cannot open '%s': %s", path, strerror(errno));
		goto out;
	}
	/* One byte more than the size, so that the end is seen without growing. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uint64_t)st.st_size <= max_bytes)
		strbuf_reserve(&content, (size_t)st.st_size + 1);
	r = read_all(fd, max_bytes, &content);
	if (r == -EFBIG)
		err_set(err, r, "'%s' is larger than %zu bytes", path, max_bytes);
	else if (r < 0)
		err_set(err, r, "cannot read '%s': %s", path, strerror(-r));
	if (r < 0)
		goto out;
	strbuf_reserve(&content, 0); /* the NUL of an empty file */
	*out = content.p;
	*n_out = content.len;
	content.p = NULL;
out:
	if (fd >= 0)
		close(fd);
	strbuf_fini(&content);
	return r;
}

static int write_all(int fd, struct str content)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.p, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		content.p += n;
		content.len -= (size_t)n;
	}
	return 0;
}

/* The folder `path` is in; new. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return xstrndup((struct str){ path, slash == path ? 1 : (size_t)(slash - path) });
}

int file_replace(const char *path, struct str content, mode_t mode, struct err *err)
{
	char *temporary = xasprintf("%s.XXXXXX", path);
	char *dir = parent_of(path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	int r;

	if (fd < 0) {
		r = err_set(err, -errno, "cannot create a file beside '%s': %s", path,
			    strerror(errno));
		goto out;
	}
	r = write_all(fd, content);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		err_set(err, r, "cannot write '%s': %s", path, strerror(-r));
		unlink(temporary);
		goto out;
	}
	r = file_sync_dir(dir, err);
out:
	free(temporary);
	free(dir);
	return r;
}

static int make_dir(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	/* Not only EEXIST: a read-only or foreign parent refuses before it looks. */
	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		return err_set(err, -ENOTDIR, "'%s' is in the way: not a directory", path);
	}
	return err_set(err, -errno, "cannot create directory '%s': %s", path, strerror(errno));
}

int file_make_dirs(const char *path, mode_t mode, struct err *err)
{
	char *partial = xstrdup(path);
	int r = 0;

	for (char *p = partial; r == 0 && *p; p++) {
		if (*p != '/' || p == partial)
			continue;
		*p = '\0';
		if (access(partial, F_OK) != 0)
			r = make_dir(partial, mode, err);
		*p = '/';
	}
	if (r == 0)
		r = make_dir(partial, mode, err);
	free(partial);
	return r;
}

int file_sync_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return err_set(err, -errno, "cannot open directory '%s': %s", path,
			       strerror(errno));
	if (fsync(fd) < 0)
		r = err_set(err, -errno, "cannot fsync directory '%s': %s", path, strerror(errno));
	close(fd);
	return r;
}
