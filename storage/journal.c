/* A segment's life: created with all its room when a record finds none in the live one; appended
 * to; sealed (its end written down, the room behind given up) when the next one takes over or the
 * journal closes; deleted when loaded and old, or when room is needed. One that a kill left
 * unsealed is scanned for its end by the first journal_segments(), off the way of the appends, and
 * then sealed like the others: that drops its torn tail.
 */
#include "storage/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/journal_priv.h"
#include "storage/limits.h"

#define SEGMENT_MIN_BYTES (4ull << 20)  /* when max_bytes is small */
#define REMNANT_MIN_BYTES (64ull << 10) /* the last room makes a segment no smaller than this */
#define BUFFER_KEEP_BYTES (4u << 20)    /* a group's memory is kept up to this size */

static void seal_live(struct journal *journal);
static int rotate(struct journal *journal, uint64_t need, bool reserved, struct err *err);
static int flush(struct journal *journal);
static bool has_room(struct journal *journal, uint64_t more, bool reserved);
static bool drop_loaded(struct journal *journal, uint64_t more, uint64_t limit, int64_t before_us);

/* --- open and close --------------------------------------------------------------------------- */

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

int journal_open(const struct journal_config *config, struct journal **out, struct err *err)
{
	struct journal *journal = xcalloc(1, sizeof(*journal));
	int r;

	journal->dir_fd = journal->lock_fd = journal->live_fd = -1;
	journal->dir = xstrdup(config->dir);
	journal->max_bytes = config->max_bytes;
	journal->reserve_bytes = config->reserve_bytes;
	journal->keep_us = config->keep_us;
	journal->segment_bytes =
		clamp(config->max_bytes / 16, SEGMENT_MIN_BYTES, JOURNAL_SEGMENT_BYTES);
	pthread_mutex_init(&journal->lock, NULL);
	pthread_mutex_init(&journal->resolving, NULL);
	strbuf_init(&journal->pending, SIZE_MAX / 2);
	r = journal_make_dir(config->dir, err);
	if (r == 0)
		r = journal_lock_dir(journal, err);
	if (r == 0)
		r = journal_find_segments(journal, err);
	if (r < 0)
		goto out;
	*out = journal;
	journal = NULL;
out:
	journal_close(journal);
	return r;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	/* What was appended and never synced was never promised. */
	if (journal->live_fd >= 0 && journal->failed == 0)
		seal_live(journal);
	if (journal->live_fd >= 0)
		close(journal->live_fd);
	if (journal->dir_fd >= 0)
		close(journal->dir_fd);
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	pthread_mutex_destroy(&journal->lock);
	pthread_mutex_destroy(&journal->resolving);
	strbuf_fini(&journal->pending);
	free(journal->segments);
	free(journal->dir);
	free(journal);
}

/* --- the list of segments --------------------------------------------------------------------- */

void journal_list_add(struct journal *journal, const struct segment *segment)
{
	if (journal->n_segments == journal->n_room) {
		journal->n_room = journal->n_room ? 2 * journal->n_room : 64;
		journal->segments =
			xrealloc(journal->segments, journal->n_room * sizeof(journal->segments[0]));
	}
	journal->segments[journal->n_segments++] = *segment;
	journal->bytes += segment->size;
}

struct segment *journal_list_find(struct journal *journal, struct uuid id)
{
	for (size_t i = journal->n_segments; i-- > 0;) {
		if (uuid_eq(journal->segments[i].view.id, id))
			return &journal->segments[i];
	}
	return NULL;
}

void journal_list_remove(struct journal *journal, struct segment *segment)
{
	size_t at = (size_t)(segment - journal->segments);

	journal->bytes -= segment->size;
	memmove(segment, segment + 1, (journal->n_segments - at - 1) * sizeof(*segment));
	journal->n_segments--;
}

void journal_list_resize(struct journal *journal, struct segment *segment, uint64_t size)
{
	journal->bytes = journal->bytes - segment->size + size;
	segment->size = size;
}

/* --- append and sync -------------------------------------------------------------------------- */

