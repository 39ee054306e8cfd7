/* Reading segments: a window of the file in memory, moved as the reader goes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/crc32c.h"
#include "storage/journal_segment_priv.h"

#define WINDOW_BYTES (1u << 20)
#define BLOCK_BYTES  4096 /* as far as one read error reaches */
#define STEP         8    /* records begin at multiples of it */

struct journal_reader {
	char *dir;
	int fd; /* of the segment read last; -1: none */
	struct uuid id;
	uint64_t number;
	uint32_t seed;
	/* The window: file bytes [from, from + have). Records never change, so what lies before a
	 * durable end stays true. */
	uint8_t *window;
	size_t window_bytes;
	uint64_t from;
	size_t have;
	bool met_bad_block;
};

struct journal_reader *journal_reader_new(const char *dir)
{
	struct journal_reader *reader = xcalloc(1, sizeof(*reader));

	reader->dir = xstrdup(dir);
	reader->fd = -1;
	return reader;
}

void journal_reader_free(struct journal_reader *reader)
{
	if (!reader)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader->window);
	free(reader->dir);
	free(reader);
}

static int turn_to(struct journal_reader *reader, const struct journal_segment *segment,
		   struct err *err)
{
	char name[JOURNAL_NAME_BYTES];
	int dir_fd, fd;

	if (reader->fd >= 0 && reader->number == segment->number &&
	    uuid_eq(reader->id, segment->id))
		return 0;
	journal_name(segment->number, segment->id, name);
	dir_fd = open(reader->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_set(err, -errno, "journal: cannot open '%s': %s", reader->dir,
			       strerror(errno));
	fd = segment_open(dir_fd, segment->number, segment->id, O_RDONLY);
	close(dir_fd);
	if (fd < 0)
		return err_set(err, fd, "journal: cannot open segment '%s': %s", name,
			       strerror(-fd));
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = fd;
	reader->number = segment->number;
	reader->id = segment->id;
	reader->seed = journal_seed(segment->id);
	reader->have = 0;
	return 0;
}

/* A window large enough for `n` bytes; one grown for a large record is given back. */
static void fit_window(struct journal_reader *reader, size_t n)
{
	size_t wanted = n > WINDOW_BYTES ? n : WINDOW_BYTES;

	if (reader->window && reader->window_bytes >= n && reader->window_bytes <= 4 * wanted)
		return;
	free(reader->window);
	reader->window = xmalloc(wanted);
	reader->window_bytes = wanted;
}

static int fill_window(struct journal_reader *reader, uint64_t at, size_t n, uint64_t limit)
{
	size_t most;

	fit_window(reader, n);
	most = reader->window_bytes < limit - at ? reader->window_bytes : (size_t)(limit - at);
	reader->from = at;
	reader->have = 0;
	while (reader->have < most) {
		uint64_t from = at + reader->have;
		size_t left = most - reader->have;
		ssize_t got = journal_sys.pread(reader->fd, reader->window + reader->have, left,
						(off_t)from);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EIO) {
			/* A bad block is damage like any other, and hides nothing behind it. */
			size_t block = BLOCK_BYTES - (size_t)(from % BLOCK_BYTES);

			reader->met_bad_block = true;
			got = (ssize_t)(block < left ? block : left);
			memset(reader->window + reader->have, 0, (size_t)got);
		}
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		reader->have += (size_t)got;
	}
	return 0;
}

/* `n` file bytes at `at`, all before `limit`. *out NULL: the file is shorter than that. */
static int fetch(struct journal_reader *reader, uint64_t at, size_t n, uint64_t limit,
		 const uint8_t **out)
{
	if (at < reader->from || at + n > reader->from + reader->have) {
		int r = fill_window(reader, at, n, limit);

		if (r < 0)
			return r;
	}
	*out = reader->have >= n + (at - reader->from) ? reader->window + (at - reader->from)
						       : NULL;
	return 0;
}

/* Whether a whole record is at `at`: 1 with *record and *next, or 0 with *next behind a record
 * whose payload alone is damaged, else 0 there too. */
