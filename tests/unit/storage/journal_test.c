/* What the journal keeps, for how long, and within which bounds. Damage: journal_fault_test.c. */
#include "journal_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "storage/crc32c.h"
#include "storage/limits.h"

static void test_there_and_back(void **state)
{
	static const size_t sizes[] = { 8, 9, 15, 16, 17, 1000, 1 << 20, (1 << 20) + 3, 6 << 20 };
	struct journal *journal = open_small();
	struct journal_place before = { .end = 0 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct journal_place place = append_numbered(journal, i, sizes[i]);

		if (uuid_eq(place.segment, before.segment))
			assert_int_equal(place.start, before.end);
		before = place;
	}
	sync_all(journal);
	assert_int_equal(count_numbered(journal, 0), ARRAY_LEN(sizes));
	journal_close(journal);
	journal = open_small();
	assert_int_equal(count_numbered(journal, 0), ARRAY_LEN(sizes));
	append_numbered(journal, ARRAY_LEN(sizes), 50);
	sync_all(journal);
	assert_int_equal(count_numbered(journal, 0), ARRAY_LEN(sizes) + 1);
	journal_close(journal);
}

static void test_seen_when_durable(void **state)
{
	struct journal *journal = open_small();

	expect_everything(journal, "");
	append_text(journal, "one");
	expect_everything(journal, "");
	sync_all(journal);
	append_text(journal, "two");
	expect_everything(journal, "one|");
	sync_all(journal);
	sync_all(journal); /* nothing to do */
	expect_everything(journal, "one|two|");
	/* What was never synced was never promised. */
	append_text(journal, "three");
	journal_close(journal);
	journal = open_small();
	expect_everything(journal, "one|two|");
	journal_close(journal);
}

static void test_sizes_refused(void **state)
{
	struct journal *journal = open_small();
	struct journal_place place;
	struct str large = { dir, (size_t)JOURNAL_MAX_RECORD + 1 };

	assert_int_equal(journal_append(journal, STR(""), false, &place, &err), -EINVAL);
	assert_int_equal(journal_append(journal, large, false, &place, &err), -E2BIG);
	assert_int_equal(count_files(), 0);
	journal_close(journal);
}

/* One group over several segments: all of it is durable after one sync, and each has its place. */
static void test_group_over_segments(void **state)
{
	struct journal *journal = open_small();
	struct journal_reader *reader = journal_reader_new(dir);
	struct journal_place places[12];
	struct journal_segment *segments;
	size_t n, n_found = 0;

	for (uint64_t i = 0; i < ARRAY_LEN(places); i++)
		places[i] = append_numbered(journal, i, 1 << 20);
	sync_all(journal);
	assert_int_equal(count_numbered(journal, 0), ARRAY_LEN(places));
	journal_segments(journal, &segments, &n);
	assert_true(n >= 4);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(segments[i].sealed, i + 1 < n);
		for (size_t k = 0; k < ARRAY_LEN(places); k++) {
			struct str record;
			uint64_t next;

			if (!uuid_eq(places[k].segment, segments[i].id))
				continue;
			assert_int_equal(places[k].segment_number, segments[i].number);
			assert_int_equal(journal_read(reader, &segments[i], places[k].start,
						      &record, &next, &err),
					 1);
			assert_int_equal(next, places[k].end);
			assert_int_equal(number_of(record), k);
			n_found++;
		}
	}
	assert_int_equal(n_found, ARRAY_LEN(places));
	free(segments);
	journal_reader_free(reader);
	journal_close(journal);
}

static void test_reading_positions(void **state)
{
	struct journal *journal = open_small();
	struct journal_reader *reader = journal_reader_new(dir);
	struct journal_segment *segments;
	struct journal_place place;
	struct str record;
	uint64_t next;
	size_t n;

	place = append_text(journal, "one");
	sync_all(journal);
	journal_segments(journal, &segments, &n);
	assert_int_equal(n, 1);
	assert_int_equal(segments[0].end, place.end);
	/* 0: a segment nobody has begun on. */
	assert_int_equal(journal_read(reader, &segments[0], 0, &record, &next, &err), 1);
	assert_true(str_eq(record, STR("one")));
	assert_int_equal(journal_read(reader, &segments[0], place.end, &record, &next, &err), 0);
	assert_int_equal(journal_read(reader, &segments[0], place.end + 8, &record, &next, &err),
			 -EINVAL);
	/* Not where a record begins. */
	assert_int_equal(journal_read(reader, &segments[0], place.start + 3, &record, &next, &err),
			 -EBADMSG);
	assert_int_equal(next, place.end);
	free(segments);
	journal_reader_free(reader);
	journal_close(journal);
}

