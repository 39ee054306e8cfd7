/* Accounts, sessions, tokens and audit records in a real PostgreSQL, and the mirror on disk. */
#include "tests/unit/storage/pg.h"

#include <errno.h>

#include "accounts/account_set.h"
#include "accounts/account_store.h"
#include "accounts/audit.h"
#include "accounts/audit_store.h"
#include "accounts/limits.h"
#include "accounts/session_store.h"
#include "accounts/session_table.h"
#include "base/clock.h"
#include "base/log.h"
#include "storage/migrate.h"

struct house {
	char *url;
	struct db *db;
};

static int make_hash(void *ctx, char **hash_out, struct err *err)
{
	*hash_out = xstrdup("$y$founder");
	return 0;
}

static void house_open(struct house *house)
{
	struct err err = { "" };

	log_set(LOG_ERROR, LOG_LOGFMT);
	house->url = pg_new_database();
	house->db = pg_connect(house->url);
	assert_int_equal(migrate(house->db, &err), 0);
	assert_int_equal(account_store_found(house->db, STR("admin"), make_hash, NULL, &err), 1);
}

static void house_close(struct house *house)
{
	db_close(house->db);
	free(house->url);
}

static struct account_set *read_set(struct house *house)
{
	struct account_set *set = NULL;
	struct err err = { "" };
	struct strbuf json;

	strbuf_init(&json, MIRROR_MAX_BYTES);
	assert_int_equal(account_store_read(house->db, &json, &err), 0);
	if (account_set_parse(strbuf_str(&json), &set, &err) < 0)
		fail_msg("%s", err.text);
	strbuf_fini(&json);
	return set;
}

/* A copy of the account's facts; its texts are not to be used. */
static struct account facts(struct house *house, const char *name)
{
	struct account_set *set = read_set(house);
	const struct account *found = account_set_find(set, str_of(name));
	struct account copy = found ? *found : (struct account){ .version = -1 };

	account_set_unref(set);
	return copy;
}

static int add(struct house *house, const char *name, enum role role)
{
	struct err err;

	return account_store_add(house->db, str_of(name), role, STR("$y$some"), true, &err);
}

static const struct account_change nothing = { .role = -1, .enabled = -1 };

static void test_one_founder(void **state)
{
	struct house house;
	struct err err;

	PG_OR_SKIP();
	house_open(&house);
	assert_int_equal(account_store_found(house.db, STR("other"), make_hash, NULL, &err), 0);
	assert_int_equal(facts(&house, "admin").role, ROLE_ADMINISTRATOR);
	assert_int_equal(facts(&house, "other").version, -1);
	house_close(&house);
}

static void test_nobody_comes_before_the_founder(void **state)
{
	struct house house;
	struct err err;

	PG_OR_SKIP();
	house_open(&house);
	pg_sql(house.db, "DELETE FROM account");
	assert_int_equal(add(&house, "early", ROLE_READ_ONLY), -EAGAIN);
	assert_int_equal(account_store_found(house.db, STR("admin"), make_hash, NULL, &err), 1);
	assert_int_equal(add(&house, "early", ROLE_READ_ONLY), 0);
	house_close(&house);
}

static void test_names_are_unique_and_case_counts(void **state)
{
	struct house house;

	PG_OR_SKIP();
	house_open(&house);
	assert_int_equal(add(&house, "Bob", ROLE_OPERATOR), 0);
	assert_int_equal(add(&house, "bob", ROLE_READ_ONLY), 0);
	assert_int_equal(add(&house, "bob", ROLE_OPERATOR), -EEXIST);
	assert_int_equal(facts(&house, "Bob").role, ROLE_OPERATOR);
	assert_int_equal(facts(&house, "bob").role, ROLE_READ_ONLY);
	house_close(&house);
}

static void test_the_last_administrator_stays(void **state)
{
	struct account_change demote = nothing, disable = nothing;
	struct house house;
	struct err err;

	demote.role = ROLE_OPERATOR;
	disable.enabled = 0;
	PG_OR_SKIP();
	house_open(&house);
	assert_int_equal(account_store_remove(house.db, STR("admin"), -1, &err), -EPERM);
	assert_int_equal(account_store_change(house.db, STR("admin"), &demote, -1, &err), -EPERM);
	assert_int_equal(account_store_change(house.db, STR("admin"), &disable, -1, &err), -EPERM);
	assert_int_equal(facts(&house, "admin").version, 1);
	assert_int_equal(add(&house, "second", ROLE_ADMINISTRATOR), 0);
	assert_int_equal(account_store_change(house.db, STR("second"), &disable, -1, &err), 0);
	assert_int_equal(account_store_remove(house.db, STR("admin"), -1, &err), -EPERM);
	disable.enabled = 1;
	assert_int_equal(account_store_change(house.db, STR("second"), &disable, -1, &err), 0);
	assert_int_equal(account_store_remove(house.db, STR("admin"), -1, &err), 0);
	house_close(&house);
}

