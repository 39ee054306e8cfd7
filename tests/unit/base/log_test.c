#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define N_THREADS 4
#define N_LINES   500

static char captured[4 << 20];

/* Run `fn` with standard error in a file, and take what it wrote. */
static const char *capture(void (*fn)(void))
{
	char path[] = "/tmp/log_test.XXXXXX";
	int saved = dup(STDERR_FILENO), fd = mkstemp(path);
	ssize_t n;

	assert_true(saved >= 0 && fd >= 0);
	unlink(path);
	dup2(fd, STDERR_FILENO);
	lseek(STDERR_FILENO, 0, SEEK_END);
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
	fn();
	dup2(saved, STDERR_FILENO);
	n = pread(fd, captured, sizeof(captured) - 1, 0);
	assert_true(n >= 0);
	captured[n] = '\0';
	close(saved);
	close(fd);
	return captured;
}

static void write_fields(void)
{
	const char *none = NULL;

	log_warn("storage", "postgres away", LOG_T("bare", "a/b:c-1"), LOG_T("blank", "a b"),
		 LOG_T("quote", "a\"b"), LOG_T("equals", "a=b"),
		 LOG_S("line", STR("a\nlevel=error")), LOG_T("empty", ""), LOG_T("null", none),
		 LOG_I("n", -42), LOG_D("d", 0.25), LOG_D("nan", NAN), LOG_T(none, "left out"),
		 LOG_S("latin1", STR("\xb0")), LOG_S("escape", STR("\x1b[2J")));
}

static void test_logfmt(void **state)
{
	const char *line;
	int64_t time_us;
	bool strict;

	log_set(LOG_INFO, LOG_LOGFMT);
	line = capture(write_fields);
	assert_memory_equal(line, "time=", 5);
	assert_true(clock_parse((struct str){ line + 5, 27 }, &time_us, &strict));
	assert_true(strict);
	assert_string_equal(
		line + 32, " level=warn room=storage msg=\"postgres away\" bare=a/b:c-1"
			   " blank=\"a b\" quote=\"a\\\"b\" equals=\"a=b\" line=\"a\\nlevel=error\""
			   " empty=\"\" null=\"\" n=-42 d=0.25 nan=nan latin1=\"\xef\xbf\xbd\""
			   " escape=\"\\u001b[2J\"\n");
}

static void test_json(void **state)
{
	const char *line;

	log_set(LOG_INFO, LOG_JSON);
	line = capture(write_fields);
	assert_memory_equal(line, "{\"time\":\"", 9);
	assert_string_equal(line + 9 + 27,
			    "\",\"level\":\"warn\",\"room\":\"storage\",\"msg\":\"postgres away\","
			    "\"bare\":\"a/b:c-1\",\"blank\":\"a b\",\"quote\":\"a\\\"b\","
			    "\"equals\":\"a=b\",\"line\":\"a\\nlevel=error\",\"empty\":\"\","
			    "\"null\":\"\",\"n\":-42,\"d\":0.25,\"nan\":null,"
			    "\"latin1\":\"\xef\xbf\xbd\",\"escape\":\"\\u001b[2J\"}\n");
	log_set(LOG_INFO, LOG_LOGFMT);
}

static void write_levels(void)
{
	log_error("base", "e");
	log_warn("base", "w");
	log_info("base", "i");
	log_debug("base", "d");
}

static void test_levels(void **state)
{
	enum log_level level;
	const char *lines;

	log_set(LOG_WARN, LOG_LOGFMT);
	lines = capture(write_levels);
	assert_non_null(strstr(lines, "level=error room=base msg=e\n"));
	assert_non_null(strstr(lines, "level=warn room=base msg=w\n"));
	assert_null(strstr(lines, "level=info"));
	assert_null(strstr(lines, "level=debug"));
	assert_true(log_level_parse(STR("debug"), &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_false(log_level_parse(STR("DEBUG"), &level));
	assert_false(log_level_parse(STR("loud"), &level));
	log_set(level, LOG_LOGFMT);
	assert_non_null(strstr(capture(write_levels), "level=debug room=base msg=d\n"));
	log_set(LOG_INFO, LOG_LOGFMT);
}

static void write_long(void)
{
	char *text = xmalloc(20000);
	struct str s = { text, 20000 };

	/* Three-byte characters, so that the cut falls into one: 4096 is no multiple of 3. */
	for (size_t i = 0; i + 3 <= 20000; i += 3)
		memcpy(text + i, "☃", 3);
	log_info("base", "cut", LOG_S("long", s));
	memset(text, '\x01', 20000);
	log_info("base", "too many", LOG_S("a", s), LOG_S("b", s), LOG_S("c", s), LOG_S("d", s));
	free(text);
}

static void test_long(void **state)
{
	const char *lines = capture(write_long);
	const char *second = strchr(lines, '\n') + 1;

	assert_in_range(second - lines, LOG_MAX_VALUE_BYTES, LOG_MAX_VALUE_BYTES + 200);
	assert_null(strstr(lines, "\xef\xbf\xbd")); /* no broken character */
	assert_string_equal(second, "level=info room=base msg=\"too many\"\n");
}

static void *write_many(void *ctx)
{
	for (int i = 0; i < N_LINES; i++)
		log_info("base", "from a thread", LOG_T("who", (const char *)ctx), LOG_I("i", i));
	return NULL;
}

static void write_from_threads(void)
{
	static char names[N_THREADS][2] = { "a", "b", "c", "d" };
	pthread_t threads[N_THREADS];

	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
	for (size_t i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void test_threads(void **state)
{
	const char *line = capture(write_from_threads);
	size_t n = 0;

	for (; *line; line = strchr(line, '\n') + 1, n++) {
		assert_memory_equal(line, "time=", 5);
		assert_memory_equal(line + 32,
				    " level=info room=base msg=\"from a thread\" who=", 46);
	}
	assert_int_equal(n, N_THREADS * N_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logfmt),  cmocka_unit_test(test_json),
		cmocka_unit_test(test_levels),  cmocka_unit_test(test_long),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