static int no_room(struct journal *journal, struct err *err)
{
	atomic_store(&journal->is_full, true);
	return err_set(err, -ENOSPC,
		       "journal: full, storage.journal_max_bytes is %llu MiB; it empties once the "
		       "database takes events",
		       (unsigned long long)(journal->max_bytes >> 20));
}

/* The record as file bytes behind those that wait. */
static void put_record(struct journal *journal, struct str record, uint64_t at)
{
	static const char zeros[8];
	size_t n_bytes = (size_t)journal_record_bytes(record.len);
	uint8_t head[JOURNAL_HEAD_BYTES];

	journal_head_put(journal->live_seed, at, record, head);
	strbuf_put(&journal->pending, (struct str){ (const char *)head, sizeof(head) });
	strbuf_put(&journal->pending, record);
	strbuf_put(&journal->pending, (struct str){ zeros, n_bytes - sizeof(head) - record.len });
}

int journal_append(struct journal *journal, struct str record, bool reserved,
		   struct journal_place *place, struct err *err)
{
	uint64_t need = journal_record_bytes(record.len);
	uint64_t at = journal->live.end + journal->pending.len;
	int r;

	if (journal->failed < 0)
		return err_set(err, journal->failed, "%s", journal->why.text);
	if (record.len == 0 || record.len > JOURNAL_MAX_RECORD)
		return err_set(err, record.len ? -E2BIG : -EINVAL,
			       "journal: a record of %zu bytes; the longest is %u", record.len,
			       JOURNAL_MAX_RECORD);
	if (!has_room(journal, 0, reserved))
		return no_room(journal, err);
	if (journal->live_fd < 0 || need > journal->live_size - at) {
		r = rotate(journal, need, reserved, err);
		if (r < 0)
			return r;
		at = journal->live.end;
	}
	put_record(journal, record, at);
	if (!reserved && atomic_load_explicit(&journal->is_full, memory_order_relaxed))
		atomic_store(&journal->is_full, false);
	*place = (struct journal_place){ journal->live.id, journal->live.number, at, at + need };
	return 0;
}

int journal_sync(struct journal *journal, struct err *err)
{
	if (flush(journal) == 0)
		return 0;
	return err_set(err, journal->failed, "%s", journal->why.text);
}

/* Write what waits, sync it, and let readers see it. */
static int flush(struct journal *journal)
{
	size_t n = journal->pending.len;
	int r;

	if (journal->failed < 0 || n == 0)
		return journal->failed;
	r = segment_write(journal->live_fd, journal->pending.p, n, journal->live.end);
	if (r == 0 && journal_sys.fdatasync(journal->live_fd) < 0)
		r = -errno;
	if (r < 0) {
		/* Not tried again: after a failed fsync the kernel may call lost pages clean. */
		journal->failed = err_set(&journal->why, r,
					  "journal: cannot write %zu bytes to segment %llu in "
					  "'%s': %s",
					  n, (unsigned long long)journal->live.number, journal->dir,
					  strerror(-r));
		return r;
	}
	journal->live.end += n;
	if (journal->pending.size > BUFFER_KEEP_BYTES)
		strbuf_fini(&journal->pending);
	strbuf_reset(&journal->pending);
	pthread_mutex_lock(&journal->lock);
	journal_list_find(journal, journal->live.id)->view.end = journal->live.end;
	pthread_mutex_unlock(&journal->lock);
	return 0;
}

/* A failure here costs a scan at the next start, and nothing else. */
static void seal_live(struct journal *journal)
{
	int64_t now_us = clock_time_us();
	bool is_empty = journal->live.end == journal->live.first;
	int r = is_empty ? segment_unlink(journal->dir_fd, journal->live.number, journal->live.id)
			 : segment_seal(journal->live_fd, journal->live.id, journal->live.end,
					now_us);
	struct segment *segment;

	if (r < 0)
		log_warn("storage", "journal: segment not sealed, it will be scanned at start",
			 LOG_T("err", strerror(-r)));
	close(journal->live_fd);
	journal->live_fd = -1;
	pthread_mutex_lock(&journal->lock);
	segment = journal_list_find(journal, journal->live.id);
	segment->view.sealed = true;
	segment->sealed_us = now_us;
	if (r == 0)
		journal_list_resize(journal, segment, journal->live.end);
	if (is_empty)
		journal_list_remove(journal, segment);
	pthread_mutex_unlock(&journal->lock);
}

