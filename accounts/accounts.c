#include "accounts/accounts.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/audit.h"
#include "accounts/audit_store.h"
#include "accounts/guesses.h"
#include "accounts/limits.h"
#include "accounts/session_store.h"
#include "accounts/session_table.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "base/slot.h"
#include "base/thread.h"
#include "storage/db.h"

#define CONNECT_TIMEOUT_MS 1500
#define HOOK_MS		   100
#define CHANNEL_MAX_BYTES  256
#define RETRY_US	   (1 * CLOCK_US_PER_S)
#define TABLES_US	   (CLOCK_US_PER_S / 10)
#define LOOK_US		   (30 * CLOCK_US_PER_S)
#define TELL_US		   (20 * CLOCK_US_PER_S) /* use of sessions and tokens; below session_store_purge()'s */
#define PURGE_US	   (60 * CLOCK_US_PER_S) /* and not before a connection is that old */
#define DROP_US		   (3600 * CLOCK_US_PER_S)
#define AUDIT_AT_ONCE	   256
#define DROP_FULL_SHARE	   10000

/* An account with wrong passwords, or a right one, that the database was not told of. */
struct tally {
	char name[ACCOUNT_NAME_MAX_BYTES + 1];
	int n;
	bool reset; /* before n are counted */
};

struct token_use {
	char id[SESSION_ID_CHARS + 1];
	int64_t used_us, told_us;
};

struct accounts {
	char *url, *mirror_path, *founder;
	struct accounts_config config; /* its strings are the three above */
	struct slot *slot;
	struct session_table *sessions;
	struct guesses *guesses;
	struct audit *audit;
	pthread_t thread;
	bool running;
	struct mailbox *wake; /* never holds anything */
	atomic_bool stopping, is_founded;
	pthread_mutex_t publishing; /* one set after the other */
	int64_t revision;
	pthread_mutex_t mutex; /* the two below */
	struct tally tallies[ACCOUNT_MAX_COUNT];
	size_t n_tallies;
	struct map *uses; /* id -> struct token_use, owned */
	/* the thread's */
	struct db *db; /* NULL: away */
	int64_t next_try_us, next_look_us, next_tell_us, next_purge_us, next_drop_us;
	bool said_away;
};

static void *run(void *ctx);

/* --- publishing ----------------------------------------------------------------------------------
 */

/* One that is not older than the one that is out. */
static int publish(struct accounts *accounts, struct str json, bool keep, struct err *err)
{
	struct account_set *set;
	int64_t revision;
	int r = account_set_parse(json, &set, err);

	if (r < 0)
		return r;
	revision = account_set_policy(set)->revision;
	/* A mirror that could not be written is tried again at the next look. */
	pthread_mutex_lock(&accounts->publishing);
	if (revision < accounts->revision) {
		account_set_unref(set);
	} else {
		bool is_kept = !keep || revision == accounts->revision;

		slot_put(accounts->slot, set);
		if (!is_kept && account_mirror_save(accounts->mirror_path, json, err) < 0)
			log_error("accounts", "mirror not written", LOG_T("err", err->text));
		else if (keep)
			accounts->revision = revision;
	}
	pthread_mutex_unlock(&accounts->publishing);
	return 0;
}

int accounts_refresh(struct accounts *accounts, struct db *db, struct err *err)
{
	struct strbuf json;
	int r;

	strbuf_init(&json, MIRROR_MAX_BYTES);
	r = account_store_read(db, &json, err);
	if (r == 0)
		r = publish(accounts, strbuf_str(&json), true, err);
	secrets_wipe(json.p, json.size);
	strbuf_fini(&json);
	return r;
}

/* A node that knows its administrator from before there were accounts, or that begins. */
static int publish_founder(struct accounts *accounts, struct err *err)
{
	const struct accounts_config *config = &accounts->config;
	struct strbuf json;
	int r;

	if (config->founder_hash.len == 0)
		return 0;
	strbuf_init(&json, MIRROR_MAX_BYTES);
	strbuf_putf(&json,
		    "{\"revision\":0,\"version\":0,\"min_password_length\":%d,"
		    "\"lockout_threshold\":10,\"lockout_duration\":300,\"lockout_reset\":300,"
		    "\"session_timeout\":1800,\"tokens\":[],\"accounts\":[{\"name\":",
		    PASSWORD_MIN_DEFAULT);
	strbuf_put_json(&json, str_of(config->founder));
	strbuf_putf(&json, ",\"role\":%d,\"enabled\":true,\"locked_until\":0,\"version\":0,\"created\":0,"
			   "\"changed\":0,\"hash\":",
		    ROLE_ADMINISTRATOR);
	strbuf_put_json(&json, config->founder_hash);
	strbuf_put_text(&json, "}]}");
	r = publish(accounts, strbuf_str(&json), false, err);
	strbuf_fini(&json);
	return r;
}

