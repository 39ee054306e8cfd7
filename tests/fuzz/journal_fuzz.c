/* Journal recovery: a segment laid out by the input, with good records among the damage. Recovery
 * ends, reads only what was written, and misses no whole record.
 *
 * Input: one byte of mode, then steps: 'r' n = a good record of n bytes, 'd' n = the same with a
 * damaged payload, 'h' n = with a damaged head, 'z' n = n zeros, 'b' n … = n bytes of the input
 * themselves. Mode bit 0: sealed, 1: the header is damaged, 2: cut in the middle of the last step.
 */
#include "fuzz.h"

#include <errno.h>

#include "base/log.h"
#include "storage/journal.h"
#include "storage/journal_format_priv.h"

#define MAX_FILE    65536
#define MAX_RECORDS 512

static uint8_t file[MAX_FILE];
static size_t at;                    /* end of the file so far */
static struct str good[MAX_RECORDS]; /* in the file */
static size_t n_good;
static const struct journal_header header = { .id = { { 9, 8, 7 } }, .number = 1, .created_us = 5 };

static void put_record(size_t n, char kind)
{
	uint8_t *head = file + at, *payload = head + JOURNAL_HEAD_BYTES;
	struct str record = { (const char *)payload, n };

	if (n == 0 || n_good == MAX_RECORDS)
		return;
	memset(payload, (int)(n_good + 1), n);
	journal_head_put(journal_seed(header.id), at, record, head);
	at += journal_record_bytes(n);
	if (kind == 'r')
		good[n_good++] = record;
	else
		(kind == 'd' ? payload : head)[n / 8] ^= 0x20;
}

static void lay_out(const uint8_t *data, size_t size, uint8_t mode)
{
	size_t before = at = JOURNAL_FIRST;

	n_good = 0;
	memset(file, 0, sizeof(file));
	journal_header_put(&header, file);
	for (size_t i = 0; i + 1 < size && at + 512 < sizeof(file); i += 2) {
		size_t n = data[i + 1], left = size - i - 2;

		before = at;
		if (data[i] == 'r' || data[i] == 'd' || data[i] == 'h')
			put_record(n, (char)data[i]);
		else if (data[i] == 'z')
			at += n & ~7u;
		else if (data[i] == 'b') {
			n = n < left ? n : left;
			memcpy(file + at, data + i + 2, n);
			at += (n + 7) & ~7u;
			i += n;
		}
	}
	if (mode & 1)
		journal_seal_put(journal_seed(header.id), at, 6, file + JOURNAL_SEAL_AT);
	if (mode & 2)
		file[mode >> 3] ^= 1;
	if (mode & 4) {
		at = before + (at - before) / 2;
		while (n_good > 0 && good[n_good - 1].p + good[n_good - 1].len > (char *)file + at)
			n_good--;
	}
}

/* Everything that is read; returns how many records. */
static size_t read_all(struct journal *journal)
{
	struct journal_reader *reader = journal_reader_new(fuzz_dir());
	struct journal_segment *segments;
	size_t n, n_read = 0;

	journal_segments(journal, &segments, &n);
	CHECK(n <= 1);
	for (size_t i = 0; i < n; i++) {
		uint64_t from = segments[i].first, next = 0;
		struct err err = { "" };
		struct str record;
		int r;

		while ((r = journal_read(reader, &segments[i], from, &record, &next, &err)) != 0) {
			CHECK_SAYING(r == 1 || r == -EBADMSG, "(%s)", err.text);
			CHECK(next > from && next <= segments[i].end);
			from = next;
			if (r == 1) {
				CHECK(n_read < n_good && str_eq(record, good[n_read]));
				n_read++;
			}
		}
		CHECK(from == segments[i].end || from < segments[i].first);
	}
	free(segments);
	journal_reader_free(reader);
	return n_read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_config config = { .max_bytes = 64u << 20, .keep_us = INT64_MAX / 4 };
	uint8_t mode = size > 0 ? data[0] : 0;
	char name[JOURNAL_NAME_BYTES], *path;

	log_set(LOG_ERROR, LOG_LOGFMT);
	config.dir = fuzz_dir();
	lay_out(size > 0 ? data + 1 : data, size > 0 ? size - 1 : 0, mode);
	journal_name(header.number, header.id, name);
	path = xasprintf("%s/%s", config.dir, name);
	fuzz_write(path, (struct str){ (const char *)file, at });
	/* Twice: what the first start settled the second finds the same. */
	for (int i = 0; i < 2; i++) {
		struct journal *journal = NULL;
		struct err err = { "" };
		int r = journal_open(&config, &journal, &err);

		CHECK_SAYING(r == 0, "(%s)", err.text);
		CHECK(read_all(journal) == n_good);
		journal_close(journal);
	}
	unlink(path);
	free(path);
	return 0;
}
