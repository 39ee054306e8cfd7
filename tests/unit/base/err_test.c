#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

static void test_set(void **state)
{
	struct err err;

	assert_int_equal(err_set(&err, -EINVAL, "'%s' at %d", "x", 7), -EINVAL);
	assert_string_equal(err.text, "'x' at 7");
	assert_int_equal(err_set(NULL, -EIO, "%s", "nobody asks"), -EIO);
	assert_int_equal(err_prefix(NULL, -EIO, "%s", "nobody asks"), -EIO);
}

static void test_prefix(void **state)
{
	struct err err;

	err_set(&err, -EINVAL, "inner");
	assert_int_equal(err_prefix(&err, -EINVAL, "file %d", 3), -EINVAL);
	assert_string_equal(err.text, "file 3: inner");
	/* Its own words as an argument. */
	err_set(&err, -EINVAL, "outer: %s", err.text);
	assert_string_equal(err.text, "outer: file 3: inner");
}

static void test_cut(void **state)
{
	struct err err;

	err_set(&err, -EINVAL, "%5000d", 1);
	assert_int_equal(strlen(err.text), ERR_MAX_BYTES - 1);
	err_prefix(&err, -EINVAL, "%5000d", 1);
	assert_int_equal(strlen(err.text), ERR_MAX_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