static void test_unlinked_segment(void **state)
{
	struct journal *journal = open_small();
	struct journal_reader *reader = journal_reader_new(dir), *late = journal_reader_new(dir);
	struct journal_segment *segments;
	struct str record;
	uint64_t next;
	size_t n;

	append_text(journal, "one");
	sync_all(journal);
	journal_close(journal);
	journal = open_with(64 * MIB, 0, 0);
	journal_segments(journal, &segments, &n);
	assert_int_equal(journal_read(reader, &segments[0], 0, &record, &next, &err), 1);
	journal_set_loaded(journal, segments[0].id, segments[0].end, 0);
	journal_expire(journal);
	assert_int_equal(count_files(), 0);
	assert_int_equal(journal_read(reader, &segments[0], 0, &record, &next, &err), 1);
	assert_int_equal(journal_read(late, &segments[0], 0, &record, &next, &err), -ENOENT);
	free(segments);
	journal_reader_free(reader);
	journal_reader_free(late);
	journal_close(journal);
}

/* --- starts ----------------------------------------------------------------------------------- */

static void test_idle_restarts_leave_nothing(void **state)
{
	for (int i = 0; i < 20; i++) {
		struct journal *journal = open_small();

		if (i % 2)
			append_text(journal, "never synced");
		journal_close(journal);
	}
	assert_int_equal(count_files(), 0);
}

static void test_each_start_has_its_segment(void **state)
{
	struct journal_segment *segments;
	struct journal *journal;
	struct stat st;
	char path[512];
	size_t n;

	for (int i = 0; i < 3; i++) {
		journal = open_small();
		append_text(journal, "x");
		sync_all(journal);
		journal_close(journal);
	}
	journal = open_small();
	expect_everything(journal, "x|x|x|");
	journal_segments(journal, &segments, &n);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_true(segments[i].sealed);
		assert_int_equal(segments[i].number, i + 1);
		assert_false(uuid_eq(segments[i].id, segments[(i + 1) % n].id));
		/* The room that was not used is given back. */
		assert_true(file_at(".journal", i, path, sizeof(path)));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, segments[i].end);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	assert_int_equal(journal_bytes(journal), 3 * segments[0].end);
	free(segments);
	journal_close(journal);
}

static void test_locked(void **state)
{
	const struct journal_config config = { dir, 64 * MIB, 0, 0 };
	struct journal *journal = open_small(), *second = NULL;
	char pid[32];

	assert_int_equal(journal_open(&config, &second, &err), -EBUSY);
	assert_null(second);
	snprintf(pid, sizeof(pid), "process %d;", (int)getpid());
	assert_non_null(strstr(err.text, pid));
	journal_close(journal);
	second = open_small();
	journal_close(second);
}

static void test_folder_is_made(void **state)
{
	char deep[128], middle[128], lock[128];
	const struct journal_config config = { deep, 64 * MIB, 0, 0 };
	struct journal *journal;
	struct stat st;

	snprintf(middle, sizeof(middle), "%s/a", dir);
	snprintf(deep, sizeof(deep), "%s/a/journal", dir);
	snprintf(lock, sizeof(lock), "%s/a/journal/lock", dir);
	assert_int_equal(journal_open(&config, &journal, &err), 0);
	journal_close(journal);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	unlink(lock);
	assert_int_equal(rmdir(deep), 0);
	assert_int_equal(rmdir(middle), 0);
}

