#include "service/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/password.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/seal.h"
#include "base/secrets.h"
#include "base/slot.h"
#include "event/source_set.h"
#include "service/conditions.h"
#include "service/config.h"
#include "service/first_start.h"
#include "storage/snapshot.h"

#define ENROLLED_MAX_ITEMS 65536    /* on their way to us; beyond, the next delivery tells again */
#define TOKEN_FILE_MAX_BYTES 4096
#define FLUSH_EVERY_US 50000	    /* enrolments that follow each other are collected this long */
/* How far behind the log the snapshot may be: a database that was set back by less goes unnoticed
 * when we die at the same moment. A large snapshot is written less often. */
#define SAVE_LOG_EVERY_US (2 * CLOCK_US_PER_S)

struct enrolment {
	struct mailbox_item item;
	struct source source;
	char *name, *address;
};

struct keeper {
	struct loop *loop;
	char *path; /* of the snapshot */
	char *password_path, *token_path;
	char *key_fingerprint; /* NULL: no key */
	struct seal_key seal_key;
	bool has_seal_key;
	bool token_is_said; /* by a person: the configuration, or a file that was changed */
	bool current;	    /* nothing is in the database that we do not know */
	struct snapshot snapshot; /* its sources array is ours: see `sources` */
	struct arena *texts;	  /* of sources added since the snapshot was read */
	struct source *sources;
	size_t n_sources, sources_size;
	struct map *by_id; /* id text -> place + 1 */
	struct slot *slot;
	struct mailbox *inbox;
	struct loop_timer flush, save_log;
	void (*on_save)(void *ctx);
	void *on_save_ctx;
	void (*on_publish)(void *ctx);
	void *on_publish_ctx;
	int64_t flushed_at_us, last_flush_us; /* when, and how long it took */
	bool dirty;	       /* the set changed since it was published */

	pthread_mutex_t mutex; /* those below */
	struct uuid epoch;
	int64_t oldest_seq, last_seq, gone_seq;
	int64_t saved_seq, saved_gone_seq;
};

static void on_enrolled(struct mailbox_item *first, void *ctx);
static void on_flush(struct loop_timer *timer);
static void on_save_log(struct loop_timer *timer);

/* --- the list of sources ---------------------------------------------------------------------- */

static struct source *find(struct keeper *keeper, struct uuid id)
{
	char text[UUID_TEXT_BYTES];
	uintptr_t place = (uintptr_t)map_get(keeper->by_id, str_of(uuid_format(id, text)));

	return place ? &keeper->sources[place - 1] : NULL;
}

static struct str own(struct keeper *keeper, struct str s)
{
	return s.p ? arena_copy(keeper->texts, s) : s;
}

/* Add a source, or lay it over the one with the same id. True when anything changed. */
static bool put(struct keeper *keeper, const struct source *source)
{
	struct source *old = find(keeper, source->id), copy = *source;
	char text[UUID_TEXT_BYTES];

	if (old && source_is_same(old, source))
		return false;
	copy.name = own(keeper, copy.name);
	copy.address = own(keeper, copy.address);
	copy.token = own(keeper, copy.token);
	copy.certificate = own(keeper, copy.certificate);
	copy.site = own(keeper, copy.site);
	copy.rack = own(keeper, copy.rack);
	copy.owner = own(keeper, copy.owner);
	copy.details = own(keeper, copy.details);
	if (old) {
		if (old->state != SOURCE_REMOVED)
			copy.created_us = old->created_us;
		*old = copy;
		return true;
	}
	if (keeper->n_sources == keeper->sources_size) {
		keeper->sources_size = keeper->sources_size ? 2 * keeper->sources_size : 64;
		keeper->sources = xrealloc(keeper->sources,
					   keeper->sources_size * sizeof(*keeper->sources));
	}
	keeper->sources[keeper->n_sources++] = copy;
	uuid_format(copy.id, text);
	map_put(keeper->by_id, arena_copy(keeper->texts, str_of(text)),
		(void *)(uintptr_t)keeper->n_sources);
	return true;
}

static struct str text_or_none(const char *text)
{
	return text && text[0] ? str_of(text) : (struct str){ NULL, 0 };
}

/* Sources of the configuration: identified by name, so that a restart and a replica agree. */
struct uuid keeper_configured_id(const char *name)
{
	return uuid_digest(STR("rfeventd configured source"), str_of(name));
}

