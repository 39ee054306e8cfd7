/* Sessions in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "accounts/session_table.h"
#include "base/clock.h"
#include "base/mem.h"

#define S CLOCK_US_PER_S

struct opened {
	char token[SESSION_TOKEN_CHARS + 1], ended[SESSION_ID_CHARS + 1];
	struct session session;
};

static bool open_for(struct session_table *table, const char *who, int64_t now_us, struct opened *out)
{
	return session_open(table, str_of(who), STR("10.1.1.1"), now_us, out->token, &out->session,
			    out->ended);
}

static bool use(struct session_table *table, const char *token, int64_t now_us)
{
	struct session session;

	return session_use(table, str_of(token), 100, now_us, &session);
}

static void test_a_token_holds_while_it_is_used(void **state)
{
	struct session_table *table = session_table_new();
	struct opened one, other;

	assert_true(open_for(table, "ann", 0, &one));
	assert_true(open_for(table, "ann", 0, &other));
	assert_string_not_equal(one.token, other.token);
	assert_int_equal(strlen(one.token), SESSION_TOKEN_CHARS);
	assert_null(strstr(one.session.sha256, one.token));
	assert_true(use(table, one.token, 99 * S));
	assert_true(use(table, one.token, 198 * S));
	assert_false(use(table, other.token, 100 * S));
	assert_false(use(table, one.token, 298 * S));
	assert_false(use(table, "", 1));
	other.token[7] = other.token[7] == 'a' ? 'b' : 'a';
	assert_false(use(table, other.token, 1));
	session_table_free(table);
}

static void test_too_many_end_the_one_idle_longest_of_the_same_user(void **state)
{
	struct session_table *table = session_table_new();
	struct opened opened[SESSION_MAX_PER_USER], more, of_ann;

	assert_true(open_for(table, "ann", 0, &of_ann));
	for (int i = 0; i < SESSION_MAX_PER_USER; i++) {
		assert_true(open_for(table, "bob", i * S, &opened[i]));
		assert_string_equal(opened[i].ended, "");
	}
	assert_true(use(table, opened[0].token, 90 * S)); /* the oldest, and not the idlest now */
	assert_true(open_for(table, "bob", 91 * S, &more));
	assert_string_equal(more.ended, opened[1].session.id);
	assert_true(use(table, opened[0].token, 92 * S));
	assert_false(use(table, opened[1].token, 92 * S));
	assert_true(use(table, of_ann.token, 92 * S));
	session_table_free(table);
}

static void test_a_full_table_refuses_strangers(void **state)
{
	struct session_table *table = session_table_new();
	struct opened opened;
	char name[16];

	for (int i = 0; i < SESSION_MAX_COUNT; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		assert_true(open_for(table, name, i, &opened));
	}
	assert_false(open_for(table, "late", SESSION_MAX_COUNT, &opened));
	assert_true(open_for(table, "user7", SESSION_MAX_COUNT, &opened)); /* in place of its own */
	session_expire(table, 10, 10 * S + 5); /* users 0 to 5 but none else */
	assert_true(open_for(table, "late", 11 * S, &opened));
	session_table_free(table);
}

static void test_what_ends_elsewhere_ends_here(void **state)
{
	struct session_table *table = session_table_new();
	struct opened kept, gone, fresh;
	struct session found;

	open_for(table, "ann", 1, &kept);
	open_for(table, "ann", 2, &gone);
	open_for(table, "ann", 3, &fresh); /* the database does not know of it yet */
	session_set_stored(table, str_of(kept.session.id), 1);
	session_set_stored(table, str_of(gone.session.id), 2);
	session_keep_only(table, &kept.session, 1);
	assert_true(session_find(table, str_of(kept.session.id), &found));
	assert_false(session_find(table, str_of(gone.session.id), &found));
	assert_true(session_find(table, str_of(fresh.session.id), &found));
	session_close_all(table, STR("ann"), str_of(fresh.session.id));
	assert_false(use(table, kept.token, 4));
	assert_true(use(table, fresh.token, 4));
	assert_true(session_close(table, str_of(fresh.session.id)));
	assert_false(session_close(table, str_of(fresh.session.id)));
	session_table_free(table);
}

static void test_learnt_from_another_replica(void **state)
{
	struct session_table *table = session_table_new(), *other = session_table_new();
	struct opened opened;
	size_t n;
	struct session *list;

	open_for(other, "ann", 5 * S, &opened);
	assert_false(use(table, opened.token, 6 * S));
	session_learn(table, &opened.session);
	assert_true(use(table, opened.token, 6 * S));
	opened.session.used_us = 90 * S; /* used there */
	session_learn(table, &opened.session);
	assert_true(use(table, opened.token, 150 * S));
	list = session_list(table, &n);
	assert_int_equal(n, 1);
	assert_true(list[0].is_stored);
	assert_int_equal(list[0].used_us, 150 * S);
	free(list);
	session_table_free(table);
	session_table_free(other);
}

/* Ended while the database was away: what it still has does not bring the session back. */
static void test_an_ended_session_stays_ended(void **state)
{
	struct session_table *table = session_table_new();
	struct opened one;
	size_t n;
	char *ids;

	assert_true(open_for(table, "ann", 0, &one));
	session_end(table, str_of(one.session.id));
	session_end(table, str_of(one.session.id));
	assert_false(session_learn(table, &one.session));
	assert_false(use(table, one.token, 1 * S));
	ids = session_ended(table, &n);
	assert_int_equal(n, 1);
	assert_string_equal(ids, one.session.id);
	free(ids);
	session_set_gone(table, str_of(one.session.id));
	session_set_gone(table, STR("nothing"));
	ids = session_ended(table, &n);
	assert_int_equal(n, 0);
	free(ids);
	assert_true(session_learn(table, &one.session));
	session_table_free(table);
}

/* The oldest are forgotten, and no more memory is taken. */
static void test_ended_ones_are_capped(void **state)
{
	struct session_table *table = session_table_new();
	char id[SESSION_ID_CHARS + 1], *ids;
	size_t n;

	for (int i = 0; i < SESSION_MAX_ENDED + 3; i++) {
		snprintf(id, sizeof(id), "id%06d", i);
		session_end(table, str_of(id));
	}
	ids = session_ended(table, &n);
	assert_int_equal(n, SESSION_MAX_ENDED);
	assert_string_equal(ids, "id000003");
	assert_string_equal(ids + (n - 1) * (SESSION_ID_CHARS + 1), id);
	free(ids);
	session_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_holds_while_it_is_used),
		cmocka_unit_test(test_too_many_end_the_one_idle_longest_of_the_same_user),
		cmocka_unit_test(test_a_full_table_refuses_strangers),
		cmocka_unit_test(test_what_ends_elsewhere_ends_here),
		cmocka_unit_test(test_learnt_from_another_replica),
		cmocka_unit_test(test_an_ended_session_stays_ended),
		cmocka_unit_test(test_ended_ones_are_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
