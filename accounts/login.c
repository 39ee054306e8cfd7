#include "accounts/login.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "accounts/audit.h"
#include "accounts/guesses.h"
#include "accounts/password.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"

#define REMEMBER_US      (300 * CLOCK_US_PER_S)
#define NICENESS         10 /* a flood of guesses must not take the machine from deliveries */
#define DIGEST_MAX_BYTES 2048

struct remembered {
	uint8_t digest[SHA256_BYTES];
	int64_t since_us; /* 0: free */
};

struct logins {
	struct accounts *accounts;
	struct work_pool *pool;
	atomic_bool stopping;
	char *nobody;              /* a hash that no password has, for names that are none */
	uint8_t key[SHA256_BYTES]; /* random per process */
	pthread_mutex_t mutex;     /* what is below */
	struct remembered remembered[REMEMBERED_MAX];
	struct login *under_way; /* submitted and not answered; HASH_MAX_WAITING and the one hashed */
};

int logins_new(struct accounts *accounts, struct logins **out, struct err *err)
{
	struct logins *logins = xcalloc(1, sizeof(*logins));
	char nobody[33];
	int r;

	logins->accounts = accounts;
	pthread_mutex_init(&logins->mutex, NULL);
	secrets_random(logins->key, sizeof(logins->key));
	secrets_token(nobody, sizeof(nobody) - 1);
	r = password_hash(str_of(nobody), &logins->nobody, err);
	if (r == 0)
		r = work_pool_start("login", HASH_MAX_WAITING, NICENESS, &logins->pool, err);
	if (r < 0) {
		logins_free(logins);
		return r;
	}
	*out = logins;
	return 0;
}

void logins_halt(struct logins *logins)
{
	if (!logins)
		return;
	atomic_store(&logins->stopping, true);
	work_pool_halt(logins->pool);
}

void logins_free(struct logins *logins)
{
	if (!logins)
		return;
	logins_halt(logins);
	work_pool_stop(logins->pool);
	pthread_mutex_destroy(&logins->mutex);
	free(logins->nobody);
	secrets_wipe(logins, sizeof(*logins));
	free(logins);
}

/* --- remembered ----------------------------------------------------------------------------------
 */

/* The stored hash is part of it: another password, another digest. */
static void digest_of(const struct logins *logins, const struct account *account,
		      struct str password, uint8_t out[SHA256_BYTES])
{
	struct strbuf text;

	strbuf_init(&text, DIGEST_MAX_BYTES);
	strbuf_put(&text, (struct str){ (const char *)logins->key, sizeof(logins->key) });
	strbuf_put(&text, account->hash);
	strbuf_put_char(&text, '\0');
	strbuf_put(&text, account->name);
	strbuf_put_char(&text, '\0');
	strbuf_put(&text, password);
	secrets_sha256(strbuf_str(&text), out);
	secrets_wipe(text.p, text.size);
	strbuf_fini(&text);
}

static bool is_remembered(struct logins *logins, const uint8_t digest[SHA256_BYTES])
{
	int64_t now_us = clock_monotonic_us();
	bool is = false;

	pthread_mutex_lock(&logins->mutex);
	for (size_t i = 0; i < REMEMBERED_MAX; i++) {
		const struct remembered *one = &logins->remembered[i];

		is |= one->since_us > 0 && now_us - one->since_us < REMEMBER_US &&
		      secrets_eq((struct str){ (const char *)one->digest, SHA256_BYTES },
				 (struct str){ (const char *)digest, SHA256_BYTES });
	}
	pthread_mutex_unlock(&logins->mutex);
	return is;
}

/* In the place of the oldest. */
static void remember(struct logins *logins, const uint8_t digest[SHA256_BYTES])
{
	struct remembered *oldest = &logins->remembered[0];

	pthread_mutex_lock(&logins->mutex);
	for (size_t i = 1; i < REMEMBERED_MAX; i++)
		if (logins->remembered[i].since_us < oldest->since_us)
			oldest = &logins->remembered[i];
	memcpy(oldest->digest, digest, SHA256_BYTES);
	oldest->since_us = clock_monotonic_us();
	pthread_mutex_unlock(&logins->mutex);
}