static void test_a_version_that_is_old_changes_nothing(void **state)
{
	struct account_change change = nothing;
	struct house house;
	struct err err;

	PG_OR_SKIP();
	house_open(&house);
	add(&house, "ann", ROLE_READ_ONLY);
	change.role = ROLE_OPERATOR;
	assert_int_equal(account_store_change(house.db, STR("ann"), &change, 1, &err), 0);
	change.role = ROLE_ADMINISTRATOR;
	assert_int_equal(account_store_change(house.db, STR("ann"), &change, 1, &err), -ESTALE);
	assert_int_equal(account_store_remove(house.db, STR("ann"), 1, &err), -ESTALE);
	assert_int_equal(account_store_remove(house.db, STR("nobody"), -1, &err), -ENOENT);
	assert_int_equal(facts(&house, "ann").role, ROLE_OPERATOR);
	assert_int_equal(facts(&house, "ann").version, 2);
	house_close(&house);
}

static void test_wrong_passwords_lock(void **state)
{
	struct account_policy policy = { .min_password_length = 12,
					 .lockout_threshold = 5,
					 .lockout_duration_s = 60,
					 .lockout_reset_s = 60,
					 .session_timeout_s = 1800 };
	struct account_change unlock = nothing;
	struct house house;
	struct err err;

	unlock.unlock = true;
	PG_OR_SKIP();
	house_open(&house);
	add(&house, "ann", ROLE_READ_ONLY);
	assert_int_equal(account_store_set_policy(house.db, &policy, 1, &err), 0);
	assert_int_equal(account_store_set_policy(house.db, &policy, 1, &err), -ESTALE);
	account_store_count(house.db, STR("ann"), 4, &err);
	account_store_count(house.db, STR("ann"), 0, &err);
	account_store_count(house.db, STR("ann"), 3, &err);
	assert_int_equal(facts(&house, "ann").locked_until_us, 0);
	account_store_count(house.db, STR("ann"), 2, &err);
	assert_true(facts(&house, "ann").locked_until_us > clock_time_us());
	assert_true(facts(&house, "ann").locked_until_us < clock_time_us() + 61 * CLOCK_US_PER_S);
	assert_int_equal(account_store_change(house.db, STR("ann"), &unlock, -1, &err), 0);
	assert_int_equal(facts(&house, "ann").locked_until_us, 0);
	policy.lockout_duration_s = 0; /* until somebody unlocks it */
	assert_int_equal(account_store_set_policy(house.db, &policy, -1, &err), 0);
	account_store_count(house.db, STR("ann"), 5, &err);
	assert_true(facts(&house, "ann").locked_until_us > INT64_MAX / 2);
	house_close(&house);
}

static void test_tokens(void **state)
{
	struct api_token token = { .id = STR("id1"),
				   .account = STR("ann"),
				   .name = STR("ci"),
				   .sha256 = STR("hash1"),
				   .role = ROLE_READ_ONLY,
				   .expires_us = clock_time_us() + CLOCK_US_PER_S };
	struct account_set *set;
	struct house house;
	struct err err;

	PG_OR_SKIP();
	house_open(&house);
	add(&house, "ann", ROLE_OPERATOR);
	assert_int_equal(token_store_add(house.db, &token, &err), 0);
	token.id = STR("id2");
	token.sha256 = STR("hash2");
	assert_int_equal(token_store_add(house.db, &token, &err), -EEXIST);
	assert_int_equal(token_store_used(house.db, STR("id1"), 5000000, &err), 0);
	assert_int_equal(token_store_used(house.db, STR("id1"), 4000000, &err), 0);
	set = read_set(&house);
	assert_int_equal(account_set_token_by_hash(set, STR("hash1"))->used_us, 5000000);
	assert_int_equal(account_set_token_by_hash(set, STR("hash1"))->expires_us, token.expires_us);
	assert_true(str_eq(account_set_token_by_id(set, STR("id1"))->account, STR("ann")));
	assert_null(account_set_token_by_hash(set, STR("hash2")));
	account_set_unref(set);
	assert_int_equal(token_store_remove(house.db, STR("id2"), &err), -ENOENT);
	assert_int_equal(account_store_remove(house.db, STR("ann"), -1, &err), 0);
	set = read_set(&house);
	assert_int_equal(account_set_n_tokens(set), 0);
	account_set_unref(set);
	house_close(&house);
}

