/* Delivery: packing, references, and the state of the decoded part. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/err.h"
#include "event/delivery.h"
#include "event/limits.h"

#define RECEIVED_US 1763629964120931ll

static struct uuid id_of(uint8_t first)
{
	struct uuid id = { { first, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16 } };

	return id;
}

static struct delivery *sample(struct str raw)
{
	return delivery_new(id_of(1), id_of(9), RECEIVED_US, DELIVERY_UNVERIFIED, STR("fe80::1"),
			    STR("abcdefgh"), STR("http/1.1"), raw);
}

static void assert_str(struct str actual, struct str wanted)
{
	assert_int_equal(actual.len, wanted.len);
	assert_memory_equal(actual.p, wanted.p, wanted.len);
}

static void packed_comes_back_equal(void **state)
{
	static const struct {
		const char *name;
		struct str raw;
	} cases[] = {
		{ "usual", { "{\"Events\":[]}", 13 } },
		{ "empty body", { "", 0 } },
		{ "NUL and bytes that are no text", { "\0\xff\xfe{\0", 5 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct delivery *delivery = sample(cases[i].raw), *back = NULL;
		struct strbuf packed;
		struct err err = { "" };

		print_message("%s\n", cases[i].name);
		strbuf_init(&packed, DELIVERY_MAX_BYTES);
		delivery_pack(delivery, &packed);
		assert_false(packed.failed);
		assert_int_equal(delivery_unpack(strbuf_str(&packed), &back, &err), 0);
		assert_true(uuid_eq(back->id, delivery->id));
		assert_true(uuid_eq(back->source, delivery->source));
		assert_int_equal(back->received_us, RECEIVED_US);
		assert_int_equal(back->flags, DELIVERY_UNVERIFIED);
		assert_str(back->peer, STR("fe80::1"));
		assert_str(back->token, STR("abcdefgh"));
		assert_str(back->protocol, STR("http/1.1"));
		assert_str(back->raw, cases[i].raw);
		assert_non_null(back->raw.p);
		strbuf_fini(&packed);
		delivery_unref(back);
		delivery_unref(delivery);
	}
}

static void packed_form_is_fixed(void **state)
{
	/* A journal written by one machine or release is read by another. */
	static const uint8_t wanted[] = {
		1,  1,  2,   3,    4,    5,    6,    0x77, 8,    0x89, 10,   11, 12, 13,  14,
		15, 16, 9,   2,    3,    4,    5,    6,    0x77, 8,    0x89, 10, 11, 12,  13,
		14, 15, 16,  0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 2,  0,  0,   0,
		1,  0,  'p', 0,    0,    2,    0,    'h',  '2',  2,    0,    0,  0,  '{', '}',
	};
	struct delivery *delivery =
		delivery_new(id_of(1), id_of(9), 0x1122334455667788ll, DELIVERY_ENROLLED, STR("p"),
			     (struct str){ 0 }, STR("h2"), STR("{}"));
	struct strbuf packed;

	strbuf_init(&packed, 1024);
	delivery_pack(delivery, &packed);
	assert_int_equal(packed.len, sizeof(wanted));
	assert_memory_equal(packed.p, wanted, sizeof(wanted));
	strbuf_fini(&packed);
	delivery_unref(delivery);
}

static void damaged_records_are_refused(void **state)
{
	struct delivery *delivery = sample(STR("{\"Events\":[]}")), *back = NULL;
	struct strbuf packed;
	struct err err = { "" };

	strbuf_init(&packed, 1024);
	delivery_pack(delivery, &packed);
	for (size_t len = 0; len < packed.len; len++) {
		/* A copy of its own size, so that the sanitizer sees a read past the end. */
		char *cut = malloc(len + 1);

		memcpy(cut, packed.p, len);
		assert_int_equal(delivery_unpack((struct str){ cut, len }, &back, &err), -EBADMSG);
		assert_true(err.text[0] != '\0');
		free(cut);
	}
	strbuf_put_char(&packed, 'x');
	assert_int_equal(delivery_unpack(strbuf_str(&packed), &back, &err), -EBADMSG);
	packed.p[0] = 2;
	assert_int_equal(delivery_unpack(strbuf_str(&packed), &back, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "version 2"));
	assert_null(back);
	strbuf_fini(&packed);
	delivery_unref(delivery);
}

static void too_large_is_refused(void **state)
{
	char *body = calloc(1, DELIVERY_MAX_BYTES + 1ul);
	struct delivery *delivery = sample((struct str){ body, DELIVERY_MAX_BYTES });

	assert_non_null(delivery);
	delivery_unref(delivery);
	assert_null(sample((struct str){ body, DELIVERY_MAX_BYTES + 1ul }));
	free(body);
}

static void texts_are_copies(void **state)
{
	char body[] = "{}";
	struct delivery *delivery = sample((struct str){ body, 2 });

	body[0] = 'x';
	assert_str(delivery->raw, STR("{}"));
	/* Small deliveries stay small: hundreds of thousands may wait at once. */
	assert_true(arena_used(delivery->arena) < 1024);
	delivery_unref(delivery);
}

static void references_and_state(void **state)
{
	struct delivery *delivery = sample(STR("{}"));

	assert_false(delivery_is_prepared(delivery));
	assert_false(delivery_is_left(delivery));
	delivery_leave(delivery);
	assert_true(delivery_is_left(delivery));
	assert_false(delivery_is_prepared(delivery));
	delivery_set_prepared(delivery);
	assert_true(delivery_is_prepared(delivery));
	assert_false(delivery_is_left(delivery));
	assert_ptr_equal(delivery_ref(delivery), delivery);
	delivery_unref(delivery);
	assert_true(delivery_is_prepared(delivery)); /* still ours */
	delivery_unref(delivery);
	delivery_unref(NULL);
}

static void memory_is_counted(void **state)
{
	size_t before = deliveries_bytes(), small;
	struct delivery *delivery = sample(STR("{}"));

	small = deliveries_bytes();
	assert_in_range(small - before, sizeof(*delivery), sizeof(*delivery) + 8192);
	assert_int_equal(small - before, delivery_bytes(delivery));
	assert_non_null(arena_alloc(delivery->arena, 1 << 20));
	delivery_set_prepared(delivery);
	assert_in_range(deliveries_bytes() - small, 1 << 20, (1 << 20) + 8192);
	delivery_ref(delivery);
	delivery_unref(delivery);
	assert_int_equal(deliveries_bytes() - before, delivery_bytes(delivery));
	delivery_unref(delivery);
	assert_int_equal(deliveries_bytes(), before);
	assert_null(delivery_new(id_of(1), id_of(9), 0, 0, STR(""), STR(""), STR(""),
				 (struct str){ "", DELIVERY_MAX_BYTES + 1ul }));
	assert_int_equal(deliveries_bytes(), before);
}

static void skipped_is_neither_left_nor_prepared(void **state)
{
	struct delivery *delivery = sample(STR("{}"));

	assert_false(delivery_is_skipped(delivery));
	delivery_skip(delivery);
	assert_true(delivery_is_skipped(delivery));
	assert_false(delivery_is_left(delivery));
	assert_false(delivery_is_prepared(delivery));
	delivery_unref(delivery);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_comes_back_equal),
		cmocka_unit_test(packed_form_is_fixed),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(too_large_is_refused),
		cmocka_unit_test(texts_are_copies),
		cmocka_unit_test(references_and_state),
		cmocka_unit_test(memory_is_counted),
		cmocka_unit_test(skipped_is_neither_left_nor_prepared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