static bool put_configured(struct keeper *keeper, const struct config *config)
{
	const struct config_source *items = config->sources.items;
	bool changed = false;

	for (size_t i = 0; i < config->sources.n; i++) {
		const struct source source = {
			.id = keeper_configured_id(items[i].name),
			.name = str_of(items[i].name),
			.address = text_or_none(items[i].address),
			.token = text_or_none(items[i].token),
			.certificate = text_or_none(items[i].certificate),
			.site = text_or_none(items[i].site),
			.rack = text_or_none(items[i].rack),
			.owner = text_or_none(items[i].owner),
			.state = SOURCE_CONFIGURED,
			.is_declared = true,
			.reply_status = (int)items[i].reply_status,
			.created_us = clock_time_us(),
		};
		changed |= put(keeper, &source);
	}
	return changed;
}

/* --- publishing and saving -------------------------------------------------------------------- */

static void publish(struct keeper *keeper)
{
	size_t n_of[3] = { 0 };

	slot_put(keeper->slot, source_set_new(keeper->sources, keeper->n_sources,
					      keeper->snapshot.enrolment_token, keeper->current));
	for (size_t i = 0; i < keeper->n_sources; i++) { /* but the services themselves */
		if (!source_is_own(&keeper->sources[i]))
			n_of[keeper->sources[i].state]++;
	}
	metric_set(METRIC_SOURCES, "enrolled", (double)n_of[SOURCE_ENROLLED]);
	metric_set(METRIC_SOURCES, "configured", (double)n_of[SOURCE_CONFIGURED]);
	keeper->dirty = false;
	if (keeper->on_publish)
		keeper->on_publish(keeper->on_publish_ctx);
}

static int save(struct keeper *keeper, struct err *err)
{
	struct snapshot snapshot = keeper->snapshot;

	pthread_mutex_lock(&keeper->mutex);
	snapshot.epoch = keeper->epoch;
	snapshot.oldest_seq = keeper->oldest_seq;
	snapshot.last_seq = keeper->last_seq;
	snapshot.gone_seq = keeper->gone_seq;
	keeper->saved_seq = keeper->last_seq;
	keeper->saved_gone_seq = keeper->gone_seq;
	pthread_mutex_unlock(&keeper->mutex);
	snapshot.sources = keeper->sources;
	snapshot.n_sources = keeper->n_sources;
	return snapshot_save(keeper->path, &snapshot, err);
}

static void save_or_log(struct keeper *keeper)
{
	struct err err;

	if (save(keeper, &err) < 0)
		log_error("service", "snapshot not written", LOG_T("err", err.text));
}

static void on_flush(struct loop_timer *timer)
{
	struct keeper *keeper = timer->ctx;
	int64_t start_us = clock_monotonic_us();

	publish(keeper);
	save_or_log(keeper);
	keeper->flushed_at_us = clock_monotonic_us();
	keeper->last_flush_us = keeper->flushed_at_us - start_us;
}

/* At once after a quiet time, so that the first event of a source already shows its name. */
static void flush_soon(struct keeper *keeper)
{
	/* A big set takes long to write: enrolments then wait in proportion. */
	int64_t every_us = 10 * keeper->last_flush_us;
	int64_t since_us = clock_monotonic_us() - keeper->flushed_at_us;

	keeper->dirty = true;
	if (every_us < FLUSH_EVERY_US)
		every_us = FLUSH_EVERY_US;
	if (!loop_timer_is_set(&keeper->flush))
		loop_timer_set(keeper->loop, &keeper->flush,
			       since_us > every_us ? 0 : every_us - since_us);
}

static bool log_has_moved(struct keeper *keeper)
{
	bool moved;

	pthread_mutex_lock(&keeper->mutex);
	moved = keeper->last_seq != keeper->saved_seq || keeper->gone_seq != keeper->saved_gone_seq;
	pthread_mutex_unlock(&keeper->mutex);
	return moved;
}

