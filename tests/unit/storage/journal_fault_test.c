/* What the journal survives: torn tails, flipped bits, kills at any moment, failing system calls.
 */
#include "journal_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secrets.h"

/* A segment of three records as it is on disk before it is sealed, cut to `n` bytes. */
struct image {
	char path[512];
	char *bytes; /* owned */
	size_t n;
	struct journal_place places[3];
};

static const char *const texts[3] = { "the first record", "the second", "the third, the last one" };

static void make_image(struct image *image)
{
	struct journal *journal = open_small();
	size_t n;

	for (size_t i = 0; i < 3; i++) {
		image->places[i] = append_text(journal, texts[i]);
		sync_all(journal);
	}
	assert_true(file_at(".journal", 0, image->path, sizeof(image->path)));
	assert_int_equal(file_read(image->path, 5 << 20, &image->bytes, &n, &err), 0);
	image->n = image->places[2].end + 64; /* and some of the zeros behind */
	assert_true(image->n < n);
	journal_close(journal);
}

/* The journal after a start with this image; twice, since the first changes the file. */
static void expect_of_image(const struct image *image, const char *bytes, size_t n,
			    const char *expected)
{
	struct journal *journal;

	assert_int_equal(file_replace(image->path, (struct str){ bytes, n }, 0600, &err), 0);
	for (int i = 0; i < 2; i++) {
		journal = open_small();
		expect_everything(journal, expected);
		journal_close(journal);
	}
}

/* --- torn tails ------------------------------------------------------------------------------- */

/* The last record cut at every byte: the file ends there, or zeros or other bytes follow. */
static void test_torn_tail(void **state)
{
	static const struct {
		const char *name;
		bool ends, is_garbage;
	} cases[] = { { "end of file", true, false },
		      { "zeros", false, false },
		      { "garbage", false, true } };
	struct image image;

	make_image(&image);
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		for (uint64_t cut = image.places[2].start; cut < image.places[2].end; cut++) {
			char *torn = xmalloc(image.n);
			bool is_whole = cut >= image.places[2].start + JOURNAL_HEAD_BYTES +
						       strlen(texts[2]);
			char *expected = xasprintf("%s|%s|%s%s", texts[0], texts[1],
						   is_whole && !cases[k].ends ? texts[2] : "",
						   is_whole && !cases[k].ends ? "|" : "");

			memcpy(torn, image.bytes, image.n);
			memset(torn + cut, 0, image.n - cut);
			if (cases[k].is_garbage)
				secrets_random(torn + cut, image.n - cut);
			expect_of_image(&image, torn, cases[k].ends ? cut : image.n, expected);
			free(expected);
			free(torn);
		}
	}
	free(image.bytes);
}

/* Nothing but the beginning of a segment: a crash while it was made. */
static void test_torn_beginning(void **state)
{
	struct image image;

	make_image(&image);
	for (size_t n = 0; n <= image.places[0].start + 8; n += 4) {
		bool is_torn_header = n > 0 && n < JOURNAL_HEADER_BYTES;

		expect_of_image(&image, image.bytes, n, "");
		/* A damaged header is never a reason to delete. */
		assert_int_equal(count_files(), is_torn_header);
	}
	memset(image.bytes, 0, image.n);
	expect_of_image(&image, image.bytes, image.n, "");
	assert_int_equal(count_files(), 0);
	free(image.bytes);
}

/* A dropped tail stays dropped: what a second start appends is in another segment, and bytes that
 * were once behind the end never come back. */
static void test_tail_stays_dropped(void **state)
{
	struct image image;
	struct journal *journal;
	struct stat st;

	make_image(&image);
	image.bytes[image.places[2].start + JOURNAL_HEAD_BYTES] ^= 1;
	assert_int_equal(file_replace(image.path, (struct str){ image.bytes, image.n }, 0600, &err),
			 0);
	journal = open_small();
	append_text(journal, "new");
	sync_all(journal);
	expect_everything(journal, "the first record|the second|new|");
	journal_close(journal);
	assert_int_equal(stat(image.path, &st), 0);
	assert_int_equal(st.st_size, image.places[2].start);
	journal = open_small();
	expect_everything(journal, "the first record|the second|new|");
	journal_close(journal);
	free(image.bytes);
}

/* --- damage ----------------------------------------------------------------------------------- */

/* Each bit of the middle record: its neighbours are read, the damage is told. Unsealed and sealed.
 */