static int whole_record(struct journal_reader *reader, uint64_t at, uint64_t limit,
			struct str *record, uint64_t *next)
{
	const uint8_t *bytes;
	uint32_t length, crc;
	int r;

	*next = 0;
	if (at + JOURNAL_HEAD_BYTES > limit)
		return 0;
	r = fetch(reader, at, JOURNAL_HEAD_BYTES, limit, &bytes);
	if (r < 0 || !bytes || !journal_head_get(reader->seed, at, limit, bytes, &length, &crc))
		return r;
	*next = at + journal_record_bytes(length);
	r = fetch(reader, at, JOURNAL_HEAD_BYTES + (size_t)length, limit, &bytes);
	if (r < 0 || !bytes)
		return r;
	*record = (struct str){ (const char *)bytes + JOURNAL_HEAD_BYTES, length };
	return crc32c(reader->seed, record->p, length) == crc;
}

/* The next whole record from `at` on, step by step; `limit` when there is none. */
static int search(struct journal_reader *reader, uint64_t at, uint64_t limit, uint64_t *found)
{
	struct str record;
	uint64_t next;

	for (; at < limit; at += STEP) {
		int r = whole_record(reader, at, limit, &record, &next);

		if (r < 0)
			return r;
		if (r == 1)
			break;
	}
	*found = at < limit ? at : limit;
	return 0;
}

static int read_error(int r, const struct journal_segment *segment, uint64_t position,
		      struct err *err)
{
	char name[JOURNAL_NAME_BYTES];

	journal_name(segment->number, segment->id, name);
	return err_set(err, r, "journal: cannot read segment '%s' at %llu: %s", name,
		       (unsigned long long)position, strerror(-r));
}

/* `position` holds no whole record: *next is where to go on. */
static int skip_damage(struct journal_reader *reader, const struct journal_segment *segment,
		       uint64_t position, uint64_t behind, uint64_t *next, struct err *err)
{
	char name[JOURNAL_NAME_BYTES];
	uint64_t from = behind ? behind : position - position % STEP + STEP;
	uint64_t found;
	int r = search(reader, from, segment->end, &found);

	if (r < 0)
		return read_error(r, segment, position, err);
	*next = found;
	journal_name(segment->number, segment->id, name);
	return err_set(err, -EBADMSG, "journal: segment '%s' is damaged from %llu to %llu", name,
		       (unsigned long long)position, (unsigned long long)found);
}

int journal_read(struct journal_reader *reader, const struct journal_segment *segment,
		 uint64_t position, struct str *record, uint64_t *next, struct err *err)
{
	struct str found;
	uint64_t behind;
	int r;

	if (position < segment->first)
		position = segment->first;
	if (position == segment->end)
		return 0;
	if (position > segment->end)
		return err_set(err, -EINVAL,
			       "journal: position %llu lies behind the segment's end %llu",
			       (unsigned long long)position, (unsigned long long)segment->end);
	r = turn_to(reader, segment, err);
	if (r < 0)
		return r;
	r = whole_record(reader, position, segment->end, &found, &behind);
	if (r < 0)
		return read_error(r, segment, position, err);
	if (r == 0)
		return skip_damage(reader, segment, position, behind, next, err);
	*record = found;
	*next = behind;
	return 1;
}

int segment_scan(struct journal_reader *reader, const struct journal_segment *segment,
		 uint64_t size, uint64_t *end_out, struct err *err)
{
	struct journal_segment whole = *segment;
	uint64_t end = segment->first, next;
	struct str record;
	int r = 0;

	reader->met_bad_block = false;
	whole.end = size > segment->first ? size : segment->first;
	for (uint64_t at = segment->first; at < whole.end; at = next) {
		r = journal_read(reader, &whole, at, &record, &next, err);
		if (r < 0 && r != -EBADMSG)
			return r;
		if (r == 1)
			end = next;
	}
	*end_out = end;
	return reader->met_bad_block;
}
