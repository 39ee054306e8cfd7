/* Passwords, and the thread that checks them: with a mirror on disk and no database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "accounts/audit.h"
#include "accounts/guesses.h"
#include "accounts/login.h"
#include "accounts/password.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"

#define RIGHT "the right password"

struct house {
	char dir[64], *mirror, *queue, *hash;
	struct accounts *accounts;
	struct logins *logins;
	struct mailbox *answers;
};

static int make_no_hash(void *ctx, char **hash_out, struct err *err)
{
	return err_set(err, -EIO, "not in this test");
}

static void house_open(struct house *house)
{
	struct accounts_config config;
	struct err err;

	log_set(LOG_ERROR, LOG_LOGFMT);
	*house = (struct house){ .dir = "/tmp/rfeventd-login-XXXXXX" };
	assert_non_null(mkdtemp(house->dir));
	house->mirror = xasprintf("%s/accounts", house->dir);
	house->queue = xasprintf("%s/audit-queue", house->dir);
	assert_int_equal(password_hash(STR(RIGHT), &house->hash, &err), 0);
	config = (struct accounts_config){ .url = "host=/nowhere",
					   .mirror_path = house->mirror,
					   .audit_path = house->queue,
					   .founder = "admin",
					   .founder_hash = str_of(house->hash),
					   .make_hash = make_no_hash };
	assert_int_equal(accounts_start(&config, &house->accounts, &err), 0);
	assert_int_equal(logins_new(house->accounts, &house->logins, &err), 0);
	house->answers = mailbox_new(1024);
}

static void house_close(struct house *house)
{
	logins_free(house->logins);
	accounts_stop(house->accounts);
	mailbox_free(house->answers);
	unlink(house->mirror);
	unlink(house->queue);
	rmdir(house->dir);
	free(house->mirror);
	free(house->queue);
	free(house->hash);
}

struct attempt {
	struct mailbox_item item;
	struct login login;
};

static int begin(struct house *house, struct attempt *attempt, const char *user,
		 const char *password, const char *address)
{
	struct login *login = &attempt->login;

	memset(attempt, 0, sizeof(*attempt));
	login_set(login, str_of(user), str_of(password), str_of(address));
	login->way = "Basic";
	login->method = STR("GET");
	login->uri = STR("/");
	login->work.item = &attempt->item;
	login->work.reply_to = house->answers;
	return login_begin(house->logins, login);
}

static enum login_answer try(struct house *house, const char *user, const char *password)
{
	struct attempt attempt;

	assert_int_equal(begin(house, &attempt, user, password, "10.1.1.1"), 0);
	assert_true(mailbox_wait(house->answers, 20000));
	assert_ptr_equal(mailbox_take(house->answers), &attempt.item);
	return attempt.login.answer;
}

static void test_hashes(void **state)
{
	char *one, *other, *long_one, long_text[300];
	struct err err;

	assert_int_equal(password_hash(STR(RIGHT), &one, &err), 0);
	assert_int_equal(password_hash(STR(RIGHT), &other, &err), 0);
	assert_string_not_equal(one, other); /* salted */
	assert_null(strstr(one, RIGHT));
	assert_true(password_matches(STR(RIGHT), str_of(one)));
	assert_true(password_matches(STR(RIGHT), str_of(other)));
	assert_false(password_matches(STR("the right passwore"), str_of(one)));
	assert_false(password_matches(STR(""), str_of(one)));
	assert_false(password_matches(STR("the right password\0x"), str_of(one)));
	assert_false(password_matches(STR("-"), str_of("*0")));
	memset(long_text, 'x', sizeof(long_text));
	assert_int_equal(password_hash((struct str){ long_text, 257 }, &long_one, &err), -EINVAL);
	assert_false(password_matches((struct str){ long_text, 300 }, str_of(one)));
	free(one);
	free(other);
}

static void test_right_wrong_and_unknown(void **state)
{
	struct house house;
	enum role role = ROLE_READ_ONLY;
	char name[100];

	house_open(&house);
	assert_int_equal(try(&house, "admin", "wrong"), LOGIN_WRONG);
	assert_false(login_is_remembered(house.logins, STR("admin"), STR(RIGHT), &role));
	assert_int_equal(try(&house, "admin", RIGHT), LOGIN_OK);
	assert_true(login_is_remembered(house.logins, STR("admin"), STR(RIGHT), &role));
	assert_int_equal(role, ROLE_ADMINISTRATOR);
	assert_false(login_is_remembered(house.logins, STR("admin"), STR("wrong"), &role));
	assert_false(login_is_remembered(house.logins, STR("Admin"), STR(RIGHT), &role));
	assert_int_equal(try(&house, "Admin", RIGHT), LOGIN_WRONG);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(try(&house, name, RIGHT), LOGIN_WRONG);
	house_close(&house);
}