static void test_flipped_bits(void **state)
{
	struct image image;
	size_t n_sealed;
	char *sealed;

	make_image(&image);
	assert_int_equal(file_read(image.path, 5 << 20, &sealed, &n_sealed, &err), 0);
	for (uint64_t at = image.places[1].start; at < image.places[1].end; at++) {
		/* The bytes that fill up to a multiple of 8 say nothing. */
		bool is_filling =
			at >= image.places[1].start + JOURNAL_HEAD_BYTES + strlen(texts[1]);
		const char *expected =
			is_filling ? "the first record|the second|the third, the last one|"
				   : "the first record|!the third, the last one|";

		for (int bit = 0; bit < 8; bit++) {
			image.bytes[at] ^= (char)(1 << bit);
			expect_of_image(&image, image.bytes, image.n, expected);
			image.bytes[at] ^= (char)(1 << bit);
			sealed[at] ^= (char)(1 << bit);
			expect_of_image(&image, sealed, n_sealed, expected);
			sealed[at] ^= (char)(1 << bit);
		}
	}
	free(sealed);
	free(image.bytes);
}

/* In a sealed segment the last record cannot be taken for a torn tail. */
static void test_damaged_last_of_sealed(void **state)
{
	struct image image;
	size_t n_sealed;
	char *sealed;

	make_image(&image);
	assert_int_equal(file_read(image.path, 5 << 20, &sealed, &n_sealed, &err), 0);
	sealed[image.places[2].start] ^= 1;
	expect_of_image(&image, sealed, n_sealed, "the first record|the second|!");
	free(sealed);
	free(image.bytes);
}

/* Header and seal: either may be damaged, and all records are still read. */
static void test_damaged_front(void **state)
{
	struct image image;
	size_t n_sealed;
	char *sealed;

	make_image(&image);
	assert_int_equal(file_read(image.path, 5 << 20, &sealed, &n_sealed, &err), 0);
	for (size_t at = 0; at < JOURNAL_FIRST;
	     at += at < JOURNAL_HEADER_BYTES || at >> 5 == JOURNAL_SEAL_AT >> 5 ? 1 : 32) {
		sealed[at] ^= 0x10;
		expect_of_image(&image, sealed, n_sealed,
				"the first record|the second|the third, the last one|");
		sealed[at] ^= 0x10;
	}
	free(sealed);
	free(image.bytes);
}

/* A sender cannot smuggle in a record: not one copied from this segment, not one made up. */
static void test_records_within_a_payload(void **state)
{
	struct journal *journal = open_small();
	char *bytes, *payload, path[512];
	struct journal_place first, outer;
	size_t n, n_inner;

	first = append_text(journal, "inner");
	sync_all(journal);
	assert_true(file_at(".journal", 0, path, sizeof(path)));
	assert_int_equal(file_read(path, 5 << 20, &bytes, &n, &err), 0);
	n_inner = first.end - first.start;
	payload = xmalloc(64 * n_inner);
	for (size_t i = 0; i < 64; i++)
		memcpy(payload + i * n_inner, bytes + first.start, n_inner);
	free(bytes);
	outer = append_str(journal, (struct str){ payload, 64 * n_inner });
	append_text(journal, "after");
	sync_all(journal);
	journal_close(journal);
	assert_int_equal(file_read(path, 5 << 20, &bytes, &n, &err), 0);
	bytes[outer.start + 1] ^= 4; /* its length: the search goes through the payload */
	assert_int_equal(file_replace(path, (struct str){ bytes, n }, 0600, &err), 0);
	journal = open_small();
	expect_everything(journal, "inner|!after|");
	journal_close(journal);
	free(payload);
	free(bytes);
}

/* Lengths of megabytes wherever one looks, behind a torn head: a search must not read for each. */
static void test_search_takes_linear_time(void **state)
{
	size_t n = 3 << 20;
	uint32_t *lengths = xmalloc(n);
	struct journal *journal = open_small();
	struct journal_place place;
	int64_t start_us;
	char path[512];
	int fd;

	for (size_t i = 0; i < n / 4; i++)
		lengths[i] = i % 2 ? 0 : 1 << 20;
	append_text(journal, "before");
	place = append_str(journal, (struct str){ (char *)lengths, n });
	append_text(journal, "after");
	sync_all(journal);
	journal_close(journal);
	assert_true(file_at(".journal", 0, path, sizeof(path)));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "\0\0\0\0", 4, (off_t)place.start), 4);
	close(fd);
	journal = open_small();
	start_us = clock_monotonic_us();
	expect_everything(journal, "before|!after|");
	assert_true(clock_monotonic_us() - start_us < 5 * CLOCK_US_PER_S);
	journal_close(journal);
	free(lengths);
}