static void test_a_new_password_ends_other_sessions(void **state)
{
	struct account_change change = nothing;
	struct session_table *table = session_table_new();
	struct session mine, other, *list, found;
	char token[SESSION_TOKEN_CHARS + 1], ended[SESSION_ID_CHARS + 1];
	struct house house;
	struct err err;
	size_t n;

	PG_OR_SKIP();
	house_open(&house);
	session_open(table, STR("admin"), STR("::1"), clock_time_us(), token, &mine, ended);
	session_open(table, STR("admin"), STR("::1"), clock_time_us(), token, &other, ended);
	assert_int_equal(session_store_put(house.db, &mine, &err), 0);
	assert_int_equal(session_store_put(house.db, &other, &err), 0);
	assert_int_equal(session_store_put(house.db, &other, &err), 0); /* told twice */
	assert_int_equal(session_store_find(house.db, str_of(other.sha256), &found, &err), 1);
	assert_string_equal(found.id, other.id);
	assert_int_equal(found.created_us, other.created_us);
	change.hash = STR("$y$new");
	change.keep_session = str_of(mine.id);
	assert_int_equal(account_store_change(house.db, STR("admin"), &change, -1, &err), 0);
	assert_int_equal(session_store_read(house.db, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].id, mine.id);
	free(list);
	snprintf(other.account, sizeof(other.account), "nobody");
	assert_int_equal(session_store_put(house.db, &other, &err), -EINVAL);
	session_store_used(house.db, str_of(mine.id), clock_time_us() - 200 * CLOCK_US_PER_S, &err);
	session_store_purge(house.db, 30, &err); /* used later than that: not idle */
	assert_int_equal(session_store_find(house.db, str_of(mine.sha256), &found, &err), 1);
	pg_sql(house.db, "UPDATE session SET used = now() - interval '91 seconds'");
	session_store_purge(house.db, 30, &err);
	assert_int_equal(session_store_find(house.db, str_of(mine.sha256), &found, &err), 0);
	session_table_free(table);
	house_close(&house);
}

static void test_an_audit_record_is_there_once(void **state)
{
	struct audit_record *records[2];
	struct audit_entry entry;
	struct db_result *rows;
	struct house house;
	int64_t count, n;
	struct err err;

	PG_OR_SKIP();
	house_open(&house);
	for (int i = 0; i < 2; i++) {
		records[i] = audit_record_new(STR("ann"), "Basic", STR("10.1.1.1"), STR("PATCH"),
					      i ? STR("/second") : STR("/first"));
		audit_record_say(records[i], "X.1.0.Y", AUDIT_ARGS("a \"quoted\" one", "{b}"));
		records[i]->status = 200 + i;
	}
	assert_int_equal(audit_store_put(house.db, uuid_v4(), records, 1, &err), 0);
	assert_int_equal(audit_store_put(house.db, uuid_v4(), records, 2, &err), 0);
	assert_int_equal(audit_store_read(house.db, &(struct audit_query){ .limit = 9 }, &rows, &count,
					  &err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(db_rows(rows), 2);
	audit_store_entry(rows, 0, &entry);
	assert_true(str_eq(entry.uri, STR("/second")));
	assert_true(str_eq(entry.args, STR("[\"a \\\"quoted\\\" one\",\"{b}\"]")));
	assert_int_equal(entry.time_us, records[1]->time_us);
	assert_int_equal(entry.status, 201);
	n = entry.id;
	db_result_free(rows);
	audit_store_read(house.db, &(struct audit_query){ .before = n, .limit = 9 }, &rows, NULL, &err);
	assert_int_equal(db_rows(rows), 1);
	db_result_free(rows);
	pg_sql(house.db, "UPDATE audit SET happened = now() - interval '3 days' WHERE uri = '/first'");
	assert_int_equal(audit_store_drop_old(house.db, 2 * 86400 * CLOCK_US_PER_S, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pg_int(house.db, "SELECT count(*) FROM audit"), 1);
	audit_record_free(records[0]);
	audit_record_free(records[1]);
	house_close(&house);
}

static void test_the_mirror_is_whole_or_refused(void **state)
{
	char dir[] = "/tmp/rfeventd-accounts-XXXXXX", *path, *text;
	struct account_set *set;
	struct house house;
	struct strbuf json;
	struct err err;
	struct stat st;
	size_t n;
	FILE *file;

	PG_OR_SKIP();
	house_open(&house);
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/accounts", dir);
	assert_int_equal(account_mirror_load(path, &set, &err), -ENOENT);
	strbuf_init(&json, MIRROR_MAX_BYTES);
	account_store_read(house.db, &json, &err);
	assert_int_equal(account_mirror_save(path, strbuf_str(&json), &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(account_mirror_load(path, &set, &err), 0);
	assert_non_null(account_set_find(set, STR("admin")));
	account_set_unref(set);
	n = (size_t)st.st_size;
	text = xcalloc(1, n);
	file = fopen(path, "r+");
	assert_int_equal(fread(text, 1, n, file), n);
	fseek(file, (long)n / 2, SEEK_SET);
	fputc(text[n / 2] ^ 1, file);
	fclose(file);
	assert_int_equal(account_mirror_load(path, &set, &err), -EBADMSG);
	free(text);
	unlink(path);
	rmdir(dir);
	free(path);
	strbuf_fini(&json);
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_founder),
		cmocka_unit_test(test_nobody_comes_before_the_founder),
		cmocka_unit_test(test_names_are_unique_and_case_counts),
		cmocka_unit_test(test_the_last_administrator_stays),
		cmocka_unit_test(test_a_version_that_is_old_changes_nothing),
		cmocka_unit_test(test_wrong_passwords_lock),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_a_new_password_ends_other_sessions),
		cmocka_unit_test(test_an_audit_record_is_there_once),
		cmocka_unit_test(test_the_mirror_is_whole_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
