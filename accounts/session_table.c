#include "accounts/session_table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct session_table {
	pthread_mutex_t mutex;
	size_t n;
	struct session items[SESSION_MAX_COUNT]; /* the first n */
	size_t n_ended;
	char ended[SESSION_MAX_ENDED][SESSION_ID_CHARS + 1]; /* the first n_ended, oldest first */
};

struct session_table *session_table_new(void)
{
	struct session_table *table = xcalloc(1, sizeof(*table));

	pthread_mutex_init(&table->mutex, NULL);
	return table;
}

void session_table_free(struct session_table *table)
{
	if (!table)
		return;
	pthread_mutex_destroy(&table->mutex);
	free(table);
}

static void hash_of(struct str token, char out[2 * SHA256_BYTES + 1])
{
	uint8_t digest[SHA256_BYTES];

	secrets_sha256(token, digest);
	secrets_hex(digest, sizeof(digest), out);
}

static struct session *find(struct session_table *table, struct str id)
{
	for (size_t i = 0; i < table->n; i++)
		if (str_eq(str_of(table->items[i].id), id))
			return &table->items[i];
	return NULL;
}

/* Place among those ended here, or n_ended. */
static size_t find_ended(const struct session_table *table, struct str id)
{
	size_t i = 0;

	while (i < table->n_ended && !str_eq(str_of(table->ended[i]), id))
		i++;
	return i;
}

static void drop_ended(struct session_table *table, size_t i)
{
	table->n_ended--;
	memmove(table->ended[i], table->ended[i + 1],
		(table->n_ended - i) * sizeof(table->ended[0]));
}

static void drop(struct session_table *table, struct session *session)
{
	*session = table->items[--table->n];
}

/* Of an account, the one idle longest; *n_out how many it has. */
static struct session *idlest(struct session_table *table, struct str account, size_t *n_out)
{
	struct session *found = NULL;

	*n_out = 0;
	for (size_t i = 0; i < table->n; i++) {
		struct session *session = &table->items[i];

		if (!str_eq(str_of(session->account), account))
			continue;
		++*n_out;
		if (!found || session->used_us < found->used_us)
			found = session;
	}
	return found;
}

bool session_open(struct session_table *table, struct str account, struct str address,
		  int64_t now_us, char token[SESSION_TOKEN_CHARS + 1], struct session *out,
		  char ended_out[SESSION_ID_CHARS + 1])
{
	struct session *session;
	size_t n;
	bool ok;

	ended_out[0] = '\0';
	pthread_mutex_lock(&table->mutex);
	session = idlest(table, account, &n);
	if (session && (n >= SESSION_MAX_PER_USER || table->n == SESSION_MAX_COUNT)) {
		memcpy(ended_out, session->id, sizeof(session->id));
		drop(table, session);
	}
	ok = table->n < SESSION_MAX_COUNT;
	if (ok) {
		session = &table->items[table->n++];
		*session = (struct session){ .created_us = now_us, .used_us = now_us };
		secrets_token(session->id, SESSION_ID_CHARS);
		secrets_token(token, SESSION_TOKEN_CHARS);
		hash_of((struct str){ token, SESSION_TOKEN_CHARS }, session->sha256);
		snprintf(session->account, sizeof(session->account), "%.*s", STR_ARG(account));
		snprintf(session->address, sizeof(session->address), "%.*s", STR_ARG(address));
		*out = *session;
	}
	pthread_mutex_unlock(&table->mutex);
	return ok;
}

bool session_use(struct session_table *table, struct str token, int64_t timeout_s, int64_t now_us,
		 struct session *out)
{
	char sha256[2 * SHA256_BYTES + 1];
	bool ok = false;

	if (token.len != SESSION_TOKEN_CHARS)
		return false;
	hash_of(token, sha256);
	pthread_mutex_lock(&table->mutex);
	for (size_t i = 0; i < table->n && !ok; i++) {
		struct session *session = &table->items[i];

		if (memcmp(session->sha256, sha256, sizeof(sha256)) != 0 ||
		    now_us - session->used_us >= timeout_s * CLOCK_US_PER_S)
			continue;
		if (now_us > session->used_us)
			session->used_us = now_us;
		*out = *session;
		ok = true;
	}
	pthread_mutex_unlock(&table->mutex);
	return ok;
}