static int load_mirror(struct accounts *accounts, struct err *err)
{
	struct account_set *set;
	int r = account_mirror_load(accounts->mirror_path, &set, err);

	if (r == 0) {
		accounts->revision = account_set_policy(set)->revision;
		slot_put(accounts->slot, set);
		return 0;
	}
	if (r == -EBADMSG) { /* the database has them; the founder's old hash must not come back */
		log_error("accounts", "mirror not used", LOG_T("err", err->text));
		return 0;
	}
	return r == -ENOENT ? publish_founder(accounts, err) : r;
}

/* --- starting ------------------------------------------------------------------------------------
 */

static void woken(void *ctx)
{
	accounts_wake(ctx);
}

static struct accounts *accounts_new(const struct accounts_config *config)
{
	struct accounts *accounts = xcalloc(1, sizeof(*accounts));

	accounts->url = xstrdup(config->url);
	accounts->mirror_path = xstrdup(config->mirror_path);
	accounts->founder = xstrdup(config->founder);
	accounts->config = *config;
	accounts->config.url = accounts->url;
	accounts->config.mirror_path = accounts->mirror_path;
	accounts->config.founder = accounts->founder;
	accounts->slot = slot_new(NULL, account_set_slot_ref, account_set_slot_unref);
	accounts->sessions = session_table_new();
	accounts->guesses = guesses_new();
	accounts->wake = mailbox_new(1);
	accounts->uses = map_new(64);
	pthread_mutex_init(&accounts->publishing, NULL);
	pthread_mutex_init(&accounts->mutex, NULL);
	return accounts;
}

int accounts_start(const struct accounts_config *config, struct accounts **out, struct err *err)
{
	struct accounts *accounts = accounts_new(config);
	int r;

	r = load_mirror(accounts, err);
	if (r == 0)
		r = audit_open(config->audit_path, woken, accounts, &accounts->audit, err);
	if (r == 0)
		r = thread_start(&accounts->thread, "accounts", run, accounts, err);
	accounts->running = r == 0;
	if (r < 0) {
		accounts_stop(accounts);
		return r;
	}
	*out = accounts;
	return 0;
}

static void uses_free(struct map *uses)
{
	size_t cursor = 0;
	struct str key;
	void *use;

	while (map_next(uses, &cursor, &key, &use))
		free(use);
	map_free(uses);
}

void accounts_stop(struct accounts *accounts)
{
	if (!accounts)
		return;
	atomic_store(&accounts->stopping, true);
	mailbox_wake(accounts->wake);
	if (accounts->running)
		pthread_join(accounts->thread, NULL);
	audit_close(accounts->audit);
	guesses_free(accounts->guesses);
	session_table_free(accounts->sessions);
	slot_free(accounts->slot);
	mailbox_free(accounts->wake);
	uses_free(accounts->uses);
	pthread_mutex_destroy(&accounts->publishing);
	pthread_mutex_destroy(&accounts->mutex);
	free(accounts->url);
	free(accounts->mirror_path);
	free(accounts->founder);
	free(accounts);
}

bool accounts_are_in_step(const struct accounts *accounts)
{
	return atomic_load(&accounts->is_founded);
}

struct account_set *accounts_get(struct accounts *accounts)
{
	return slot_get(accounts->slot);
}

struct session_table *accounts_sessions(struct accounts *accounts)
{
	return accounts->sessions;
}

struct guesses *accounts_guesses(struct accounts *accounts)
{
	return accounts->guesses;
}

struct audit *accounts_audit(struct accounts *accounts)
{
	return accounts->audit;
}

void accounts_wake(struct accounts *accounts)
{
	mailbox_wake(accounts->wake);
}

/* --- what this node counted ----------------------------------------------------------------------
 */

static struct tally *find_tally(struct accounts *accounts, struct str name)
{
	struct tally *tally;