/* A file put there under a name of ours, and one that a newer program wrote. */
static void test_foreign_files(void **state)
{
	const struct journal_config config = { dir, 64 * MIB, 0, 0 };
	struct journal *journal = open_small();
	char path[512], other[512], *content;
	uint8_t *header;
	uint32_t crc;
	size_t n;

	append_text(journal, "one");
	sync_all(journal);
	journal_close(journal);
	assert_true(file_at(".journal", 0, path, sizeof(path)));
	assert_int_equal(file_read(path, 1 << 20, &content, &n, &err), 0);
	/* The same bytes under another number: left alone, and not counted. */
	snprintf(other, sizeof(other), "%s", path);
	other[strlen(dir) + 1] = 'f';
	assert_int_equal(file_replace(other, (struct str){ content, n }, 0600, &err), 0);
	snprintf(path, sizeof(path), "%s/notes.journal", dir);
	assert_int_equal(file_replace(path, STR("mine"), 0600, &err), 0);
	journal = open_small();
	expect_everything(journal, "one|");
	assert_int_equal(journal_bytes(journal), n);
	journal_close(journal);
	assert_int_equal(count_files(), 3);
	unlink(other);
	unlink(path);
	assert_true(file_at(".journal", 0, path, sizeof(path)));
	header = (uint8_t *)content;
	header[8]++;
	crc = crc32c(0, header, JOURNAL_HEADER_BYTES - 4);
	for (int i = 0; i < 4; i++)
		header[JOURNAL_HEADER_BYTES - 4 + i] = (uint8_t)(crc >> 8 * i);
	assert_int_equal(file_replace(path, (struct str){ content, n }, 0600, &err), 0);
	assert_int_equal(journal_open(&config, &journal, &err), -EPROTO);
	assert_non_null(strstr(err.text, "newer rfeventd"));
	free(content);
}

/* --- bounds ----------------------------------------------------------------------------------- */

/* Append records of 1 MiB until there is no room; how many. */
static uint64_t fill(struct journal *journal, bool reserved)
{
	uint64_t n = 0;

	for (;; n++) {
		char *p = numbered(n, 1 << 20);
		struct journal_place place;
		int r = journal_append(journal, (struct str){ p, 1 << 20 }, reserved, &place, &err);

		free(p);
		if (r == -ENOSPC)
			return n;
		assert_int_equal(r, 0);
		sync_all(journal);
	}
}

static void test_bounds(void **state)
{
	struct journal *journal = open_with(64 * MIB, 8 * MIB, 0);
	struct journal_segment *segments;
	struct journal_place place;
	uint64_t n_records;
	size_t n;

	assert_false(journal_is_full(journal));
	n_records = fill(journal, false);
	assert_true(n_records > 36 && n_records < 56);
	assert_true(journal_is_full(journal));
	assert_true(journal_bytes(journal) <= 56 * MIB);
	/* The rest is for our own events: others cannot use room made for them. */
	assert_int_equal(journal_append(journal, STR("own"), true, &place, &err), 0);
	assert_true(fill(journal, true) >= 3);
	assert_true(journal_bytes(journal) <= 64 * MIB);
	assert_int_equal(journal_append(journal, STR("not own"), false, &place, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "storage.journal_max_bytes"));
	/* Partly loaded is not loaded. */
	journal_segments(journal, &segments, &n);
	journal_set_loaded(journal, segments[0].id, segments[0].end - 8, 0);
	assert_int_equal(journal_append(journal, STR("not yet"), false, &place, &err), -ENOSPC);
	for (size_t i = 0; i < n; i++)
		journal_set_loaded(journal, segments[i].id, segments[i].end, 0);
	assert_false(journal_is_full(journal));
	append_text(journal, "again");
	sync_all(journal);
	assert_false(journal_is_full(journal));
	assert_true(journal_bytes(journal) <= 64 * MIB);
	free(segments);
	journal_close(journal);
}

/* Room is made from the oldest on, and no more than needed; without need all stay for keep_us. */
static void test_oldest_goes_first(void **state)
{
	struct journal *journal = open_small();
	struct journal_segment *before, *after;
	size_t n_before, n_after;

	fill(journal, false);
	journal_segments(journal, &before, &n_before);
	for (size_t i = 0; i < n_before; i++)
		journal_set_loaded(journal, before[i].id, before[i].end, 0);
	journal_expire(journal);
	journal_segments(journal, &after, &n_after);
	assert_int_equal(n_after, n_before);
	free(after);
	append_numbered(journal, 1, 1 << 20);
	journal_segments(journal, &after, &n_after);
	assert_true(uuid_eq(after[n_after - 2].id, before[n_before - 1].id));
	assert_false(uuid_eq(after[0].id, before[0].id));
	assert_true(n_after >= n_before - 1);
	free(before);
	free(after);
	journal_close(journal);
}

