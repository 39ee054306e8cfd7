#include "storage/journal_look.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/journal_segment_priv.h"

#define PIECE_BYTES    (64u << 10)
#define LOCK_MAX_BYTES 64
#define SETTLE_TRIES   4 /* a write under way is over then … */
#define SETTLE_NS      50000000L

static_assert(sizeof(((struct journal_look *)0)->name) >= JOURNAL_NAME_BYTES, "a name fits");

/* --- the directory ------------------------------------------------------------------------------
 */

/* One file; -EBADF when it is no segment, -ENOENT when it went meanwhile. */
static int look_at_file(const char *dir, int dir_fd, const char *name, struct journal_reader *reader,
			struct journal_look *out, struct err *err)
{
	struct segment_file file;
	int r = segment_inspect(dir_fd, name, &file, err);

	if (r < 0)
		return r;
	*out = (struct journal_look){ .view = file.view,
				      .size = file.size,
				      .is_known = file.is_known };
	journal_name(file.view.number, file.view.id, out->name);
	if (file.view.sealed)
		return 0;
	r = segment_scan(reader, &file.view, file.size, &out->view.end, err);
	return r < 0 ? r : 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct journal_look *)a)->view.number;
	uint64_t y = ((const struct journal_look *)b)->view.number;

	return x < y ? -1 : x > y;
}

int journal_look(const char *dir, struct journal_look **out, size_t *n_out, struct err *err)
{
	struct journal_reader *reader = journal_reader_new(dir);
	struct journal_look *list = NULL;
	DIR *entries = opendir(dir);
	struct dirent *entry;
	size_t n = 0, room = 0;
	int r = 0;

	if (!entries)
		r = err_set(err, -errno, "journal: cannot list '%s': %s", dir, strerror(errno));
	while (r == 0 && (entry = readdir(entries))) {
		if (!str_ends_with(str_of(entry->d_name), STR(".journal")))
			continue;
		if (n == room) {
			room = room ? 2 * room : 64;
			list = xrealloc(list, room * sizeof(list[0]));
		}
		r = look_at_file(dir, dirfd(entries), entry->d_name, reader, &list[n], err);
		n += r == 0;
		if (r == -EBADF || r == -ENOENT)
			r = 0;
	}
	if (entries)
		closedir(entries);
	journal_reader_free(reader);
	if (r < 0) {
		free(list);
		return r;
	}
	if (n > 0)
		qsort(list, n, sizeof(list[0]), by_number);
	*out = list;
	*n_out = n;
	return 0;
}

/* The number may have gone to another program since. */
static bool is_rfeventd(uint64_t pid)
{
	char *path = xasprintf("/proc/%llu/comm", (unsigned long long)pid), *name;
	bool is_ours = false;
	size_t n;

	if (file_read(path, LOCK_MAX_BYTES, &name, &n, NULL) == 0) {
		is_ours = str_eq(str_trim((struct str){ name, n }), STR("rfeventd"));
		free(name);
	}
	free(path);
	return is_ours;
}

pid_t journal_look_owner(const char *dir)
{
	char *path = xasprintf("%s/lock", dir), *text;
	uint64_t pid = 0;
	size_t n;

	if (file_read(path, LOCK_MAX_BYTES, &text, &n, NULL) == 0) {
		if (!str_to_u64(str_trim((struct str){ text, n }), &pid) || !is_rfeventd(pid))
			pid = 0;
		free(text);
	}
	free(path);
	return (pid_t)pid;
}

/* --- verifying ----------------------------------------------------------------------------------
 */

/* The first byte behind `end` that is not zero; `size` when there is none. */
static int find_tail(const char *dir, const struct journal_look *segment, uint64_t end,
		     uint64_t *out, struct err *err)
{
	char *path = xasprintf("%s/%s", dir, segment->name), *piece = xmalloc(PIECE_BYTES);
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : 0;
	ssize_t n = 1;

	*out = segment->size;
	for (uint64_t at = end; r == 0 && n > 0 && *out == segment->size; at += (uint64_t)n) {
		n = pread(fd, piece, PIECE_BYTES, (off_t)at);
		if (n < 0)
			r = -errno;
		for (ssize_t i = 0; i < n && *out == segment->size; i++)
			if (piece[i] != 0)
				*out = at + (uint64_t)i;
	}
	if (fd >= 0)
		close(fd);
	if (r < 0)
		err_set(err, r, "journal: cannot read '%s': %s", path, strerror(-r));
	free(path);
	free(piece);
	return r;
}

/* Behind the records of one that was not sealed there are zeros, or what a write left undone. */
static int verify_tail(const char *dir, const struct journal_look *segment,
		       struct journal_damage *damage, struct err *err)
{
	const struct timespec moment = { .tv_nsec = SETTLE_NS };
	struct journal_reader *reader;
	uint64_t end = segment->view.end, tail = 0;
	int r = 0;

	for (int i = 0; r >= 0 && i < SETTLE_TRIES; i++) {
		struct journal_segment from = segment->view;

		r = find_tail(dir, segment, end, &tail, err);
		if (r < 0 || tail == segment->size)
			return r;
		nanosleep(&moment, NULL);
		/* Whole by now? A reader of its own: what it read before has changed. */
		from.first = end;
		reader = journal_reader_new(dir);
		r = segment_scan(reader, &from, segment->size, &end, err);
		journal_reader_free(reader);
	}
	if (r < 0)
		return r;
	*damage = (struct journal_damage){ .from = end, .to = segment->size, .is_tail = true };
	return 1;
}

int journal_look_verify(const char *dir, const struct journal_look *segment, journal_damage_fn *fn,
			void *ctx, uint64_t *n_records, struct err *err)
{
	struct journal_reader *reader = journal_reader_new(dir);
	struct journal_damage damage;
	uint64_t next = segment->view.first;
	struct str record;
	int r = 0;

	*n_records = 0;
	if (!segment->is_known)
		fn(ctx, segment, &(struct journal_damage){ 0, JOURNAL_HEADER_BYTES, false });
	for (uint64_t at = next; at < segment->view.end; at = next) {
		r = journal_read(reader, &segment->view, at, &record, &next, err);
		if (r < 0 && r != -EBADMSG)
			break;
		*n_records += r == 1;
		if (r == -EBADMSG)
			fn(ctx, segment, &(struct journal_damage){ at, next, false });
		r = 0;
	}
	journal_reader_free(reader);
	if (r < 0 || segment->view.sealed)
		return r;
	r = verify_tail(dir, segment, &damage, err);
	if (r == 1)
		fn(ctx, segment, &damage);
	return r < 0 ? r : 0;
}