	for (size_t i = 0; i < accounts->n_tallies; i++)
		if (str_eq(str_of(accounts->tallies[i].name), name))
			return &accounts->tallies[i];
	if (accounts->n_tallies == ACCOUNT_MAX_COUNT)
		return NULL;
	tally = &accounts->tallies[accounts->n_tallies++];
	*tally = (struct tally){ .n = 0 };
	snprintf(tally->name, sizeof(tally->name), "%.*s", STR_ARG(name));
	return tally;
}

void accounts_count(struct accounts *accounts, struct str name, int n)
{
	struct tally *tally;

	pthread_mutex_lock(&accounts->mutex);
	tally = find_tally(accounts, name);
	if (tally && n == 0) {
		tally->n = 0;
		tally->reset = true;
	} else if (tally) {
		tally->n += n;
	}
	pthread_mutex_unlock(&accounts->mutex);
	accounts_wake(accounts);
}

void accounts_token_used(struct accounts *accounts, struct str id, int64_t now_us)
{
	struct token_use *use;

	pthread_mutex_lock(&accounts->mutex);
	use = map_get(accounts->uses, id);
	if (!use) {
		use = xcalloc(1, sizeof(*use));
		snprintf(use->id, sizeof(use->id), "%.*s", STR_ARG(id));
		map_put(accounts->uses, str_of(use->id), use);
	}
	use->used_us = now_us;
	pthread_mutex_unlock(&accounts->mutex);
}

int64_t accounts_token_last_used(struct accounts *accounts, struct str id)
{
	const struct token_use *use;
	int64_t used_us;

	pthread_mutex_lock(&accounts->mutex);
	use = map_get(accounts->uses, id);
	used_us = use ? use->used_us : 0;
	pthread_mutex_unlock(&accounts->mutex);
	return used_us;
}

/* --- the thread: what it tells the database ------------------------------------------------------
 */

static int tell_tallies(struct accounts *accounts, struct err *err)
{
	struct tally tally;
	int r = 0;

	while (r == 0) {
		pthread_mutex_lock(&accounts->mutex);
		if (accounts->n_tallies == 0) {
			pthread_mutex_unlock(&accounts->mutex);
			return 0;
		}
		tally = accounts->tallies[--accounts->n_tallies];
		pthread_mutex_unlock(&accounts->mutex);
		if (tally.reset)
			r = account_store_count(accounts->db, str_of(tally.name), 0, err);
		if (r == 0 && tally.n > 0)
			r = account_store_count(accounts->db, str_of(tally.name), tally.n, err);
		if (r < 0 && tally.n > 0) /* again when it is back */
			accounts_count(accounts, str_of(tally.name), tally.n);
	}
	return r;
}

/* Sessions that were ended here while the database was away. */
static int tell_ended(struct accounts *accounts, struct err *err)
{
	size_t n;
	char *ids = session_ended(accounts->sessions, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct str id = str_of(ids + i * (SESSION_ID_CHARS + 1));

		r = session_store_remove(accounts->db, id, err);
		if (r == 0)
			session_set_gone(accounts->sessions, id);
	}
	free(ids);
	return r;
}

static int tell_sessions(struct accounts *accounts, bool use_too, struct err *err)
{
	struct session *list;
	size_t n;
	int r = tell_ended(accounts, err);

	list = session_list(accounts->sessions, &n);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct session *session = &list[i];
		struct str id = str_of(session->id);

		if (!session->is_stored)
			r = session_store_put(accounts->db, session, err);
		else if (use_too && session->used_us > session->stored_used_us)
			r = session_store_used(accounts->db, id, session->used_us, err);
		else
			continue;
		if (r == 0)
			session_set_stored(accounts->sessions, id, session->used_us);
		if (r == -EINVAL) { /* its account is gone */
			session_close(accounts->sessions, id);
			r = 0;
		}
	}
	free(list);
	return r;
}

/* Copies those to be told of, new. */
static struct token_use *take_uses(struct accounts *accounts, size_t *n_out)
{
	struct token_use *list;
	size_t cursor = 0;
	struct str key;
	void *value;

	pthread_mutex_lock(&accounts->mutex);
	list = xcalloc(map_count(accounts->uses) + 1, sizeof(*list));
	*n_out = 0;
	while (map_next(accounts->uses, &cursor, &key, &value)) {
		struct token_use *use = value;

		if (use->used_us == use->told_us)
			continue;
		use->told_us = use->used_us;
		list[(*n_out)++] = *use;
	}
	pthread_mutex_unlock(&accounts->mutex);
	return list;
}