static void test_expire(void **state)
{
	static const struct {
		const char *name;
		int64_t keep_us;
		bool is_loaded;
		size_t n_left; /* of three sealed ones and the live one */
	} cases[] = {
		{ "not loaded", 0, false, 4 },
		{ "loaded, young", 3600 * CLOCK_US_PER_S, true, 4 },
		{ "loaded, old", 0, true, 1 },
	};

	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		struct journal *journal = open_with(64 * MIB, 0, cases[k].keep_us);
		struct journal_segment *segments;
		size_t n;

		for (uint64_t i = 0; i < 10; i++)
			append_numbered(journal, i, 1 << 20);
		sync_all(journal);
		journal_segments(journal, &segments, &n);
		assert_int_equal(n, 4);
		for (size_t i = 0; i < n && cases[k].is_loaded; i++)
			journal_set_loaded(journal, segments[i].id, segments[i].end, 0);
		free(segments);
		journal_expire(journal);
		journal_segments(journal, &segments, &n);
		if (n != cases[k].n_left || count_files() != n)
			fail_msg("%s: %zu left", cases[k].name, n);
		free(segments);
		journal_close(journal);
		fixture_remove(NULL);
		fixture_make(NULL);
	}
}

/* Age counts from the seal, also over a restart. */
static void test_age_after_restart(void **state)
{
	struct journal *journal = open_small();
	struct journal_segment *segments;
	size_t n;

	append_text(journal, "one");
	sync_all(journal);
	journal_close(journal);
	usleep(300000);
	for (int64_t keep_ms = 60000; keep_ms >= 200; keep_ms -= 59800) {
		journal = open_with(64 * MIB, 0, keep_ms * 1000);
		journal_segments(journal, &segments, &n);
		assert_int_equal(n, 1);
		journal_set_loaded(journal, segments[0].id, segments[0].end, 0);
		free(segments);
		journal_expire(journal);
		assert_int_equal(count_files(), keep_ms == 60000);
		journal_close(journal);
	}
}

/* --- threads ---------------------------------------------------------------------------------- */

#define N_RECORDS 3000

static void *append_all(void *ctx)
{
	struct journal *journal = ctx;

	for (uint64_t i = 0; i < N_RECORDS; i++) {
		append_numbered(journal, i, 8 + i * 37 % 20000);
		if (i % 7 == 6 || i == N_RECORDS - 1)
			sync_all(journal);
		if (i % 100 == 0)
			journal_expire(journal);
	}
	return NULL;
}

/* The loader's way: follow what becomes durable, say what is loaded, while it goes on. */
static void test_follow_while_appending(void **state)
{
	struct journal *journal = open_with(64 * MIB, 0, 0);
	struct journal_reader *reader = journal_reader_new(dir);
	struct uuid at_segment = { { 0 } };
	uint64_t n_seen = 0, at = 0, at_number = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, append_all, journal), 0);
	while (n_seen < N_RECORDS) {
		struct journal_segment *segments;
		size_t n;

		journal_segments(journal, &segments, &n);
		assert_true(journal_bytes(journal) <= 64 * MIB);
		for (size_t i = 0; i < n; i++) {
			struct str record;
			uint64_t next;

			if (segments[i].number < at_number)
				continue;
			if (!uuid_eq(segments[i].id, at_segment))
				at = segments[i].first;
			at_segment = segments[i].id;
			at_number = segments[i].number;
			while (journal_read(reader, &segments[i], at, &record, &next, &err) == 1) {
				assert_int_equal(number_of(record), n_seen++);
				at = next;
			}
			assert_int_equal(at, segments[i].end);
			journal_set_loaded(journal, at_segment, at, 0);
		}
		free(segments);
	}
	pthread_join(thread, NULL);
	journal_expire(journal);
	assert_int_equal(count_files(), 1);
	journal_reader_free(reader);
	journal_close(journal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_there_and_back),
		TEST(test_seen_when_durable),
		TEST(test_sizes_refused),
		TEST(test_group_over_segments),
		TEST(test_reading_positions),
		TEST(test_unlinked_segment),
		TEST(test_idle_restarts_leave_nothing),
		TEST(test_each_start_has_its_segment),
		TEST(test_locked),
		TEST(test_folder_is_made),
		TEST(test_foreign_files),
		TEST(test_bounds),
		TEST(test_oldest_goes_first),
		TEST(test_expire),
		TEST(test_age_after_restart),
		TEST(test_follow_while_appending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