bool session_learn(struct session_table *table, const struct session *session)
{
	struct session *known;
	bool ended;

	pthread_mutex_lock(&table->mutex);
	known = find(table, str_of(session->id));
	ended = find_ended(table, str_of(session->id)) < table->n_ended;
	if (!known && !ended && table->n < SESSION_MAX_COUNT) {
		known = &table->items[table->n++];
		*known = *session;
	}
	if (known) {
		known->is_stored = true;
		known->stored_used_us = session->used_us;
		if (session->used_us > known->used_us)
			known->used_us = session->used_us;
	}
	pthread_mutex_unlock(&table->mutex);
	return !ended;
}

bool session_find(struct session_table *table, struct str id, struct session *out)
{
	const struct session *session;

	pthread_mutex_lock(&table->mutex);
	session = find(table, id);
	if (session)
		*out = *session;
	pthread_mutex_unlock(&table->mutex);
	return session != NULL;
}

bool session_close(struct session_table *table, struct str id)
{
	struct session *session;

	pthread_mutex_lock(&table->mutex);
	session = find(table, id);
	if (session)
		drop(table, session);
	pthread_mutex_unlock(&table->mutex);
	return session != NULL;
}

void session_end(struct session_table *table, struct str id)
{
	session_close(table, id);
	pthread_mutex_lock(&table->mutex);
	if (find_ended(table, id) == table->n_ended) {
		if (table->n_ended == SESSION_MAX_ENDED)
			drop_ended(table, 0);
		snprintf(table->ended[table->n_ended++], sizeof(table->ended[0]), "%.*s",
			 STR_ARG(id));
	}
	pthread_mutex_unlock(&table->mutex);
}

void session_set_gone(struct session_table *table, struct str id)
{
	size_t i;

	pthread_mutex_lock(&table->mutex);
	i = find_ended(table, id);
	if (i < table->n_ended)
		drop_ended(table, i);
	pthread_mutex_unlock(&table->mutex);
}

char *session_ended(struct session_table *table, size_t *n_out)
{
	char *ids;

	pthread_mutex_lock(&table->mutex);
	*n_out = table->n_ended;
	ids = xmalloc(table->n_ended * sizeof(table->ended[0]) + 1);
	memcpy(ids, table->ended, table->n_ended * sizeof(table->ended[0]));
	pthread_mutex_unlock(&table->mutex);
	return ids;
}

void session_close_all(struct session_table *table, struct str account, struct str keep)
{
	pthread_mutex_lock(&table->mutex);
	for (size_t i = table->n; i-- > 0;)
		if (str_eq(str_of(table->items[i].account), account) &&
		    !str_eq(str_of(table->items[i].id), keep))
			drop(table, &table->items[i]);
	pthread_mutex_unlock(&table->mutex);
}

void session_expire(struct session_table *table, int64_t timeout_s, int64_t now_us)
{
	pthread_mutex_lock(&table->mutex);
	for (size_t i = table->n; i-- > 0;)
		if (now_us - table->items[i].used_us >= timeout_s * CLOCK_US_PER_S)
			drop(table, &table->items[i]);
	pthread_mutex_unlock(&table->mutex);
}

static bool is_among(const struct session *stored, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(stored[i].id, id) == 0)
			return true;
	return false;
}

void session_keep_only(struct session_table *table, const struct session *stored, size_t n)
{
	pthread_mutex_lock(&table->mutex);
	for (size_t i = table->n; i-- > 0;)
		if (table->items[i].is_stored && !is_among(stored, n, table->items[i].id))
			drop(table, &table->items[i]);
	pthread_mutex_unlock(&table->mutex);
}

void session_set_stored(struct session_table *table, struct str id, int64_t used_us)
{
	struct session *session;

	pthread_mutex_lock(&table->mutex);
	session = find(table, id);
	if (session) {
		session->is_stored = true;
		session->stored_used_us = used_us;
	}
	pthread_mutex_unlock(&table->mutex);
}

static int by_creation(const void *a, const void *b)
{
	const struct session *one = a, *other = b;

	return one->created_us < other->created_us ? -1 : one->created_us > other->created_us;
}

struct session *session_list(struct session_table *table, size_t *n_out)
{
	struct session *list;

	pthread_mutex_lock(&table->mutex);
	list = xcalloc(table->n + 1, sizeof(*list));
	memcpy(list, table->items, table->n * sizeof(*list));
	*n_out = table->n;
	pthread_mutex_unlock(&table->mutex);
	qsort(list, *n_out, sizeof(*list), by_creation);
	return list;
}