/* --- kills ------------------------------------------------------------------------------------ */

/* Append groups for ever; after each sync tell how many records are promised. */
static void __attribute__((noreturn)) append_until_killed(uint64_t first, int out)
{
	struct journal *journal = open_with(128 * MIB, 0, INT64_MAX / 4);
	uint64_t number = first;
	unsigned seed = (unsigned)getpid();

	for (;;) {
		int n = 1 + rand_r(&seed) % 8;

		while (n-- > 0)
			append_numbered(journal, number++, 8 + (size_t)rand_r(&seed) % 6000);
		sync_all(journal);
		if (write(out, &number, sizeof(number)) != sizeof(number))
			_exit(1);
	}
}

static uint64_t run_and_kill(uint64_t first, int after_ms)
{
	uint64_t promised = first, told;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		append_until_killed(first, fds[1]);
	close(fds[1]);
	usleep((useconds_t)after_ms * 1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(fds[0], &told, sizeof(told)) == sizeof(told))
		promised = told;
	close(fds[0]);
	return promised;
}

/* Every record told as synced is there, in order, after each of many kills. */
static void test_kills(void **state)
{
	uint64_t n_have = 0, n_promised_in_all = 0;
	unsigned seed = 1;

	for (int round = 0; round < 12; round++) {
		uint64_t promised = run_and_kill(n_have, 5 + rand_r(&seed) % 60);
		struct journal *journal = open_with(128 * MIB, 0, INT64_MAX / 4);

		n_promised_in_all += promised - n_have;
		n_have = count_numbered(journal, 0);
		if (n_have < promised)
			fail_msg("round %d: %llu promised, %llu there", round,
				 (unsigned long long)promised, (unsigned long long)n_have);
		journal_close(journal);
	}
	assert_true(n_promised_in_all > 0);
}

/* --- failing system calls --------------------------------------------------------------------- */

static struct journal_sys real;
static int fail_at, n_calls, fail_with;
static const char *failed_call;

static bool fails(const char *call)
{
	if (++n_calls != fail_at)
		return false;
	failed_call = call;
	errno = fail_with;
	return true;
}

static int fake_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	return fails("openat") ? -1 : real.openat(dir_fd, name, flags, mode);
}

/* Reads fail in one block only, as on a disk with a bad sector. */
static off_t bad_block = -1;

static ssize_t fake_pread(int fd, void *p, size_t n, off_t at)
{
	off_t bad_end = bad_block + 4096;

	if (bad_block < 0 || at >= bad_end || at + (off_t)n <= bad_block)
		return real.pread(fd, p, n, at);
	if (at < bad_block)
		return real.pread(fd, p, (size_t)(bad_block - at), at);
	errno = EIO;
	return -1;
}

/* A failing write has written a part. */
static ssize_t fake_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (!fails("pwrite"))
		return real.pwrite(fd, p, n > 1000000 ? 1000000 : n, at);
	if (real.pwrite(fd, p, n / 2, at) < 0)
		return -1;
	errno = fail_with;
	return -1;
}

static int fake_fdatasync(int fd)
{
	return fails("fdatasync") ? -1 : real.fdatasync(fd);
}

static int fake_fsync(int fd)
{
	return fails("fsync") ? -1 : real.fsync(fd);
}

static int fake_fallocate(int fd, off_t at, off_t n_bytes)
{
	return fails("fallocate") ? fail_with : real.fallocate(fd, at, n_bytes);
}

static int fake_ftruncate(int fd, off_t n_bytes)
{
	return fails("ftruncate") ? -1 : real.ftruncate(fd, n_bytes);
}

static int fake_unlinkat(int dir_fd, const char *name, int flags)
{
	return fails("unlinkat") ? -1 : real.unlinkat(dir_fd, name, flags);
}

static void fake_calls(int at, int with)
{
	fail_at = at;
	fail_with = with;
	n_calls = 0;
	failed_call = NULL;
	journal_sys = (struct journal_sys){
		.openat = fake_openat,
		.pread = fake_pread,
		.pwrite = fake_pwrite,
		.fdatasync = fake_fdatasync,
		.fsync = fake_fsync,
		.fallocate = fake_fallocate,
		.ftruncate = fake_ftruncate,
		.unlinkat = fake_unlinkat,
	};
}