/* How large the next segment may be: less than usual when little room is left; 0: none fits. */
static uint64_t next_size(struct journal *journal, uint64_t need, bool reserved)
{
	uint64_t least =
		JOURNAL_FIRST + need > REMNANT_MIN_BYTES ? JOURNAL_FIRST + need : REMNANT_MIN_BYTES;
	uint64_t wanted = least > journal->segment_bytes ? least : journal->segment_bytes;
	uint64_t limit = journal->max_bytes - (reserved ? 0 : journal->reserve_bytes);
	uint64_t left;

	has_room(journal, wanted, reserved);
	pthread_mutex_lock(&journal->lock);
	left = limit > journal->bytes ? limit - journal->bytes : 0;
	pthread_mutex_unlock(&journal->lock);
	if (left < least)
		return 0;
	return left < wanted ? left : wanted;
}

/* A new segment on disk; what is loaded makes way when the file system is full. */
static int create(struct journal *journal, const struct journal_header *header, uint64_t size,
		  int *fd, struct err *err)
{
	int r = segment_create(journal->dir_fd, header, size, fd, err);

	if (r == -ENOSPC && drop_loaded(journal, 0, 0, INT64_MAX))
		r = segment_create(journal->dir_fd, header, size, fd, err);
	if (r == -ENOSPC)
		atomic_store(&journal->is_full, true);
	return r;
}

/* Put a new segment in the live one's place, which is flushed and sealed. */
static int rotate(struct journal *journal, uint64_t need, bool reserved, struct err *err)
{
	struct journal_header header = { uuid_v4(), journal->next_number, clock_time_us() };
	uint64_t size = next_size(journal, need, reserved);
	struct segment segment = { .size = size, .is_resolved = true, .is_known = true };
	int fd, r;

	if (size == 0)
		return no_room(journal, err);
	r = create(journal, &header, size, &fd, err);
	if (r < 0)
		return r;
	if (journal->live_fd >= 0 && flush(journal) < 0) {
		close(fd);
		return err_set(err, journal->failed, "%s", journal->why.text);
	}
	if (journal->live_fd >= 0)
		seal_live(journal);
	segment.view = (struct journal_segment){
		.id = header.id,
		.number = header.number,
		.first = JOURNAL_FIRST,
		.end = JOURNAL_FIRST,
		.created_us = header.created_us,
	};
	journal->next_number++;
	journal->live_fd = fd;
	journal->live = segment.view;
	journal->live_size = size;
	journal->live_seed = journal_seed(header.id);
	pthread_mutex_lock(&journal->lock);
	journal_list_add(journal, &segment);
	pthread_mutex_unlock(&journal->lock);
	return 0;
}

/* --- making room ------------------------------------------------------------------------------ */

static bool is_loaded(const struct segment *segment)
{
	return segment->is_resolved && segment->view.sealed && segment->loaded >= segment->view.end;
}

/* Whether `more` bytes keep the journal within its bounds, giving up loaded segments for them. */
static bool has_room(struct journal *journal, uint64_t more, bool reserved)
{
	uint64_t limit = journal->max_bytes - (reserved ? 0 : journal->reserve_bytes);
	bool fits;

	pthread_mutex_lock(&journal->lock);
	fits = journal->bytes + more <= limit;
	pthread_mutex_unlock(&journal->lock);
	if (fits)
		return true;
	drop_loaded(journal, more, limit, INT64_MIN);
	pthread_mutex_lock(&journal->lock);
	fits = journal->bytes + more <= limit;
	pthread_mutex_unlock(&journal->lock);
	return fits;
}

