/* The snapshot file: there and back, damage, size. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/snapshot.h"

static char path[64];

static int make_path(void **state)
{
	strncpy(path, "/tmp/rfeventd-snapshot-XXXXXX", sizeof(path));
	return close(mkstemp(path));
}

static int remove_path(void **state)
{
	return unlink(path);
}

/* Texts that a careless format would break on. */
static struct source odd_source(void)
{
	return (struct source){ .id = uuid_v4(),
				.name = STR("rack 7\nnode % 12\x7f"),
				.address = STR("fe80::1"),
				.token = { NULL, 0 },
				.certificate = STR("bmc 7.example"),
				.site = STR(""),
				.rack = STR("-"),
				.owner = STR("%"),
				.details = STR("{ \"url\":\"https://x\"}"),
				.state = SOURCE_CONFIGURED,
				.reply_status = 204,
				.created_us = -5 };
}

static void assert_same(struct str a, struct str b)
{
	assert_int_equal(a.p == NULL, b.p == NULL);
	assert_true(str_eq(a, b));
}

static void test_there_and_back(void **state)
{
	struct source source = odd_source();
	struct snapshot saved = { .node = uuid_v4(), .epoch = uuid_v4(), .oldest_seq = 3, .gone_seq = 2,
				  .last_seq = INT64_MAX, .enrolment_token = STR("abcdefgh"),
				  .admin_hash = STR("$y$j9T$abc/./$x"), .sources = &source,
				  .n_sources = 1 };
	struct snapshot loaded;
	struct stat st;
	struct err err;

	assert_int_equal(snapshot_save(path, &saved, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(snapshot_load(path, &loaded, &err), 0);
	assert_true(uuid_eq(loaded.node, saved.node) && uuid_eq(loaded.epoch, saved.epoch));
	assert_int_equal(loaded.oldest_seq, 3);
	assert_true(loaded.last_seq == INT64_MAX);
	assert_int_equal(loaded.gone_seq, 2);
	assert_same(loaded.enrolment_token, saved.enrolment_token);
	assert_same(loaded.admin_hash, saved.admin_hash);
	assert_int_equal(loaded.n_sources, 1);
	assert_true(uuid_eq(loaded.sources[0].id, source.id));
	assert_same(loaded.sources[0].name, source.name);
	assert_same(loaded.sources[0].address, source.address);
	assert_same(loaded.sources[0].token, source.token);
	assert_same(loaded.sources[0].certificate, source.certificate);
	assert_same(loaded.sources[0].site, source.site);
	assert_same(loaded.sources[0].rack, source.rack);
	assert_same(loaded.sources[0].owner, source.owner);
	assert_same(loaded.sources[0].details, source.details);
	assert_int_equal(loaded.sources[0].state, SOURCE_CONFIGURED);
	assert_int_equal(loaded.sources[0].reply_status, 204);
	assert_int_equal(loaded.sources[0].created_us, -5);
	snapshot_fini(&loaded);
}

static void test_absent(void **state)
{
	struct snapshot loaded;
	struct err err;

	assert_int_equal(snapshot_load("/nonexistent/snapshot", &loaded, &err), -ENOENT);
}

/* Every cut and every changed byte is noticed, and the words say what to do. */
static void test_damage_is_refused(void **state)
{
	struct source source = odd_source();
	struct snapshot saved = { .sources = &source, .n_sources = 1, .admin_hash = STR("x") }, loaded;
	struct err err;
	char *text;
	size_t n;

	assert_int_equal(snapshot_save(path, &saved, &err), 0);
	assert_int_equal(file_read(path, 1 << 20, &text, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(file_replace(path, (struct str){ text, i }, 0600, &err), 0);
		assert_int_equal(snapshot_load(path, &loaded, &err), -EBADMSG);
		assert_non_null(strstr(err.text, path));
	}
	for (size_t i = 0; i < n; i++) {
		text[i] ^= 1;
		assert_int_equal(file_replace(path, (struct str){ text, n }, 0600, &err), 0);
		assert_int_equal(snapshot_load(path, &loaded, &err), -EBADMSG);
		text[i] ^= 1;
	}
	free(text);
}

static void test_a_large_site_loads_quickly(void **state)
{
	size_t n = 200000;
	struct source *sources = xcalloc(n, sizeof(*sources));
	struct snapshot saved = { .sources = sources, .n_sources = n }, loaded;
	int64_t start_us;
	struct err err;

	for (size_t i = 0; i < n; i++)
		sources[i] = odd_source();
	assert_int_equal(snapshot_save(path, &saved, &err), 0);
	start_us = clock_monotonic_us();
	assert_int_equal(snapshot_load(path, &loaded, &err), 0);
	print_message("%zu sources loaded in %lld ms\n", n,
		      (long long)(clock_monotonic_us() - start_us) / 1000);
	assert_int_equal(loaded.n_sources, n);
	snapshot_fini(&loaded);
	free(sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_damage_is_refused),
		cmocka_unit_test(test_a_large_site_loads_quickly),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