#define N_RECORDS 16 /* of two lives */

static bool is_promised[N_RECORDS];

/* One life: open, append groups over several segments, expire, close. Ends at a failed sync, as
 * the process would. */
static void live(uint64_t first)
{
	const struct journal_config config = { dir, 64 * MIB, 0, 0 };
	bool is_appended[N_RECORDS] = { false };
	struct journal *journal = NULL;

	if (journal_open(&config, &journal, &err) < 0)
		return;
	for (uint64_t i = first; i < first + N_RECORDS / 2; i++) {
		char *p = numbered(i, 700000);
		struct journal_place place;

		is_appended[i] = journal_append(journal, (struct str){ p, 700000 }, false, &place,
						&err) == 0;
		free(p);
		if (i % 4 != 3)
			continue;
		if (journal_sync(journal, &err) < 0)
			break;
		memcpy(is_promised + first, is_appended + first, i + 1 - first);
	}
	journal_expire(journal);
	journal_close(journal);
}

/* How many promised records are missing; what is there must be whole and in order. */
static int count_missing(struct journal *journal)
{
	struct journal_reader *reader = journal_reader_new(dir);
	struct journal_segment *segments;
	bool is_there[N_RECORDS] = { false };
	uint64_t least = 0;
	int n_missing = 0;
	size_t n;

	journal_segments(journal, &segments, &n);
	for (size_t i = 0; i < n; i++) {
		uint64_t at = segments[i].first, next;
		struct str record;

		while (journal_read(reader, &segments[i], at, &record, &next, &err) == 1) {
			uint64_t number = number_of(record);

			assert_true(number >= least && number < N_RECORDS);
			is_there[number] = true;
			least = number + 1;
			at = next;
		}
		assert_int_equal(at, segments[i].end);
	}
	for (size_t i = 0; i < N_RECORDS; i++)
		n_missing += is_promised[i] && !is_there[i];
	free(segments);
	journal_reader_free(reader);
	return n_missing;
}

/* Whichever call fails: what was promised is there, and the bounds hold. */
static void test_each_call_fails(void **state)
{
	static const int errors[] = { EIO, ENOSPC };

	for (size_t k = 0; k < ARRAY_LEN(errors); k++) {
		for (int i = 1;; i++) {
			struct journal *journal;
			int n_missing;

			memset(is_promised, 0, sizeof(is_promised));
			fake_calls(i, errors[k]);
			live(0);
			live(N_RECORDS / 2);
			journal_sys = real;
			journal = open_small();
			n_missing = count_missing(journal);
			if (n_missing > 0)
				fail_msg("call %d (%s): %d missing", i, failed_call, n_missing);
			assert_true(journal_bytes(journal) <= 64 * MIB);
			journal_close(journal);
			fixture_remove(NULL);
			fixture_make(NULL);
			if (!failed_call)
				break;
			/* At most one group, or a whole life whose start was refused. */
			assert_true(memchr(is_promised, true, N_RECORDS) != NULL);
		}
		assert_null(memchr(is_promised, false, N_RECORDS));
	}
}

/* A failed sync is never tried again: the kernel may have forgotten what it could not write. */
static void test_failed_sync_is_final(void **state)
{
	struct journal *journal = open_small();
	struct journal_place place;

	append_text(journal, "one");
	sync_all(journal);
	append_text(journal, "two");
	fake_calls(2, EIO); /* a write, then the fdatasync */
	assert_int_equal(journal_sync(journal, &err), -EIO);
	assert_string_equal(failed_call, "fdatasync");
	assert_non_null(strstr(err.text, "cannot write"));
	journal_sys = real;
	assert_int_equal(journal_sync(journal, &err), -EIO);
	assert_int_equal(journal_append(journal, STR("three"), false, &place, &err), -EIO);
	expect_everything(journal, "one|");
	journal_close(journal);
}

