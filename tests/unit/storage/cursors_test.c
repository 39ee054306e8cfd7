/* Durable cursors: who owns one, what a dead owner's lease allows, and that a late move does not. */
#include "tests/unit/storage/pg.h"

#include <errno.h>

#include "base/clock.h"
#include "storage/cursors.h"
#include "storage/migrate.h"
#include "storage/shared.h"

struct house {
	struct db *a, *b; /* two replicas */
	struct uuid epoch, process_a, process_b;
	struct err err;
};

static int set_up(void **state)
{
	struct house *house;
	char *url;

	if (!pg_is_there())
		return 0;
	house = xcalloc(1, sizeof(*house));
	url = pg_new_database();
	house->a = pg_connect(url);
	house->b = pg_connect(url);
	house->epoch = uuid_v4();
	house->process_a = uuid_v4();
	house->process_b = uuid_v4();
	if (migrate(house->a, &house->err) < 0)
		fail_msg("%s", house->err.text);
	free(url);
	*state = house;
	return 0;
}

static int tear_down(void **state)
{
	struct house *house = *state;

	if (!house)
		return 0;
	db_close(house->a);
	db_close(house->b);
	free(house);
	return 0;
}

static int claim_a(struct house *house, struct cursor *out)
{
	return cursor_claim(house->a, "alarms", house->process_a, house->epoch, 7, out, &house->err);
}

static int claim_b(struct house *house, struct cursor *out)
{
	return cursor_claim(house->b, "alarms", house->process_b, house->epoch, 99, out,
			    &house->err);
}

static void test_one_owner(void **state)
{
	struct house *house = *state;
	struct cursor a, b, again;

	PG_OR_SKIP();
	assert_int_equal(claim_a(house, &a), 1);
	assert_int_equal(a.seq, 7);
	assert_true(uuid_eq(a.epoch, house->epoch));
	assert_int_equal(claim_b(house, &b), 0);
	assert_int_equal(cursor_move(house->a, &a, house->epoch, 8, &house->err), 0);
	assert_int_equal(a.seq, 8);
	/* Again its own, as after a lost connection: what was claimed before is over. */
	assert_int_equal(claim_a(house, &again), 1);
	assert_int_equal(again.seq, 8);
	assert_int_equal(cursor_renew(house->a, &a, &house->err), -ESTALE);
	assert_int_equal(cursor_renew(house->a, &again, &house->err), 0);
}

static void test_released_it_goes_on_where_it_was(void **state)
{
	struct house *house = *state;
	struct uuid next = uuid_v4();
	struct cursor a, b;

	PG_OR_SKIP();
	assert_int_equal(claim_a(house, &a), 1);
	assert_int_equal(cursor_move(house->a, &a, next, 21, &house->err), 0);
	assert_int_equal(cursor_release(house->a, &a, &house->err), 0);
	assert_int_equal(claim_b(house, &b), 1);
	assert_int_equal(b.seq, 21);
	assert_true(uuid_eq(b.epoch, next));
	assert_int_equal(cursor_release(house->a, &a, &house->err), -ESTALE);
}

/* By the real clock: within 5 s of the last renewal, and not before the lease has run out. */
static void test_a_dead_owner_loses_it_within_5_s(void **state)
{
	struct house *house = *state;
	struct cursor a, b;
	int64_t start_us;

	PG_OR_SKIP();
	assert_int_equal(claim_a(house, &a), 1);
	assert_int_equal(cursor_renew(house->a, &a, &house->err), 0);
	start_us = clock_monotonic_us();
	while (claim_b(house, &b) == 0)
		usleep(CURSOR_RENEW_US / 4);
	start_us = clock_monotonic_us() - start_us;
	assert_in_range(start_us, CURSOR_LEASE_US - CURSOR_RENEW_US / 4, 5 * CLOCK_US_PER_S);
	assert_int_equal(b.seq, 7);
	assert_int_equal(b.term, a.term + 1);
}

/* The late owner's work goes with its move. */
static void test_a_late_move_takes_its_transaction_along(void **state)
{
	struct house *house = *state;
	struct cursor a, b;

	PG_OR_SKIP();
	assert_int_equal(claim_a(house, &a), 1);
	pg_sql(house->a, "CREATE TABLE done (seq bigint)");
	assert_int_equal(db_begin(house->a, &house->err), 0);
	pg_sql(house->a, "INSERT INTO done VALUES (8)");
	pg_sql(house->b, "UPDATE cursor SET leased_until = now() - interval '1 s'");
	assert_int_equal(claim_b(house, &b), 1);
	assert_int_equal(cursor_move(house->a, &a, house->epoch, 8, &house->err), -ESTALE);
	assert_int_equal(a.seq, 7);
	db_rollback(house->a);
	assert_int_equal(pg_int(house->b, "SELECT count(*) FROM done"), 0);
	assert_int_equal(pg_int(house->b, "SELECT seq FROM cursor"), 7);
}

/* --- facts, which replicas agree on in the same way
 * --------------------------------------------------------- */

static void test_the_first_fact_holds(void **state)
{
	struct house *house = *state;
	char *holds = NULL;

	PG_OR_SKIP();
	assert_int_equal(fact_claim(house->a, "x", (struct str){ NULL, 0 }, house->process_a, &holds,
				    &house->err),
			 -ENOENT);
	assert_null(holds);
	assert_int_equal(fact_claim(house->a, "x", STR("one"), house->process_a, &holds, &house->err),
			 1);
	free(holds);
	assert_int_equal(fact_claim(house->b, "x", STR("two"), house->process_b, &holds, &house->err),
			 0);
	assert_string_equal(holds, "one");
	free(holds);
	assert_int_equal(fact_set(house->b, "x", STR("three"), house->process_b, &house->err), 0);
	assert_int_equal(fact_claim(house->a, "x", STR("one"), house->process_a, &holds, &house->err),
			 0);
	assert_string_equal(holds, "three");
	free(holds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_released_it_goes_on_where_it_was, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_dead_owner_loses_it_within_5_s, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_late_move_takes_its_transaction_along, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_the_first_fact_holds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
