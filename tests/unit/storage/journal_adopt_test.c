/* The segments of a replica that is gone, taken over: all of them, once, whatever fails meanwhile.
 */
#include "tests/unit/storage/journal_fixture.h"

#include <fcntl.h>

#include "base/file.h"
#include "storage/journal_adopt.h"

static char own_dir[64], orphan_dir[64];

static int make_both(void **state)
{
	if (fixture_make(state) < 0)
		return -1;
	memcpy(own_dir, dir, sizeof(dir));
	if (fixture_make(state) < 0)
		return -1;
	memcpy(orphan_dir, dir, sizeof(dir));
	memcpy(dir, own_dir, sizeof(dir));
	return 0;
}

static int remove_both(void **state)
{
	int r;

	memcpy(dir, orphan_dir, sizeof(dir));
	r = fixture_remove(state);
	memcpy(dir, own_dir, sizeof(dir));
	return fixture_remove(state) < 0 ? -1 : r;
}

/* A life of the replica: one segment, sealed at its end. */
static struct journal_place leave_text(const char *text)
{
	struct journal_place place;
	struct journal *journal;

	memcpy(dir, orphan_dir, sizeof(dir));
	journal = open_small();
	place = append_text(journal, text);
	sync_all(journal);
	journal_close(journal);
	memcpy(dir, own_dir, sizeof(dir));
	return place;
}

static size_t n_left_behind(void)
{
	size_t n;

	memcpy(dir, orphan_dir, sizeof(dir));
	n = count_files();
	memcpy(dir, own_dir, sizeof(dir));
	return n;
}

static void expect_adopted(struct journal *journal, int n)
{
	if (journal_adopt(journal, orphan_dir, &err) != n)
		fail_msg("not %d: %s", n, err.text);
}

static void test_taken_behind_our_own(void **state)
{
	struct journal_place one = leave_text("one"), two = leave_text("two");
	struct journal_segment *segments;
	struct journal *journal = open_small();
	size_t n;

	append_text(journal, "ours, of an earlier start");
	sync_all(journal);
	journal_close(journal);
	journal = open_small();
	assert_int_equal(journal_adopt(journal, "/tmp/no such folder", &err), 0);
	expect_adopted(journal, 2);
	assert_int_equal(n_left_behind(), 0);
	append_text(journal, "ours, of now");
	sync_all(journal);
	expect_everything(journal, "ours, of an earlier start|one|two|ours, of now|");
	/* The ids, and with them the positions in the database, are what they were. */
	journal_segments(journal, &segments, &n);
	assert_int_equal(n, 4);
	assert_true(uuid_eq(segments[1].id, one.segment) && segments[1].end == one.end);
	assert_true(uuid_eq(segments[2].id, two.segment) && segments[2].end == two.end);
	free(segments);
	expect_adopted(journal, 0);
	journal_close(journal);
	journal = open_small();
	expect_everything(journal, "ours, of an earlier start|one|two|ours, of now|");
	journal_close(journal);
}

static void test_one_that_runs_is_left_alone(void **state)
{
	struct journal *journal = open_small(), *running;

	memcpy(dir, orphan_dir, sizeof(dir));
	running = open_small();
	append_text(running, "it lives");
	sync_all(running);
	memcpy(dir, own_dir, sizeof(dir));
	assert_int_equal(journal_adopt(journal, orphan_dir, &err), -EBUSY);
	assert_int_equal(n_left_behind(), 1);
	expect_everything(journal, "");
	journal_close(running);
	expect_adopted(journal, 1);
	expect_everything(journal, "it lives|");
	journal_close(journal);
}