/* One bad block costs the records in it, and none behind it. */
static void test_bad_block(void **state)
{
	struct journal *journal = open_small();
	char filling[4001], *expected[2];

	memset(filling, 'a', 4000);
	filling[4000] = '\0';
	append_text(journal, "first");
	append_text(journal, filling); /* from the block at 0 into that at 4096 */
	append_text(journal, "second");
	append_text(journal, filling); /* into the block at 8192 */
	assert_in_range(append_text(journal, "last").start, 8192, 12000);
	sync_all(journal);
	journal_close(journal);
	expected[0] = xstrdup("first|!last|");
	expected[1] = xasprintf("first|%s|second|!", filling);
	fake_calls(0, 0);
	for (int i = 0; i < 2; i++) {
		bad_block = 4096 * (i + 1);
		journal = open_small();
		expect_everything(journal, expected[i]);
		journal_close(journal);
		free(expected[i]);
	}
	bad_block = -1;
	journal_sys = real;
}

/* A tail that cannot be read is not a torn one: it is still there when the disk gives it out. */
static void test_bad_block_in_tail(void **state)
{
	struct journal *journal = open_small();
	char filling[4001], path[512], *bytes, *expected;
	size_t n;

	memset(filling, 'a', 4000);
	filling[4000] = '\0';
	append_text(journal, "first");
	append_text(journal, filling);
	append_text(journal, "second");
	sync_all(journal);
	assert_true(file_at(".journal", 0, path, sizeof(path)));
	assert_int_equal(file_read(path, 5 << 20, &bytes, &n, &err), 0);
	journal_close(journal);
	assert_int_equal(file_replace(path, (struct str){ bytes, 12288 }, 0600, &err), 0);
	free(bytes);
	fake_calls(0, 0);
	for (int i = 0; i < 2; i++) {
		bad_block = 4096 * i; /* the first two, then the last two */
		journal = open_small();
		expect_everything(journal, i == 0 ? "!second|" : "first|");
		journal_close(journal);
	}
	bad_block = -1;
	expected = xasprintf("first|%s|second|", filling);
	journal = open_small();
	expect_everything(journal, expected);
	journal_close(journal);
	journal_sys = real;
	free(expected);
}

/* A full file system: refused, nothing left behind, and better once there is room. */
static void test_no_space_for_a_segment(void **state)
{
	struct journal *journal = open_small();
	struct journal_place place;
	int n_creating;

	fake_calls(0, ENOSPC);
	append_text(journal, "counts the calls");
	n_creating = n_calls;
	assert_int_equal(n_creating, 5); /* openat, fallocate, pwrite, fdatasync, fsync */
	journal_close(journal);
	journal_sys = real;
	for (int i = 1; i <= n_creating; i++) {
		journal = open_small();
		fake_calls(i, ENOSPC);
		assert_int_equal(journal_append(journal, STR("x"), false, &place, &err), -ENOSPC);
		assert_non_null(failed_call);
		assert_true(journal_is_full(journal));
		assert_int_equal(count_files(), 0);
		assert_int_equal(journal_bytes(journal), 0);
		journal_sys = real;
		append_text(journal, "y");
		sync_all(journal);
		assert_false(journal_is_full(journal));
		expect_everything(journal, "y|");
		journal_close(journal);
		fixture_remove(NULL);
		fixture_make(NULL);
	}
}

/* Loaded segments make way for a new one when the file system is full, whatever keep_us says. */
static void test_loaded_make_way_on_full_disk(void **state)
{
	struct journal *journal = open_small();
	struct journal_segment *segments;
	size_t n;

	append_text(journal, "old");
	sync_all(journal);
	journal_close(journal);
	journal = open_small();
	journal_segments(journal, &segments, &n);
	journal_set_loaded(journal, segments[0].id, segments[0].end, 0);
	free(segments);
	fake_calls(2, ENOSPC); /* the first fallocate */
	append_text(journal, "new");
	assert_string_equal(failed_call, "fallocate");
	journal_sys = real;
	sync_all(journal);
	expect_everything(journal, "new|");
	journal_close(journal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_torn_tail),
		TEST(test_torn_beginning),
		TEST(test_tail_stays_dropped),
		TEST(test_flipped_bits),
		TEST(test_damaged_last_of_sealed),
		TEST(test_damaged_front),
		TEST(test_records_within_a_payload),
		TEST(test_search_takes_linear_time),
		TEST(test_kills),
		TEST(test_each_call_fails),
		TEST(test_failed_sync_is_final),
		TEST(test_bad_block),
		TEST(test_bad_block_in_tail),
		TEST(test_no_space_for_a_segment),
		TEST(test_loaded_make_way_on_full_disk),
	};

	real = journal_sys;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
