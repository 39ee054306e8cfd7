/* Journal segments as files: made, written, sealed, listed, scanned. Private to the journal. */
#ifndef STORAGE_JOURNAL_SEGMENT_PRIV_H
#define STORAGE_JOURNAL_SEGMENT_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "storage/journal.h"
#include "storage/journal_format_priv.h"

/* The system calls that can fail; tests put their own here, before any thread runs. */
struct journal_sys {
	int (*openat)(int dir_fd, const char *name, int flags, mode_t mode);
	ssize_t (*pread)(int fd, void *p, size_t n, off_t at); /* of records */
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd);
	int (*fallocate)(int fd, off_t at, off_t n_bytes); /* posix_fallocate: the errno, or 0 */
	int (*ftruncate)(int fd, off_t n_bytes);
	int (*unlinkat)(int dir_fd, const char *name, int flags);
};

extern struct journal_sys journal_sys;

/* Create a segment of `size` bytes, its name and header on disk. Returns 0 and *fd_out; on
 * failure nothing is left of it. */
int segment_create(int dir_fd, const struct journal_header *header, uint64_t size, int *fd_out,
		   struct err *err);
int segment_open(int dir_fd, uint64_t number, struct uuid id, int flags); /* fd or negative errno */
int segment_write(int fd, const void *p, size_t n, uint64_t at); /* all of it, or negative errno */
/* Write down that the records end at `end`, and give up the room behind; not synced. */
int segment_seal(int fd, struct uuid id, uint64_t end, int64_t sealed_us);
int segment_unlink(int dir_fd, uint64_t number, struct uuid id);

/* What the first bytes of a segment file say. */
struct segment_file {
	struct journal_segment view; /* sealed: `end` is known */
	uint64_t size;
	int64_t sealed_us; /* of an unsealed one: its last change */
	bool is_known;     /* its header is sound, or was never written */
};

/* 0; -EBADF when the name does not belong to the content; other negative errno with words. */
int segment_inspect(int dir_fd, const char *name, struct segment_file *out, struct err *err);

/* The end of the last whole record within `size` bytes, whatever is damaged before it. Returns 1
 * when the disk refused some of it, so that more may be there; 0, or a negative errno. */
int segment_scan(struct journal_reader *reader, const struct journal_segment *segment,
		 uint64_t size, uint64_t *end_out, struct err *err);

#endif
