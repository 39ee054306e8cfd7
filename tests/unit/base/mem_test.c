#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct outer {
	int before;
	struct {
		int x;
	} member;
};

static void test_copies(void **state)
{
	char *text = xstrdup("abc");
	char *part = xstrndup((struct str){ "abcdef", 3 });
	char *empty = xstrndup((struct str){ NULL, 0 });
	char *built = xasprintf("%s-%d", text, 7);

	assert_string_equal(text, part);
	assert_string_equal(empty, "");
	assert_string_equal(built, "abc-7");
	free(text);
	free(part);
	free(empty);
	free(built);
}

/* Nothing asked is still a place of one's own: no caller has to check for NULL. */
static void test_zero_sizes(void **state)
{
	void *a = xmalloc(0), *b = xcalloc(0, 8), *c = xrealloc(NULL, 0);

	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	c = xrealloc(c, 100);
	memset(c, 1, 100);
	free(a);
	free(b);
	free(c);
}

static void test_zeroed(void **state)
{
	char *p = xcalloc(16, 16);

	for (size_t i = 0; i < 256; i++)
		assert_int_equal(p[i], 0);
	free(p);
}

static void test_container(void **state)
{
	struct outer outer = { 0 };

	assert_ptr_equal(CONTAINER_OF(&outer.member, struct outer, member), &outer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_zero_sizes),
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
