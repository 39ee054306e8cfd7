/* What was written for one audience serves the others of its language, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/entry_cache.h"
#include "api/stream_limits.h"
#include "base/mem.h"
#include "event/entry.h"

static const char german[] = "de", japanese[] = "ja";

static struct entry entry_of(int64_t seq, uint32_t index)
{
	struct entry entry = { .seq = seq, .delivery = uuid_v7(1 + seq) };

	entry.event.index = index;
	return entry;
}

static void test_finds_what_it_keeps(void **state)
{
	struct entry_cache *cache = entry_cache_new();
	struct entry entry = entry_of(7, 0), other = entry, provisional = entry;

	other.event.index = 1;
	provisional.seq = 0;
	assert_null(entry_cache_find(cache, &entry, german).p);
	entry_cache_keep(cache, &entry, german, STR("{\"seq\":7}"));
	assert_true(str_eq(entry_cache_find(cache, &entry, german), STR("{\"seq\":7}")));
	assert_null(entry_cache_find(cache, &entry, japanese).p);
	assert_null(entry_cache_find(cache, &other, german).p);
	assert_null(entry_cache_find(cache, &provisional, german).p);
	entry_cache_keep(cache, &entry, german, STR("{}"));
	assert_true(str_eq(entry_cache_find(cache, &entry, german), STR("{}")));
	entry_cache_free(cache);
	entry_cache_free(NULL);
}

static void test_forgets_with_a_new_version(void **state)
{
	struct entry_cache *cache = entry_cache_new();
	struct entry entry = entry_of(7, 0);

	entry_cache_expect(cache, 3);
	entry_cache_keep(cache, &entry, german, STR("{}"));
	entry_cache_expect(cache, 3);
	assert_non_null(entry_cache_find(cache, &entry, german).p);
	entry_cache_expect(cache, 4);
	assert_null(entry_cache_find(cache, &entry, german).p);
	entry_cache_free(cache);
}

/* Never another entry's text, however many took places over; and most of the newest are there. */
static void test_bounded(void **state)
{
	struct entry_cache *cache = entry_cache_new();
	static struct entry entries[4 * STREAM_CACHE_ENTRIES];
	static char large[STREAM_CACHE_ENTRY_BYTES + 1];
	size_t n_found = 0, n = ARRAY_LEN(entries);
	char text[32];

	for (size_t i = 0; i < n; i++) {
		entries[i] = entry_of((int64_t)i + 1, (uint32_t)i % 3);
		snprintf(text, sizeof(text), "{\"n\":%zu}", i);
		entry_cache_keep(cache, &entries[i], german, str_of(text));
	}
	for (size_t i = 0; i < n; i++) {
		struct str found = entry_cache_find(cache, &entries[i], german);

		snprintf(text, sizeof(text), "{\"n\":%zu}", i);
		assert_true(!found.p || str_eq(found, str_of(text)));
		n_found += found.p && i >= n - 256;
	}
	assert_in_range(n_found, 200, 256);
	memset(large, 'x', sizeof(large));
	entry_cache_keep(cache, &entries[0], japanese, (struct str){ large, sizeof(large) });
	assert_null(entry_cache_find(cache, &entries[0], japanese).p);
	entry_cache_keep(cache, &entries[0], japanese, (struct str){ large, sizeof(large) - 1 });
	assert_int_equal(entry_cache_find(cache, &entries[0], japanese).len, sizeof(large) - 1);
	entry_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_it_keeps),
		cmocka_unit_test(test_forgets_with_a_new_version),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