/* Take the oldest loaded segment off the list, when there is too much or it is from before. */
static bool take_loaded(struct journal *journal, uint64_t more, uint64_t limit, int64_t before_us,
			struct segment *taken)
{
	bool found = false;

	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; !found && i < journal->n_segments; i++) {
		struct segment *segment = &journal->segments[i];

		if (!is_loaded(segment) ||
		    (segment->sealed_us > before_us && journal->bytes + more <= limit))
			continue;
		*taken = *segment;
		if (journal->gone_seq < segment->seq)
			journal->gone_seq = segment->seq;
		journal_list_remove(journal, segment);
		atomic_store(&journal->is_full, false);
		found = true;
	}
	pthread_mutex_unlock(&journal->lock);
	return found;
}

/* Delete loaded segments, oldest first: those sealed before then, and others until `more` bytes
 * fit. False when there was none. */
static bool drop_loaded(struct journal *journal, uint64_t more, uint64_t limit, int64_t before_us)
{
	struct segment segment;
	bool dropped = false;

	while (take_loaded(journal, more, limit, before_us, &segment)) {
		int r = segment_unlink(journal->dir_fd, segment.view.number, segment.view.id);

		if (r < 0 && r != -ENOENT)
			log_warn("storage", "journal: loaded segment not deleted",
				 LOG_I("segment", segment.view.number), LOG_T("err", strerror(-r)));
		dropped = true;
	}
	/* A name that comes back after a power failure is loaded already: words are enough. */
	if (dropped && journal_sys.fsync(journal->dir_fd) < 0)
		log_warn("storage", "journal: directory not synced", LOG_T("err", strerror(errno)));
	return dropped;
}

void journal_expire(struct journal *journal)
{
	drop_loaded(journal, 0, UINT64_MAX, clock_time_us() - journal->keep_us);
}

/* --- any thread ------------------------------------------------------------------------------- */

void journal_set_loaded(struct journal *journal, struct uuid id, uint64_t position, int64_t seq)
{
	struct segment *segment;

	pthread_mutex_lock(&journal->lock);
	segment = journal_list_find(journal, id);
	if (segment && position > segment->loaded) {
		segment->loaded = position;
		segment->seq = seq;
		/* Room can be made now: the next append will. */
		if (is_loaded(segment))
			atomic_store(&journal->is_full, false);
	}
	pthread_mutex_unlock(&journal->lock);
}

int64_t journal_gone_seq(struct journal *journal)
{
	int64_t seq;

	pthread_mutex_lock(&journal->lock);
	seq = journal->gone_seq;
	pthread_mutex_unlock(&journal->lock);
	return seq;
}

void journal_set_gone_seq(struct journal *journal, int64_t seq)
{
	pthread_mutex_lock(&journal->lock);
	journal->gone_seq = seq;
	pthread_mutex_unlock(&journal->lock);
}

void journal_forget_loaded(struct journal *journal)
{
	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->n_segments; i++) {
		journal->segments[i].loaded = 0;
		journal->segments[i].seq = 0;
	}
	journal->gone_seq = 0;
	pthread_mutex_unlock(&journal->lock);
}

void journal_segments(struct journal *journal, struct journal_segment **out, size_t *n_out)
{
	struct journal_segment *list;
	size_t n = 0;

	journal_resolve_all(journal);
	pthread_mutex_lock(&journal->lock);
	list = xcalloc(journal->n_segments + 1, sizeof(list[0]));
	for (size_t i = 0; i < journal->n_segments; i++) {
		if (journal->segments[i].is_resolved)
			list[n++] = journal->segments[i].view;
	}
	pthread_mutex_unlock(&journal->lock);
	*out = list;
	*n_out = n;
}

uint64_t journal_bytes(struct journal *journal)
{
	uint64_t bytes;

	pthread_mutex_lock(&journal->lock);
	bytes = journal->bytes;
	pthread_mutex_unlock(&journal->lock);
	return bytes;
}

uint64_t journal_waiting_bytes(struct journal *journal)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->n_segments; i++) {
		const struct segment *segment = &journal->segments[i];

		if (!segment->is_resolved || segment->loaded < segment->view.end)
			bytes += segment->size;
	}
	pthread_mutex_unlock(&journal->lock);
	return bytes;
}

bool journal_is_full(struct journal *journal)
{
	return atomic_load(&journal->is_full);
}