static int tell_uses(struct accounts *accounts, struct err *err)
{
	size_t n;
	struct token_use *list = take_uses(accounts, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = token_store_used(accounts->db, str_of(list[i].id), list[i].used_us, err);
	free(list);
	return r;
}

/* A record that the database refuses must not hold up the others. */
static int write_one_by_one(struct accounts *accounts, struct audit_record **records, size_t n,
			    struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = audit_store_put(accounts->db, accounts->config.node, &records[i], 1, err);

		if (r < 0 && r != -EINVAL)
			return r;
		if (r == -EINVAL)
			log_error("accounts", "audit record refused by the database",
				  LOG_T("account", records[i]->account),
				  LOG_T("uri", records[i]->uri), LOG_T("err", err->text));
		audit_written(accounts->audit, &records[i], 1);
	}
	return 0;
}

static int tell_audit(struct accounts *accounts, struct err *err)
{
	struct audit_record *records[AUDIT_AT_ONCE];
	size_t n;
	int r = 0;

	while (r == 0 && (n = audit_peek(accounts->audit, records, AUDIT_AT_ONCE)) > 0) {
		r = audit_store_put(accounts->db, accounts->config.node, records, n, err);
		if (r == 0)
			audit_written(accounts->audit, records, n);
		else if (r == -EINVAL)
			r = write_one_by_one(accounts, records, n, err);
	}
	return r;
}

/* --- the thread: what the database tells ---------------------------------------------------------
 */

static int look_at_sessions(struct accounts *accounts, struct err *err)
{
	struct session *list;
	size_t n;
	int r = session_store_read(accounts->db, &list, &n, err);

	if (r < 0)
		return r;
	session_keep_only(accounts->sessions, list, n);
	for (size_t i = 0; i < n; i++)
		session_learn(accounts->sessions, &list[i]);
	free(list);
	return 0;
}

static void tell_founder(struct accounts *accounts)
{
	struct account_set *set = accounts_get(accounts);
	const struct account *founder = set ? account_set_find(set, str_of(accounts->founder)) : NULL;

	if (accounts->config.on_founder)
		accounts->config.on_founder(accounts->config.make_hash_ctx,
					    founder ? founder->hash : STR(""));
	accounts->config.on_founder = NULL;
	account_set_unref(set);
}

static int look(struct accounts *accounts, struct err *err)
{
	int r = 0;

	if (!atomic_load(&accounts->is_founded)) {
		r = account_store_found(accounts->db, str_of(accounts->founder),
					accounts->config.make_hash, accounts->config.make_hash_ctx, err);
		if (r >= 0)
			atomic_store(&accounts->is_founded, true);
		if (r > 0)
			log_info("accounts", "first account made", LOG_T("name", accounts->founder));
	}
	if (r >= 0)
		r = accounts_refresh(accounts, accounts->db, err);
	if (r == 0)
		tell_founder(accounts);
	if (r == 0)
		r = tell_sessions(accounts, true, err);
	return r == 0 ? look_at_sessions(accounts, err) : r;
}

static int64_t session_timeout_s(struct accounts *accounts)
{
	struct account_set *set = accounts_get(accounts);
	int64_t timeout_s = set ? account_set_policy(set)->session_timeout_s : SESSION_TIMEOUT_MAX_S;

	account_set_unref(set);
	return timeout_s;
}

/* What has its time. */
static int do_rounds(struct accounts *accounts, int64_t now_us, struct err *err)
{
	int64_t n_dropped;
	int r = 0;

	if (now_us >= accounts->next_tell_us) {
		accounts->next_tell_us = now_us + TELL_US;
		r = tell_sessions(accounts, true, err);
		if (r == 0)
			r = tell_uses(accounts, err);
	}
	if (r == 0 && now_us >= accounts->next_purge_us) {
		accounts->next_purge_us = now_us + PURGE_US;
		session_expire(accounts->sessions, session_timeout_s(accounts), clock_time_us());
		r = session_store_purge(accounts->db, session_timeout_s(accounts), err);
	}
	if (r == 0 && now_us >= accounts->next_drop_us) {
		r = audit_store_drop_old(accounts->db, accounts->config.keep_audit_us, &n_dropped, err);
		accounts->next_drop_us =
			now_us + (n_dropped < DROP_FULL_SHARE ? DROP_US : RETRY_US);
	}
	return r;
}

/* --- the thread ----------------------------------------------------------------------------------
 */