static void on_save_log(struct loop_timer *timer)
{
	struct keeper *keeper = timer->ctx;
	int64_t start_us = clock_monotonic_us(), every_us;

	if (keeper->on_save)
		keeper->on_save(keeper->on_save_ctx);
	if (log_has_moved(keeper))
		save_or_log(keeper);
	every_us = 100 * (clock_monotonic_us() - start_us);
	loop_timer_set(keeper->loop, &keeper->save_log,
		       every_us > SAVE_LOG_EVERY_US ? every_us : SAVE_LOG_EVERY_US);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* The administrator's password, in its file, and its hash; *hash_out is new. */
static int make_password(struct keeper *keeper, char **hash_out, struct err *err)
{
	char *password = NULL;
	int r = secret_file(keeper->password_path, &password, err);

	if (r == 0)
		r = password_hash(str_of(password), hash_out, err);
	if (password)
		secrets_wipe(password, strlen(password));
	free(password);
	return r;
}

/* Identity and secrets of a node that has none yet, or has lost its snapshot. With a database that
 * others may share, the administrator is made when it is known that there is none. */
static int make_first(struct keeper *keeper, const struct config *config, char **token,
		      struct err *err)
{
	const struct first_start first = { .state_dir = config->state_dir,
					   .url = config->storage_url,
					   .node = uuid_v4(),
					   .key_file = config->secrets_key_file,
					   .key_fingerprint = keeper->key_fingerprint };
	char *hash = NULL;
	int r = first_start(&first, token, err);

	if (r == 0 && !config->storage_url)
		r = make_password(keeper, &hash, err);
	if (r < 0)
		return r;
	keeper->snapshot = (struct snapshot){ .node = first.node, .arena = arena_new(1 << 20) };
	keeper->snapshot.admin_hash = arena_copy(keeper->snapshot.arena, hash ? str_of(hash) : STR(""));
	free(hash);
	return 0;
}

/* Not when it is there already: a start has no time for a sync. */
static int write_token(struct keeper *keeper, const char *token, struct err *err)
{
	char *line = xasprintf("%s\n", token), *is = NULL;
	size_t n = 0;
	int r = file_read(keeper->token_path, TOKEN_FILE_MAX_BYTES, &is, &n, err);

	if (r < 0 || !str_eq((struct str){ is, n }, str_of(line)))
		r = file_replace(keeper->token_path, str_of(line), 0600, err);
	free(is);
	free(line);
	return r;
}

/* Snapshot and token, whatever of them there is. */
static int load_secrets(struct keeper *keeper, const struct config *config, bool *is_first,
			struct err *err)
{
	char *token = config->receiver_enrolment_token ? xstrdup(config->receiver_enrolment_token)
						       : NULL;
	int r = snapshot_load(keeper->path, &keeper->snapshot, err);

	keeper->token_is_said = token != NULL;
	*is_first = r == -ENOENT;
	if (*is_first)
		r = make_first(keeper, config, &token, err);
	else if (r == 0 && !token) {
		r = secret_file(keeper->token_path, &token, err);
		keeper->token_is_said =
			r == 0 && keeper->snapshot.enrolment_token.p &&
			!str_eq(str_of(token), keeper->snapshot.enrolment_token);
	}
	if (r == 0)
		r = write_token(keeper, token, err);
	if (r == 0)
		keeper->snapshot.enrolment_token = arena_copy(keeper->texts, str_of(token));
	free(token);
	return r;
}

static bool has_private_data(const struct config *config)
{
	char *dir = xasprintf("%s/postgresql", config->state_dir);
	bool found = access(dir, F_OK) == 0;

	free(dir);
	return found;
}

int keeper_admin_hash_or_new(void *ctx, char **hash_out, struct err *err)
{
	struct keeper *keeper = ctx;
	int r;

	if (keeper->snapshot.admin_hash.len > 0) {
		*hash_out = xstrndup(keeper->snapshot.admin_hash);
		return 0;
	}
	r = make_password(keeper, hash_out, err);
	if (r == 0)
		log_info("service", "administrator made",
			 LOG_T("password_file", keeper->password_path));
	return r;
}

void keeper_check_password(void *ctx, struct str hash)
{
	const struct keeper *keeper = ctx;

	if (!str_eq(hash, keeper->snapshot.admin_hash))
		password_file_check(keeper->password_path, hash);
}

static int load_seal_key(struct keeper *keeper, const struct config *config, struct err *err)
{
	char *path = NULL, *made = NULL;
	int r = 0;

	if (config->secrets_key_file) {
		path = xstrdup(config->secrets_key_file);
	} else if (!config->storage_url) {
		path = xasprintf("%s/secrets-key", config->state_dir);
		r = secret_file(path, &made, err);
	}
	if (r == 0 && path)
		r = key_read(path, &keeper->seal_key, err);
	keeper->has_seal_key = r == 0 && path;
	if (made)
		secrets_wipe(made, strlen(made));
	free(made);
	free(path);
	return r;
}

static int load(struct keeper *keeper, const struct config *config, struct err *err)
{
	bool is_first = false;
	int r = 0;

	if (config->secrets_key_file)
		r = key_fingerprint(config->secrets_key_file, &keeper->key_fingerprint, err);
	if (r == 0)
		r = load_seal_key(keeper, config, err);
	if (r == 0)
		r = load_secrets(keeper, config, &is_first, err);
	if (r < 0)
		return r;
	/* Nobody but us writes to a private database, but it knows more than a node whose snapshot was lost. */
	keeper->current = !config->storage_url && !(is_first && has_private_data(config));
	for (size_t i = 0; i < keeper->snapshot.n_sources; i++)
		put(keeper, &keeper->snapshot.sources[i]);
	keeper->epoch = keeper->snapshot.epoch;
	keeper->oldest_seq = keeper->snapshot.oldest_seq;
	keeper->last_seq = keeper->saved_seq = keeper->snapshot.last_seq;
	keeper->gone_seq = keeper->saved_gone_seq = keeper->snapshot.gone_seq;
	if (put_configured(keeper, config) || is_first)
		r = save(keeper, err);
	if (is_first && r == 0)
		log_info("service", "first start: secrets made",
			 LOG_T(config->storage_url ? NULL : "password_file", keeper->password_path),
			 LOG_T("enrolment_token_file", keeper->token_path));
	return r;
}

int keeper_open(const struct config *config, struct loop *loop, struct keeper **out,
		struct err *err)
{
	struct keeper *keeper = xcalloc(1, sizeof(*keeper));
	int r;

	keeper->loop = loop;
	keeper->path = xasprintf("%s/snapshot", config->state_dir);
	keeper->password_path = xasprintf("%s/admin-password", config->state_dir);
	keeper->token_path = xasprintf("%s/enrolment-token", config->state_dir);
	keeper->texts = arena_new(SIZE_MAX);
	keeper->by_id = map_new(1024);
	keeper->slot = slot_new(NULL, source_set_slot_ref, source_set_slot_unref);
	keeper->inbox = mailbox_new(ENROLLED_MAX_ITEMS);
	keeper->flush = (struct loop_timer){ .fn = on_flush, .ctx = keeper };
	keeper->save_log = (struct loop_timer){ .fn = on_save_log, .ctx = keeper };
	pthread_mutex_init(&keeper->mutex, NULL);
	r = load(keeper, config, err);
	if (r == 0)
		r = mailbox_attach(keeper->inbox, loop, on_enrolled, keeper);
	if (r < 0) {
		keeper_close(keeper);
		return r;
	}
	publish(keeper);
	loop_timer_set(loop, &keeper->save_log, SAVE_LOG_EVERY_US);
	*out = keeper;
	return 0;
}

static void enrolment_free(struct enrolment *enrolment)
{
	free(enrolment->name);
	free(enrolment->address);
	free(enrolment);
}

void keeper_close(struct keeper *keeper)
{
	if (!keeper)
		return;
	mailbox_detach(keeper->inbox);
	on_enrolled(mailbox_take(keeper->inbox), keeper);
	loop_timer_cancel(keeper->loop, &keeper->flush);
	loop_timer_cancel(keeper->loop, &keeper->save_log);
	if (keeper->dirty || log_has_moved(keeper))
		save_or_log(keeper);
	mailbox_free(keeper->inbox);
	slot_free(keeper->slot);
	map_free(keeper->by_id);
	snapshot_fini(&keeper->snapshot);
	arena_free(keeper->texts);
	pthread_mutex_destroy(&keeper->mutex);
	free(keeper->sources);
	free(keeper->path);
	free(keeper->password_path);
	free(keeper->token_path);
	free(keeper->key_fingerprint);
	secrets_wipe(&keeper->seal_key, sizeof(keeper->seal_key));
	free(keeper);
}

struct slot *keeper_sources(struct keeper *keeper)
{
	return keeper->slot;
}

const struct seal_key *keeper_seal_key(const struct keeper *keeper)
{
	return keeper->has_seal_key ? &keeper->seal_key : NULL;
}

void keeper_on_publish(struct keeper *keeper, void (*fn)(void *ctx), void *ctx)
{
	keeper->on_publish = fn;
	keeper->on_publish_ctx = ctx;
}

struct str keeper_admin_hash(const struct keeper *keeper)
{
	return keeper->snapshot.admin_hash;
}

struct str keeper_enrolment_token(const struct keeper *keeper)
{
	return keeper->snapshot.enrolment_token;
}

struct uuid keeper_node(const struct keeper *keeper)
{
	return keeper->snapshot.node;
}

void keeper_log(const struct keeper *keeper, struct uuid *epoch, int64_t *oldest_seq,
		int64_t *last_seq)
{
	*epoch = keeper->snapshot.epoch;
	*oldest_seq = keeper->snapshot.oldest_seq;
	*last_seq = keeper->snapshot.last_seq;
}

void keeper_reconfigure(struct keeper *keeper, const struct config *config)
{
	if (put_configured(keeper, config))
		flush_soon(keeper);
}

void keeper_enrolled(void *ctx, const struct source *source)
{
	struct keeper *keeper = ctx;
	struct enrolment *enrolment = xcalloc(1, sizeof(*enrolment));

	enrolment->name = xstrndup(source->name);
	enrolment->address = xstrndup(source->address);
	enrolment->source = *source;
	enrolment->source.name = str_of(enrolment->name);
	enrolment->source.address = str_of(enrolment->address);
	if (!mailbox_put(keeper->inbox, &enrolment->item))
		enrolment_free(enrolment); /* its next delivery tells again */
}

static void on_enrolled(struct mailbox_item *first, void *ctx)
{
	struct keeper *keeper = ctx;
	bool changed = false;

	while (first) {
		struct enrolment *enrolment = CONTAINER_OF(first, struct enrolment, item);
		const struct source *known = find(keeper, enrolment->source.id);

		first = first->next;
		/* Told several times until the new set is out: the first counts. One that was removed and
		 * sends again is a new one. */
		if (!known || known->state == SOURCE_REMOVED) {
			put(keeper, &enrolment->source);
			log_info("service", "source enrolled",
				 LOG_S("address", enrolment->source.address));
			changed = true;
		}
		enrolment_free(enrolment);
	}
	if (changed)
		flush_soon(keeper);
}

int64_t keeper_gone_seq(const struct keeper *keeper)
{
	return keeper->snapshot.gone_seq;
}

void keeper_on_save(struct keeper *keeper, void (*fn)(void *ctx), void *ctx)
{
	keeper->on_save = fn;
	keeper->on_save_ctx = ctx;
}

void keeper_gone(struct keeper *keeper, int64_t seq)
{
	pthread_mutex_lock(&keeper->mutex);
	keeper->gone_seq = seq;
	pthread_mutex_unlock(&keeper->mutex);
}

void keeper_log_seen(struct keeper *keeper, struct uuid epoch, int64_t oldest_seq, int64_t last_seq)
{
	pthread_mutex_lock(&keeper->mutex);
	keeper->epoch = epoch;
	keeper->oldest_seq = oldest_seq;
	keeper->last_seq = last_seq;
	pthread_mutex_unlock(&keeper->mutex);
}

/* --- what other replicas say -------------------------------------------------------------------
 */

const char *keeper_key_fingerprint(const struct keeper *keeper)
{
	return keeper->key_fingerprint;
}

bool keeper_token_is_said(const struct keeper *keeper)
{
	return keeper->token_is_said;
}

void keeper_set_current(struct keeper *keeper, bool current)
{
	if (keeper->current == current)
		return;
	keeper->current = current;
	publish(keeper);
}

void keeper_learn_sources(struct keeper *keeper, const struct source *sources, size_t n)
{
	bool changed = false;

	for (size_t i = 0; i < n; i++) {
		const struct source *known = find(keeper, sources[i].id);

		/* The configuration here has the last word on what it declares. */
		if (!known || !known->is_declared)
			changed |= put(keeper, &sources[i]);
	}
	if (changed)
		flush_soon(keeper);
}

void keeper_learn_token(struct keeper *keeper, struct str token)
{
	struct str own_token = arena_copy(keeper->texts, token);
	char *text = xstrndup(token);
	struct err err;

	if (!str_eq(token, keeper->snapshot.enrolment_token)) {
		log_info("service", "the enrolment token of the other replicas holds",
			 LOG_T("file", keeper->token_path));
		keeper->snapshot.enrolment_token = own_token;
		if (write_token(keeper, text, &err) < 0)
			log_error("service", "enrolment token not written", LOG_T("err", err.text));
		flush_soon(keeper);
	}
	free(text);
}
