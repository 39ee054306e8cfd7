/* Source set: the three ways to find a source, what hides one, and the cost of a large fleet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/secrets.h"
#include "event/source_set.h"

#define N_FLEET 200000

static struct uuid id_of(uint32_t n)
{
	struct uuid id = { { 0x10 } };

	memcpy(id.b + 4, &n, sizeof(n));
	return id;
}

static struct source_set *sample(void)
{
	struct source sources[] = {
		{ .id = id_of(1),
		  .name = STR("n1"),
		  .address = STR("10.0.0.1"),
		  .token = STR("AbcDefGh"),
		  .site = STR("Lyon"),
		  .state = SOURCE_CONFIGURED },
		{ .id = id_of(2),
		  .name = STR("10.0.0.2"),
		  .address = STR("10.0.0.2"),
		  .state = SOURCE_ENROLLED,
		  .reply_status = 204 },
		{ .id = id_of(3),
		  .name = STR("gone"),
		  .address = STR("10.0.0.3"),
		  .token = STR("removedtoken"),
		  .state = SOURCE_REMOVED },
		{ .id = id_of(4),
		  .name = STR("gateway a"),
		  .address = STR("10.0.0.4"),
		  .token = STR("tokena"),
		  .state = SOURCE_CONFIGURED },
		{ .id = id_of(5),
		  .name = STR("10.0.0.4"),
		  .address = STR("10.0.0.4"),
		  .state = SOURCE_ENROLLED },
	};
	struct source_set *set =
		source_set_new(sources, sizeof(sources) / sizeof(sources[0]), STR("Enrol2"), true);

	memset(sources, 0xff, sizeof(sources)); /* the set holds copies */
	return set;
}

static void found_by_token(void **state)
{
	static const struct {
		const char *token;
		uint32_t id; /* 0: not found */
	} cases[] = {
		{ "abcdefgh", 1 }, { "ABCDEFGH", 1 },     { "abcdefg", 0 }, { "abcdefghi", 0 },
		{ "", 0 },         { "removedtoken", 0 }, { "tokena", 4 },  { "enrol2", 0 },
	};
	struct source_set *set = sample();
	char large[4096];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct source *source = source_set_by_token(set, str_of(cases[i].token));

		print_message("'%s'\n", cases[i].token);
		assert_int_equal(source != NULL, cases[i].id != 0);
		assert_true(!source || uuid_eq(source->id, id_of(cases[i].id)));
	}
	memset(large, 'a', sizeof(large));
	assert_null(source_set_by_token(set, (struct str){ large, sizeof(large) }));
	source_set_unref(set);
}

static void found_by_address_and_id(void **state)
{
	struct source_set *set = sample();
	const struct source *source = source_set_by_address(set, STR("10.0.0.2"));

	assert_non_null(source);
	assert_int_equal(source->reply_status, 204);
	assert_true(str_eq(source_set_by_address(set, STR("10.0.0.1"))->site, STR("Lyon")));
	/* The one made for the address, not one of those behind a gateway. */
	assert_true(uuid_eq(source_set_by_address(set, STR("10.0.0.4"))->id, id_of(5)));
	assert_null(source_set_by_address(set, STR("10.0.0.3"))); /* removed */
	assert_null(source_set_by_address(set, STR("")));
	assert_true(str_eq(source_set_by_id(set, id_of(3))->name, STR("gone")));
	assert_null(source_set_by_id(set, id_of(6)));
	assert_int_equal(source_set_count(set), 5);
	assert_true(str_eq(source_set_at(set, 0)->token, STR("abcdefgh")));
	source_set_unref(set);
}

static void enrolment_token(void **state)
{
	struct source_set *set = sample(), *off = source_set_new(NULL, 0, (struct str){ 0 }, false);

	assert_true(source_set_is_enrolment_token(set, STR("enrol2")));
	assert_true(source_set_is_enrolment_token(set, STR("ENROL2")));
	assert_false(source_set_is_enrolment_token(set, STR("enrol")));
	assert_false(source_set_is_enrolment_token(set, STR("")));
	assert_true(source_set_is_current(set));
	assert_false(source_set_is_enrolment_token(off, STR("")));
	assert_null(source_set_enrolment_token(off).p);
	assert_false(source_set_is_current(off));
	assert_int_equal(source_set_count(off), 0);
	assert_null(source_set_by_token(off, STR("x")));
	source_set_unref(off);
	source_set_unref(set);
}

static void enrolled_ids(void **state)
{
	struct uuid id = source_enrolled_id(STR("secret"), STR("10.0.0.9"));

	assert_true(uuid_eq(id, source_enrolled_id(STR("SECRET"), STR("10.0.0.9"))));
	assert_false(uuid_eq(id, source_enrolled_id(STR("secret"), STR("10.0.0.8"))));
	assert_false(uuid_eq(id, source_enrolled_id(STR("secret2"), STR("10.0.0.9"))));
	assert_false(uuid_is_zero(id));
}

static void references(void **state)
{
	struct source_set *set = sample();

	assert_ptr_equal(source_set_slot_ref(set), set);
	source_set_slot_unref(set);
	assert_int_equal(source_set_count(set), 5);
	source_set_unref(set);
	source_set_unref(NULL);
}

static void fleet(void **state)
{
	struct source *sources = calloc(N_FLEET, sizeof(*sources));
	char(*texts)[2][32] = calloc(N_FLEET, sizeof(*texts));
	struct source_set *set;
	int64_t start, spent;

	for (uint32_t i = 0; i < N_FLEET; i++) {
		int n = snprintf(texts[i][0], 32, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);

		secrets_token(texts[i][1], 26);
		sources[i] = (struct source){ .id = id_of(i),
					      .name = { texts[i][0], (size_t)n },
					      .address = { texts[i][0], (size_t)n },
					      .token = { texts[i][1], 26 },
					      .state = SOURCE_CONFIGURED };
	}
	start = clock_monotonic_us();
	set = source_set_new(sources, N_FLEET, STR("x"), true);
	spent = clock_monotonic_us() - start;
	print_message("%d sources built in %ld us\n", N_FLEET, (long)spent);
	for (uint32_t i = 0; i < N_FLEET; i++) {
		assert_ptr_equal(source_set_by_token(set, sources[i].token), source_set_at(set, i));
		assert_ptr_equal(source_set_by_address(set, sources[i].address),
				 source_set_at(set, i));
		assert_ptr_equal(source_set_by_id(set, sources[i].id), source_set_at(set, i));
	}
	source_set_unref(set);
	free(texts);
	free(sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_token),  cmocka_unit_test(found_by_address_and_id),
		cmocka_unit_test(enrolment_token), cmocka_unit_test(enrolled_ids),
		cmocka_unit_test(references),      cmocka_unit_test(fleet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