static void lost(struct accounts *accounts, const struct err *err)
{
	db_close(accounts->db);
	accounts->db = NULL;
	accounts->next_try_us = clock_monotonic_us() + RETRY_US;
	/* At the first start the server, and then its tables, are still being made. */
	if (!accounts->said_away)
		log_debug("accounts", "accounts stay as they are mirrored", LOG_T("err", err->text));
	accounts->said_away = true;
}

static void on_wait(void *ctx)
{
	struct accounts *accounts = ctx;

	if (atomic_load(&accounts->stopping))
		db_give_up(accounts->db);
}

static void connect_if_due(struct accounts *accounts)
{
	int64_t now_us = clock_monotonic_us();
	struct err err = { "" };
	int r;

	if (accounts->db || now_us < accounts->next_try_us)
		return;
	r = db_open(accounts->url, "rfeventd accounts", CONNECT_TIMEOUT_MS, &accounts->db, &err);
	if (r == 0) {
		db_on_wait(accounts->db, on_wait, accounts, HOOK_MS);
		r = db_exec(accounts->db, "LISTEN " ACCOUNT_CHANNEL "; LISTEN " SESSION_CHANNEL, &err);
	}
	if (r < 0) {
		lost(accounts, &err);
		return;
	}
	/* It may be another database, or an older state of it: what it says holds. */
	pthread_mutex_lock(&accounts->publishing);
	accounts->revision = -1;
	pthread_mutex_unlock(&accounts->publishing);
	accounts->next_look_us = 0;
	accounts->next_tell_us = now_us + TELL_US;
	accounts->next_purge_us = now_us + PURGE_US;
}

static void take_notifications(struct accounts *accounts)
{
	struct strbuf channel, payload;

	strbuf_init(&channel, CHANNEL_MAX_BYTES);
	strbuf_init(&payload, CHANNEL_MAX_BYTES);
	while (db_next_notification(accounts->db, &channel, &payload)) {
		if (str_eq(strbuf_str(&channel), STR(SESSION_CHANNEL)))
			session_close(accounts->sessions, strbuf_str(&payload));
		else
			accounts->next_look_us = 0;
	}
	strbuf_fini(&channel);
	strbuf_fini(&payload);
}

/* All there is to do with a database that is there. */
static void serve(struct accounts *accounts)
{
	int64_t now_us = clock_monotonic_us();
	struct err err = { "" };
	int r = 0;

	if (now_us >= accounts->next_look_us) {
		accounts->next_look_us = now_us + LOOK_US;
		r = look(accounts, &err);
		if (r == -EAGAIN) { /* no tables yet */
			accounts->next_look_us = now_us + TABLES_US;
			return;
		}
	}
	if (!atomic_load(&accounts->is_founded))
		return;
	if (r == 0)
		r = tell_tallies(accounts, &err);
	if (r == 0)
		r = tell_sessions(accounts, false, &err);
	if (r == 0)
		r = tell_audit(accounts, &err);
	if (r == 0)
		r = do_rounds(accounts, now_us, &err);
	if (r == 0) {
		accounts->said_away = false;
		return;
	}
	if (r != -ENOTCONN && !accounts->said_away && !atomic_load(&accounts->stopping))
		log_warn("accounts", "cannot keep accounts in step", LOG_T("err", err.text));
	lost(accounts, &err);
}

static int wait_ms(const struct accounts *accounts)
{
	int64_t now_us = clock_monotonic_us();
	int64_t due_us = accounts->db ? accounts->next_look_us : accounts->next_try_us;

	if (accounts->db && accounts->next_tell_us < due_us)
		due_us = accounts->next_tell_us;
	return due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0;
}

static void *run(void *ctx)
{
	struct accounts *accounts = ctx;

	while (!atomic_load(&accounts->stopping)) {
		struct pollfd fds[2] = { { .fd = mailbox_fd(accounts->wake), .events = POLLIN },
					 { .fd = -1 } };

		if (accounts->db)
			fds[1] = (struct pollfd){ .fd = db_fd(accounts->db), .events = POLLIN };
		poll(fds, 2, wait_ms(accounts));
		mailbox_take(accounts->wake); /* a wake is read, as mailbox.h says */
		if (accounts->db)
			take_notifications(accounts);
		if (accounts->db && !db_check(accounts->db))
			lost(accounts, &(struct err){ "the connection is gone" });
		connect_if_due(accounts);
		if (accounts->db)
			serve(accounts);
		/* What came while queries ran is read already: poll() would not tell of it. */
		if (accounts->db)
			take_notifications(accounts);
	}
	db_close(accounts->db);
	return NULL;
}