/* What a kill leaves: no seal, and part of a record behind the last whole one. */
static void test_torn_end(void **state)
{
	struct journal_place place;
	struct journal *journal;
	char path[512], *bytes;
	size_t n;

	memcpy(dir, orphan_dir, sizeof(dir));
	journal = open_small();
	append_text(journal, "whole");
	place = append_text(journal, "torn in the middle of it");
	sync_all(journal);
	assert_true(file_at(".journal", 0, path, sizeof(path)));
	assert_int_equal(file_read(path, 5 << 20, &bytes, &n, &err), 0);
	journal_close(journal);
	memset(bytes + place.end - 12, 0, n - place.end + 12);
	assert_int_equal(file_replace(path, (struct str){ bytes, n }, 0600, &err), 0);
	free(bytes);
	memcpy(dir, own_dir, sizeof(dir));
	for (int i = 0; i < 2; i++) {
		journal = open_small();
		expect_adopted(journal, i == 0);
		expect_everything(journal, "whole|");
		journal_close(journal);
	}
}

/* Room for the first of two. */
static void test_no_room(void **state)
{
	char *large = xcalloc(1, 300001);
	struct journal *journal;

	memset(large, 'x', 300000);
	leave_text("small");
	leave_text(large);
	journal = open_with(64 * MIB, 64 * MIB - 200000, INT64_MAX / 4);
	assert_int_equal(journal_adopt(journal, orphan_dir, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "storage.journal_max_bytes"));
	assert_int_equal(n_left_behind(), 1);
	expect_everything(journal, "small|");
	journal_close(journal);
	journal = open_small();
	expect_adopted(journal, 1);
	assert_int_equal(n_left_behind(), 0);
	journal_close(journal);
	free(large);
}

/* --- failing system calls --------------------------------------------------------------------- */

static struct journal_sys real;
static int fail_at, n_calls;

static bool fails(void)
{
	errno = EIO;
	return ++n_calls == fail_at;
}

static int fake_openat(int at, const char *name, int flags, mode_t mode)
{
	return fails() ? -1 : real.openat(at, name, flags, mode);
}

static ssize_t fake_pwrite(int fd, const void *p, size_t n, off_t at)
{
	return fails() ? -1 : real.pwrite(fd, p, n, at);
}

static int fake_fdatasync(int fd)
{
	return fails() ? -1 : real.fdatasync(fd);
}

static int fake_fallocate(int fd, off_t at, off_t n)
{
	return fails() ? EIO : real.fallocate(fd, at, n);
}

static int fake_unlinkat(int at, const char *name, int flags)
{
	return fails() ? -1 : real.unlinkat(at, name, flags);
}

static void fail_call(int i)
{
	fail_at = i;
	n_calls = 0;
	journal_sys.openat = fake_openat;
	journal_sys.pwrite = fake_pwrite;
	journal_sys.fdatasync = fake_fdatasync;
	journal_sys.fallocate = fake_fallocate;
	journal_sys.unlinkat = fake_unlinkat;
}

/* Whichever call fails, and though the process ends there: the next start has each record once. */
static void test_any_call_may_fail(void **state)
{
	bool any_failed = true;

	real = journal_sys;
	for (int i = 1; any_failed; i++) {
		struct journal *journal;
		int taken;

		leave_text("one");
		leave_text("two");
		journal = open_small();
		fail_call(i);
		taken = journal_adopt(journal, orphan_dir, &err);
		any_failed = n_calls >= i;
		journal_sys = real;
		/* What was taken is there, and nothing else of it. */
		assert_true(taken < 0 || taken == 2 || any_failed);
		journal_close(journal);
		journal = open_small();
		if (journal_adopt(journal, orphan_dir, &err) < 0)
			fail_msg("call %d: %s", i, err.text);
		expect_everything(journal, "one|two|");
		assert_int_equal(n_left_behind(), 0);
		journal_close(journal);
		assert_int_equal(remove_both(NULL), 0);
		assert_int_equal(make_both(NULL), 0);
		assert_true(i < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_taken_behind_our_own, make_both, remove_both),
		cmocka_unit_test_setup_teardown(test_one_that_runs_is_left_alone, make_both,
						remove_both),
		cmocka_unit_test_setup_teardown(test_torn_end, make_both, remove_both),
		cmocka_unit_test_setup_teardown(test_no_room, make_both, remove_both),
		cmocka_unit_test_setup_teardown(test_any_call_may_fail, make_both, remove_both),
	};

	return cmocka_run_group_tests_name("storage/journal_adopt", tests, NULL, NULL);
}
