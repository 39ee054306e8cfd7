/* The Audit log's queue on disk. */
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
#include <errno.h>

#include "accounts/audit.h"
#include "accounts/limits.h"
#include "base/err.h"
#include "base/mem.h"

struct house {
	char dir[64];
	char *path;
	struct audit *audit;
	int n_woken;
};

static void woken(void *ctx)
{
	struct house *house = ctx;

	house->n_woken++;
}

static void house_begin(struct house *house)
{
	struct err err;

	assert_int_equal(audit_open(house->path, woken, house, &house->audit, &err), 0);
}

static void house_open(struct house *house)
{
	*house = (struct house){ .dir = "/tmp/rfeventd-audit-XXXXXX" };
	assert_non_null(mkdtemp(house->dir));
	house->path = xasprintf("%s/audit-queue", house->dir);
	house_begin(house);
}

/* As after a crash: nothing is tidied but memory. */
static void house_again(struct house *house)
{
	audit_close(house->audit);
	house_begin(house);
}

static void house_close(struct house *house)
{
	audit_close(house->audit);
	unlink(house->path);
	rmdir(house->dir);
	free(house->path);
}

static struct audit_record *record_of(const char *who, const char *uri)
{
	return audit_record_new(str_of(who), "Basic", STR("10.1.1.1"), STR("PATCH"), str_of(uri));
}

static off_t file_size(const struct house *house)
{
	struct stat st;

	assert_int_equal(stat(house->path, &st), 0);
	return st.st_size;
}

static void test_a_change_outlives_the_service(void **state)
{
	struct audit_record *begun, *done, *words, *found[4];
	struct house house;

	house_open(&house);
	begun = record_of("ann", "/a");
	done = record_of("bob", "/b");
	audit_record_say(begun, "Rfeventd.1.0.OperatorRequest", AUDIT_ARGS("ann"));
	assert_int_equal(audit_begin(house.audit, begun), 0);
	assert_int_equal(audit_begin(house.audit, done), 0);
	assert_int_equal(audit_peek(house.audit, found, 4), 0);
	words = record_of("", "");
	audit_record_say(words, "AccountSecurity.1.0.AccountCreated", AUDIT_ARGS("eve"));
	audit_end(house.audit, done, 201, words);
	assert_int_equal(house.n_woken, 1);
	house_again(&house);
	assert_int_equal(audit_peek(house.audit, found, 4), 2);
	assert_string_equal(found[0]->account, "ann");
	assert_int_equal(found[0]->status, AUDIT_UNKNOWN);
	assert_string_equal(found[0]->message_id, "Rfeventd.1.0.OperatorRequest");
	assert_string_equal(found[1]->uri, "/b");
	assert_int_equal(found[1]->status, 201);
	assert_string_equal(found[1]->message_id, "AccountSecurity.1.0.AccountCreated");
	assert_string_equal(found[1]->args[0], "eve");
	audit_written(house.audit, found, 2);
	assert_int_equal(file_size(&house), 0);
	house_again(&house);
	assert_int_equal(audit_peek(house.audit, found, 4), 0);
	house_close(&house);
}

static void test_a_torn_line_costs_nobody_else(void **state)
{
	struct audit_record *found[4], *record;
	struct house house;

	house_open(&house);
	audit_add(house.audit, record_of("ann", "/whole"));
	record = record_of("bob", "/torn");
	assert_int_equal(audit_begin(house.audit, record), 0);
	assert_int_equal(truncate(house.path, file_size(&house) - 20), 0);
	house_again(&house);
	assert_int_equal(audit_peek(house.audit, found, 4), 1);
	assert_string_equal(found[0]->uri, "/whole");
	audit_add(house.audit, record_of("cat", "/after"));
	house_again(&house);
	assert_int_equal(audit_peek(house.audit, found, 4), 2);
	assert_string_equal(found[1]->uri, "/after");
	house_close(&house);
}

static void test_texts_are_made_harmless(void **state)
{
	struct audit_record *record =
		audit_record_new((struct str){ "a\0b\xff", 4 }, "Basic", STR("x\ny"), STR("GET"),
				 STR("/caf\xc3\xa9"));

	assert_string_equal(record->account, "a?b?");
	assert_string_equal(record->address, "x?y");
	assert_string_equal(record->uri, "/caf\xc3\xa9");
	audit_record_free(record);
}

static void test_a_full_queue_refuses_changes_and_counts_logins(void **state)
{
	char uri[AUDIT_MAX_TEXT_BYTES], told[24] = "";
	struct audit_record *record, *found[512];
	struct house house;
	size_t n = 0, n_in = 0;

	house_open(&house);
	memset(uri, 'u', sizeof(uri) - 1);
	uri[sizeof(uri) - 1] = '\0';
	for (; n < 2 * AUDIT_MAX_FILE_BYTES / AUDIT_MAX_TEXT_BYTES; n++) {
		record = record_of("ann", uri);
		if (audit_begin(house.audit, record) < 0)
			break;
		audit_end(house.audit, record, 200, NULL);
		n_in++;
	}
	assert_true(n_in > 4000 && n_in == n);
	audit_record_free(record);
	assert_true(file_size(&house) <= AUDIT_MAX_FILE_BYTES);
	while (file_size(&house) + 600 < AUDIT_MAX_FILE_BYTES)
		audit_add(house.audit, record_of("bob", "/fills"));
	audit_add(house.audit, record_of("bob", uri));
	audit_add(house.audit, record_of("bob", uri));
	for (size_t taken; (taken = audit_peek(house.audit, found, 512)) > 0;) {
		for (size_t i = 0; i < taken; i++)
			if (strcmp(found[i]->message_id, "Rfeventd.1.0.LoginsNotRecorded") == 0)
				snprintf(told, sizeof(told), "%s", found[i]->args[0]);
		audit_written(house.audit, found, taken);
	}
	assert_string_equal(told, "2");
	record = record_of("ann", uri);
	assert_int_equal(audit_begin(house.audit, record), 0);
	house_close(&house);
}

static void test_the_file_shrinks_although_something_is_always_under_way(void **state)
{
	char uri[AUDIT_MAX_TEXT_BYTES];
	struct audit_record *slow, *found[8];
	struct house house;

	house_open(&house);
	memset(uri, 'v', sizeof(uri) - 1);
	uri[sizeof(uri) - 1] = '\0';
	slow = record_of("ann", "/slow");
	assert_int_equal(audit_begin(house.audit, slow), 0);
	for (int i = 0; i < 3000; i++) {
		audit_add(house.audit, record_of("bob", uri));
		assert_int_equal(audit_peek(house.audit, found, 8), 1);
		audit_written(house.audit, found, 1);
	}
	assert_true(file_size(&house) < 2 << 20);
	audit_end(house.audit, slow, 204, NULL);
	house_again(&house);
	assert_int_equal(audit_peek(house.audit, &found[0], 1), 1);
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change_outlives_the_service),
		cmocka_unit_test(test_a_torn_line_costs_nobody_else),
		cmocka_unit_test(test_texts_are_made_harmless),
		cmocka_unit_test(test_a_full_queue_refuses_changes_and_counts_logins),
		cmocka_unit_test(test_the_file_shrinks_although_something_is_always_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
