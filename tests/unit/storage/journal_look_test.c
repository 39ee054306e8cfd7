/* Looking at a journal that somebody else owns, or nobody. */
#include "tests/unit/storage/journal_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storage/journal_look.h"

#define N_RECORDS 5

static struct journal_place places[N_RECORDS];

/* Records of different lengths; the journal stays open when the caller wants it. */
static struct journal *fill(void)
{
	struct journal *journal = open_small();

	for (uint64_t i = 0; i < N_RECORDS; i++)
		places[i] = append_numbered(journal, i, 20 + 37 * i);
	sync_all(journal);
	return journal;
}

struct found {
	struct journal_damage damage[8];
	size_t n;
};

static void take(void *ctx, const struct journal_look *segment, const struct journal_damage *damage)
{
	struct found *found = ctx;

	assert_true(found->n < ARRAY_LEN(found->damage));
	found->damage[found->n++] = *damage;
}

/* The only segment; how many records are whole. */
static uint64_t verify(struct found *found)
{
	struct journal_look *list;
	uint64_t n_records;
	size_t n;

	*found = (struct found){ .n = 0 };
	assert_int_equal(journal_look(dir, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	if (journal_look_verify(dir, &list[0], take, found, &n_records, &err) < 0)
		fail_msg("%s", err.text);
	free(list);
	return n_records;
}

/* Xor of one byte of the only segment's file. */
static void flip(uint64_t at)
{
	char path[512];
	uint8_t byte;
	int fd;

	assert_true(file_at(".journal", 0, path, sizeof(path)));
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static void test_one_that_is_being_written(void **state)
{
	struct journal *journal = fill();
	struct journal_look *list;
	struct found found;
	size_t n;

	assert_int_equal(journal_look(dir, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_false(list[0].view.sealed);
	assert_int_equal(list[0].view.end, places[N_RECORDS - 1].end);
	assert_true(list[0].size > list[0].view.end);
	free(list);
	assert_int_equal(verify(&found), N_RECORDS);
	assert_int_equal(found.n, 0);
	/* The owner goes on as if nothing had been. */
	append_numbered(journal, N_RECORDS, 99);
	sync_all(journal);
	assert_int_equal(verify(&found), N_RECORDS + 1);
	assert_int_equal(count_numbered(journal, 0), N_RECORDS + 1);
	journal_close(journal);
}

static void test_nothing_is_changed(void **state)
{
	char path[512];
	struct stat before, after;
	struct found found;

	journal_close(fill());
	assert_true(file_at(".journal", 0, path, sizeof(path)));
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(verify(&found), N_RECORDS);
	assert_int_equal(stat(path, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(count_files(), 1);
}

/* Each byte of each head and the ends of each payload, in a sealed segment. */
static void test_damage_is_named_by_its_place(void **state)
{
	struct found found;

	journal_close(fill());
	for (size_t i = 0; i < N_RECORDS; i++) {
		const uint64_t at[] = { places[i].start, places[i].start + 4, places[i].start + 8,
					places[i].start + 16, places[i].start + 16 + 19 + 37 * i };

		for (size_t k = 0; k < ARRAY_LEN(at); k++) {
			flip(at[k]);
			assert_int_equal(verify(&found), N_RECORDS - 1);
			assert_int_equal(found.n, 1);
			assert_int_equal(found.damage[0].from, places[i].start);
			assert_int_equal(found.damage[0].to, places[i].end);
			assert_false(found.damage[0].is_tail);
			flip(at[k]);
		}
	}
	assert_int_equal(verify(&found), N_RECORDS);
}

/* What recovery cuts off: the last record of a segment that was never sealed. */
static void test_a_torn_end(void **state)
{
	struct journal *journal = fill();
	const struct journal_place *last = &places[N_RECORDS - 1];
	struct found found;

	flip(last->end - 8);
	assert_int_equal(verify(&found), N_RECORDS - 1);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.damage[0].from, last->start);
	assert_true(found.damage[0].is_tail);
	flip(last->end - 8);
	/* One in the middle too: two places. */
	flip(places[1].start + 20);
	flip(last->start);
	assert_int_equal(verify(&found), N_RECORDS - 2);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.damage[0].from, places[1].start);
	assert_int_equal(found.damage[0].to, places[1].end);
	assert_true(found.damage[1].is_tail);
	journal_close(journal);
}

static void test_a_header_that_is_gone(void **state)
{
	struct found found;

	journal_close(fill());
	flip(20);
	assert_int_equal(verify(&found), N_RECORDS);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.damage[0].from, 0);
}

static void test_folders_without_a_journal(void **state)
{
	struct journal_look *list;
	char path[512];
	size_t n;

	assert_int_equal(journal_look(dir, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
	assert_int_equal(journal_look_owner(dir), 0);
	assert_int_equal(journal_look("/tmp/nothing-at-all", &list, &n, &err), -ENOENT);
	snprintf(path, sizeof(path), "%s/stray.journal", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(journal_look(dir, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
	/* A number that is another program's by now. */
	snprintf(path, sizeof(path), "%s/lock", dir);
	FILE *lock = fopen(path, "w");
	fprintf(lock, "%d\n", (int)getpid());
	fclose(lock);
	assert_int_equal(journal_look_owner(dir), 0);
}

int main(void)
{
#define EACH(fn) cmocka_unit_test_setup_teardown(fn, fixture_make, fixture_remove)
	const struct CMUnitTest tests[] = {
		EACH(test_one_that_is_being_written), EACH(test_nothing_is_changed),
		EACH(test_damage_is_named_by_its_place), EACH(test_a_torn_end),
		EACH(test_a_header_that_is_gone), EACH(test_folders_without_a_journal),
	};

	return cmocka_run_group_tests_name("storage/journal_look", tests, NULL, NULL);
}