bool login_is_remembered(struct logins *logins, struct str user, struct str password,
			 enum role *role_out)
{
	struct account_set *set = accounts_get(logins->accounts);
	const struct account *account = set ? account_set_find(set, user) : NULL;
	uint8_t digest[SHA256_BYTES];
	bool is = false;

	if (account && account->enabled && password.len <= PASSWORD_MAX_BYTES) {
		digest_of(logins, account, password, digest);
		is = is_remembered(logins, digest);
		*role_out = account->role;
	}
	account_set_unref(set);
	return is;
}

/* --- asking --------------------------------------------------------------------------------------
 */

static size_t copy(char *out, size_t size, struct str text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	memcpy(out, text.p ? text.p : "", n);
	out[n] = '\0';
	return n;
}

void login_set(struct login *login, struct str user, struct str password, struct str address)
{
	login->user_len = copy(login->user, sizeof(login->user), user);
	login->password_len = copy(login->password, sizeof(login->password), password);
	copy(login->address, sizeof(login->address), address);
}

void login_wipe(struct login *login)
{
	secrets_wipe(login->password, sizeof(login->password));
}

static struct audit_record *record_of(const struct login *login)
{
	/* A name that is none may be a password typed into the wrong field. */
	struct account_set *set = accounts_get(login->logins->accounts);
	struct str user = { login->user, login->user_len };
	const struct account *account = set ? account_set_find(set, user) : NULL;
	struct audit_record *record =
		audit_record_new(account ? user : STR(""), login->way, str_of(login->address),
				 login->method, login->uri);

	account_set_unref(set);
	record->status = 401;
	audit_record_say(record, "AccountSecurity.1.0.InvalidCredentials",
			 AUDIT_ARGS(login->address, "HTTPS"));
	return record;
}

static void tell_held_back(const struct login *login, int wait_s)
{
	struct audit_record *record = record_of(login);
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", wait_s);
	record->status = 429;
	audit_record_say(record, "Rfeventd.1.0.AddressHeldBack",
			 AUDIT_ARGS(login->address, seconds));
	audit_add(accounts_audit(login->logins->accounts), record);
}

static bool is_same(const struct login *a, const struct login *b)
{
	bool same = strcmp(a->address, b->address) == 0;

	same &= secrets_eq((struct str){ a->user, a->user_len }, (struct str){ b->user, b->user_len });
	same &= secrets_eq((struct str){ a->password, a->password_len },
			   (struct str){ b->password, b->password_len });
	return same;
}

static bool share(struct logins *logins, struct login *login)
{
	struct login *other;
	bool shared;

	pthread_mutex_lock(&logins->mutex);
	for (other = logins->under_way; other && !is_same(other, login); other = other->next)
		;
	shared = other && other->n_sharers < LOGIN_MAX_SAME;
	if (shared) {
		login->next = other->sharers;
		other->sharers = login;
		other->n_sharers++;
	}
	pthread_mutex_unlock(&logins->mutex);
	return shared;
}

static void run(struct work *work);

/* Listed and submitted in one, so that it is not answered before it can be found. */
static int submit(struct logins *logins, struct login *login)
{
	int r;

	login->sharers = NULL;
	login->n_sharers = 0;
	login->work.run = run;
	pthread_mutex_lock(&logins->mutex);
	r = work_pool_submit(logins->pool, &login->work);
	if (r == 0) {
		login->next = logins->under_way;
		logins->under_way = login;
	}
	pthread_mutex_unlock(&logins->mutex);
	return r;
}

