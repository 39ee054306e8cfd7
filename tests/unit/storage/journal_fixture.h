/* A journal in a folder of its own, and what stands in it. */
#ifndef TESTS_UNIT_STORAGE_JOURNAL_FIXTURE_H
#define TESTS_UNIT_STORAGE_JOURNAL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/journal.h"
#include "storage/journal_segment_priv.h"

#define MIB (1ull << 20)

static char dir[64]; /* fresh for each test */
static struct err err;

static inline int fixture_make(void **state)
{
	log_set(LOG_ERROR, LOG_LOGFMT);
	snprintf(dir, sizeof(dir), "/tmp/journal_test.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

/* The n-th file whose name ends so, from 0; false when there are fewer. */
static inline bool file_at(const char *ending, size_t n, char *path, size_t size)
{
	struct dirent **entries;
	int n_entries = scandir(dir, &entries, NULL, alphasort);
	bool found = false;

	for (int i = 0; i < n_entries; i++) {
		if (!found && entries[i]->d_name[0] != '.' &&
		    str_ends_with(str_of(entries[i]->d_name), str_of(ending)) && n-- == 0) {
			snprintf(path, size, "%s/%s", dir, entries[i]->d_name);
			found = true;
		}
		free(entries[i]);
	}
	free(entries);
	return found;
}

static inline size_t count_files(void)
{
	char path[512];
	size_t n = 0;

	while (file_at(".journal", n, path, sizeof(path)))
		n++;
	return n;
}

static inline int fixture_remove(void **state)
{
	char path[512];

	while (file_at("", 0, path, sizeof(path)))
		unlink(path);
	return rmdir(dir);
}

static inline struct journal *open_with(uint64_t max_bytes, uint64_t reserve_bytes, int64_t keep_us)
{
	const struct journal_config config = { dir, max_bytes, reserve_bytes, keep_us };
	struct journal *journal = NULL;
	int r = journal_open(&config, &journal, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	return journal;
}

static inline struct journal *open_small(void)
{
	return open_with(64 * MIB, 0, INT64_MAX / 4);
}

static inline struct journal_place append_str(struct journal *journal, struct str record)
{
	struct journal_place place;
	int r = journal_append(journal, record, false, &place, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	assert_true(place.end > place.start);
	return place;
}

static inline struct journal_place append_text(struct journal *journal, const char *text)
{
	return append_str(journal, str_of(text));
}

static inline void sync_all(struct journal *journal)
{
	if (journal_sync(journal, &err) < 0)
		fail_msg("%s", err.text);
}

/* A record that says its number, `n_bytes` long (8 at least); new. */
static inline char *numbered(uint64_t number, size_t n_bytes)
{
	char *p = xmalloc(n_bytes);

	for (size_t i = 0; i < n_bytes; i++)
		p[i] = (char)(number * 31 + i * 7);
	memcpy(p, &number, sizeof(number));
	return p;
}

static inline struct journal_place append_numbered(struct journal *journal, uint64_t number,
						   size_t n_bytes)
{
	char *p = numbered(number, n_bytes);
	struct journal_place place = append_str(journal, (struct str){ p, n_bytes });

	free(p);
	return place;
}

static inline uint64_t number_of(struct str record)
{
	uint64_t number;
	char *expected;

	assert_true(record.len >= sizeof(number));
	memcpy(&number, record.p, sizeof(number));
	expected = numbered(number, record.len);
	assert_memory_equal(record.p, expected, record.len);
	free(expected);
	return number;
}

/* Everything in the journal: texts joined by '|', '!' for each damaged stretch; new. */
static inline char *everything(struct journal *journal)
{
	struct journal_reader *reader = journal_reader_new(dir);
	struct journal_segment *segments;
	struct strbuf out;
	size_t n;

	strbuf_init(&out, 1 << 20);
	journal_segments(journal, &segments, &n);
	for (size_t i = 0; i < n; i++) {
		uint64_t at = segments[i].first, next;
		struct str record;
		int r;

		while ((r = journal_read(reader, &segments[i], at, &record, &next, &err)) != 0) {
			if (r < 0 && r != -EBADMSG)
				fail_msg("%s", err.text);
			assert_true(next > at);
			at = next;
			if (r == 1)
				strbuf_put(&out, record);
			strbuf_put_char(&out, r == 1 ? '|' : '!');
		}
		assert_int_equal(at, segments[i].end);
	}
	free(segments);
	journal_reader_free(reader);
	strbuf_reserve(&out, 1);
	return out.p;
}

static inline void expect_everything(struct journal *journal, const char *expected)
{
	char *found = everything(journal);

	assert_string_equal(found ? found : "", expected);
	free(found);
}

/* Read numbered records in order; returns how many. They begin at `first` and have no gap. */
static inline uint64_t count_numbered(struct journal *journal, uint64_t first)
{
	struct journal_reader *reader = journal_reader_new(dir);
	struct journal_segment *segments;
	uint64_t n_records = 0;
	size_t n;

	journal_segments(journal, &segments, &n);
	for (size_t i = 0; i < n; i++) {
		uint64_t at = segments[i].first, next;
		struct str record;
		int r;

		assert_true(i == 0 || segments[i].number > segments[i - 1].number);
		while ((r = journal_read(reader, &segments[i], at, &record, &next, &err)) == 1) {
			assert_int_equal(number_of(record), first + n_records);
			n_records++;
			at = next;
		}
		assert_int_equal(r, 0);
	}
	free(segments);
	journal_reader_free(reader);
	return n_records;
}

#endif