static void test_ten_wrong_ones_lock(void **state)
{
	struct audit_record *records[32];
	struct house house;
	size_t n, n_locked = 0;

	house_open(&house);
	for (int i = 0; i < 10; i++)
		assert_int_equal(try(&house, "admin", "wrong"), LOGIN_WRONG);
	assert_int_equal(try(&house, "admin", RIGHT), LOGIN_LOCKED);
	guesses_unlock(accounts_guesses(house.accounts), STR("admin"));
	assert_int_equal(try(&house, "admin", RIGHT), LOGIN_OK);
	n = audit_peek(accounts_audit(house.accounts), records, 32);
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++)
		n_locked += strcmp(records[i]->message_id, "AccountSecurity.1.0.AccountLocked") == 0;
	assert_int_equal(n_locked, 1);
	assert_string_equal(records[11]->message_id, "AccountSecurity.1.0.SuccessfulLogin");
	house_close(&house);
}

static size_t take_all(struct house *house, size_t n_due)
{
	size_t n = 0;

	while (n < n_due && mailbox_wait(house->answers, 20000))
		for (const struct mailbox_item *item = mailbox_take(house->answers); item;
		     item = item->next)
			n++;
	return n;
}

/* One hash, one guess; as many answers and audit records as asked. */
static void expect_shared(struct house *house, const char *password, enum login_answer answer,
			  const char *message_id)
{
	enum { MANY = 100 };
	struct audit_record *records[256];
	struct attempt attempts[MANY];
	size_t n_before = audit_peek(accounts_audit(house->accounts), records, 256);

	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(begin(house, &attempts[i], "admin", password, "10.1.1.1"), 0);
	assert_int_equal(take_all(house, MANY), MANY);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(attempts[i].login.answer, answer);
		assert_true(answer != LOGIN_OK || attempts[i].login.role == ROLE_ADMINISTRATOR);
	}
	assert_int_equal(audit_peek(accounts_audit(house->accounts), records, 256), n_before + MANY);
	for (size_t i = n_before; i < n_before + MANY; i++)
		assert_string_equal(records[i]->message_id, message_id);
}

static void test_the_same_asked_at_once_shares_an_answer(void **state)
{
	struct house house;

	house_open(&house);
	expect_shared(&house, RIGHT, LOGIN_OK, "AccountSecurity.1.0.SuccessfulLogin");
	expect_shared(&house, "wrong", LOGIN_WRONG, "AccountSecurity.1.0.InvalidCredentials");
	assert_int_equal(try(&house, "admin", RIGHT), LOGIN_OK); /* a hundred guesses would lock */
	house_close(&house);
}

static void test_others_do_not_share_it(void **state)
{
	struct attempt one, other, elsewhere;
	struct house house;

	house_open(&house);
	assert_int_equal(begin(&house, &one, "admin", RIGHT, "10.1.1.1"), 0);
	assert_int_equal(begin(&house, &other, "admin", "wrong", "10.1.1.1"), 0);
	assert_int_equal(begin(&house, &elsewhere, "admin", RIGHT, "10.1.1.2"), 0);
	assert_int_equal(take_all(&house, 3), 3);
	assert_int_equal(one.login.answer, LOGIN_OK);
	assert_int_equal(other.login.answer, LOGIN_WRONG);
	assert_int_equal(elsewhere.login.answer, LOGIN_OK);
	assert_int_equal(one.login.n_sharers + other.login.n_sharers + elsewhere.login.n_sharers, 0);
	house_close(&house);
}

static void test_what_waits_at_the_end_is_answered(void **state)
{
	struct attempt attempts[HASH_MAX_WAITING + 8];
	struct mailbox_item *item;
	struct house house;
	char address[16];
	size_t n = 0, n_back = 0;

	house_open(&house);
	for (size_t i = 0; i < HASH_MAX_WAITING + 8; i++) {
		snprintf(address, sizeof(address), "10.2.%zu.1", i);
		if (begin(&house, &attempts[n], "admin", "wrong", address) == 0)
			n++;
	}
	assert_in_range(n, HASH_MAX_WAITING, HASH_MAX_WAITING + 7);
	logins_halt(house.logins);
	for (item = mailbox_take(house.answers); item; item = item->next)
		n_back++;
	assert_int_equal(n_back, n);
	assert_int_equal(attempts[n - 1].login.answer, LOGIN_STOPPED);
	assert_int_equal(begin(&house, &attempts[0], "admin", RIGHT, "10.1.1.1"), -EAGAIN);
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_right_wrong_and_unknown),
		cmocka_unit_test(test_ten_wrong_ones_lock),
		cmocka_unit_test(test_the_same_asked_at_once_shares_an_answer),
		cmocka_unit_test(test_others_do_not_share_it),
		cmocka_unit_test(test_what_waits_at_the_end_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