int login_begin(struct logins *logins, struct login *login)
{
	struct guesses *guesses = accounts_guesses(logins->accounts);
	struct str address = str_of(login->address);
	bool first;
	int r;

	login->logins = logins;
	if (share(logins, login))
		return 0;
	r = guesses_begin(guesses, address, clock_monotonic_us(), &first);
	if (r > 0 && first)
		tell_held_back(login, r);
	if (r != 0)
		return r;
	r = submit(logins, login);
	if (r < 0)
		guesses_end(guesses, address);
	return r;
}

/* --- the thread ----------------------------------------------------------------------------------
 */

static void note_right(const struct login *login)
{
	struct audit_record *record = record_of(login);

	record->status = 200;
	audit_record_say(record, "AccountSecurity.1.0.SuccessfulLogin",
			 AUDIT_ARGS(login->user, login->address, "HTTPS"));
	audit_add(accounts_audit(login->logins->accounts), record);
}

static void wrong(struct login *login, const struct account *account, bool locked,
		  const struct account_policy *policy)
{
	struct accounts *accounts = login->logins->accounts;
	struct audit_record *record = record_of(login);
	bool stranger;

	login->answer = locked ? LOGIN_LOCKED : LOGIN_WRONG;
	/* What is locked is counted for the address alone: a lock does not grow by itself. */
	if (guesses_wrong(accounts_guesses(accounts), account && !locked ? account->name : STR(""),
			  str_of(login->address), policy, clock_monotonic_us(), &stranger))
		audit_record_say(record, "AccountSecurity.1.0.AccountLocked",
				 AUDIT_ARGS(login->user));
	if (stranger)
		accounts_count(accounts, account->name, 1);
	audit_add(accounts_audit(accounts), record);
}

static void right(struct login *login, const struct account *account)
{
	struct accounts *accounts = login->logins->accounts;
	uint8_t digest[SHA256_BYTES];

	login->answer = LOGIN_OK;
	login->role = account->role;
	if (guesses_right(accounts_guesses(accounts), account->name, str_of(login->address),
			  clock_monotonic_us()))
		accounts_count(accounts, account->name, 0);
	digest_of(login->logins, account, (struct str){ login->password, login->password_len },
		  digest);
	remember(login->logins, digest);
	note_right(login);
}

static void check(struct login *login, struct account_set *set)
{
	struct logins *logins = login->logins;
	struct guesses *guesses = accounts_guesses(logins->accounts);
	struct str password = { login->password, login->password_len };
	const struct account *account =
		account_set_find(set, (struct str){ login->user, login->user_len });
	bool ok = password_matches(password, account ? account->hash : str_of(logins->nobody));
	bool locked = account && guesses_is_locked(guesses, account->name, str_of(login->address),
						   account->locked_until_us > clock_time_us(),
						   clock_monotonic_us());

	if (ok && account && account->enabled && !locked)
		right(login, account);
	else
		wrong(login, account, locked, account_set_policy(set));
}

static struct login *take_sharers(struct logins *logins, struct login *login)
{
	struct login **at = &logins->under_way;

	pthread_mutex_lock(&logins->mutex);
	while (*at != login)
		at = &(*at)->next;
	*at = login->next;
	pthread_mutex_unlock(&logins->mutex);
	return login->sharers;
}

static void share_answer(struct login *sharer, const struct login *login)
{
	sharer->answer = login->answer;
	sharer->role = login->role;
	if (login->answer == LOGIN_OK)
		note_right(sharer);
	else if (login->answer != LOGIN_STOPPED)
		audit_add(accounts_audit(login->logins->accounts), record_of(sharer));
	work_give_back(&sharer->work);
}

static void run(struct work *work)
{
	struct login *login = CONTAINER_OF(work, struct login, work);
	struct logins *logins = login->logins;
	struct account_set *set = accounts_get(logins->accounts);

	login->answer = LOGIN_STOPPED;
	if (set && !atomic_load(&logins->stopping))
		check(login, set);
	else
		guesses_end(accounts_guesses(logins->accounts), str_of(login->address));
	account_set_unref(set);
	for (struct login *next, *one = take_sharers(logins, login); one; one = next) {
		next = one->next;
		share_answer(one, login);
	}
}
