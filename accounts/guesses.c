#include "accounts/guesses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/limits.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#define KEY_MAX_BYTES (ACCOUNT_NAME_MAX_BYTES + ADDRESS_MAX_BYTES + 2)
#define FORGET_US     (3600 * CLOCK_US_PER_S) /* an address that is quiet so long begins anew */

struct count {
	char key[KEY_MAX_BYTES];
	int64_t touched_us, wrong_us, until_us; /* until: locked, or to wait */
	int n_wrong, n_waiting;
	bool said;
};

/* Counts by key; the one touched longest ago makes room. */
struct table {
	struct map *map;
	struct count **items;
	size_t n, max;
};

struct guesses {
	pthread_mutex_t mutex;
	struct table addresses, accounts, pairs;
};

static void table_init(struct table *table, size_t max)
{
	table->map = map_new(64);
	table->items = xcalloc(max, sizeof(struct count *));
	table->max = max;
}

static void table_fini(struct table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->items[i]);
	free(table->items);
	map_free(table->map);
}

static size_t place_for(struct table *table)
{
	size_t oldest = 0;

	if (table->n < table->max)
		return table->n++;
	for (size_t i = 1; i < table->n; i++)
		if (table->items[i]->touched_us < table->items[oldest]->touched_us)
			oldest = i;
	map_remove(table->map, str_of(table->items[oldest]->key));
	free(table->items[oldest]);
	return oldest;
}

static struct count *table_get(struct table *table, const char *key, int64_t now_us)
{
	struct count *count = map_get(table->map, str_of(key));

	if (!count) {
		count = xcalloc(1, sizeof(*count));
		snprintf(count->key, sizeof(count->key), "%s", key);
		table->items[place_for(table)] = count;
		map_put(table->map, str_of(count->key), count);
	}
	count->touched_us = now_us;
	return count;
}

/* Who has one address of an IPv6 network has all of its /64. */
static void address_key(struct str address, char out[KEY_MAX_BYTES])
{
	char text[ADDRESS_MAX_BYTES];
	unsigned char bytes[16];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(address));
	if (inet_pton(AF_INET6, text, bytes) == 1) {
		memset(bytes + 8, 0, 8);
		inet_ntop(AF_INET6, bytes, text, sizeof(text));
	}
	snprintf(out, KEY_MAX_BYTES, "%s", text);
}

static void pair_key(struct str account, struct str address, char out[KEY_MAX_BYTES])
{
	char where[KEY_MAX_BYTES];

	address_key(address, where);
	snprintf(out, KEY_MAX_BYTES, "%.*s\n%.*s", (int)str_cut(account, ACCOUNT_NAME_MAX_BYTES).len,
		 account.p, ADDRESS_MAX_BYTES, where);
}

static void account_key(struct str account, char out[KEY_MAX_BYTES])
{
	account = str_cut(account, ACCOUNT_NAME_MAX_BYTES);
	snprintf(out, KEY_MAX_BYTES, "%.*s", STR_ARG(account));
}

struct guesses *guesses_new(void)
{
	struct guesses *guesses = xcalloc(1, sizeof(*guesses));

	pthread_mutex_init(&guesses->mutex, NULL);
	table_init(&guesses->addresses, GUESS_MAX_ADDRESSES);
	table_init(&guesses->accounts, ACCOUNT_MAX_COUNT);
	table_init(&guesses->pairs, GUESS_MAX_PAIRS);
	return guesses;
}

void guesses_free(struct guesses *guesses)
{
	if (!guesses)
		return;
	table_fini(&guesses->addresses);
	table_fini(&guesses->accounts);
	table_fini(&guesses->pairs);
	pthread_mutex_destroy(&guesses->mutex);
	free(guesses);
}

int guesses_begin(struct guesses *guesses, struct str address, int64_t now_us, bool *first_out)
{
	char key[KEY_MAX_BYTES];
	struct count *count;
	int wait_s = 0;

	address_key(address, key);
	pthread_mutex_lock(&guesses->mutex);
	count = table_get(&guesses->addresses, key, now_us);
	if (now_us - count->wrong_us > FORGET_US)
		count->n_wrong = 0;
	*first_out = false;
	if (now_us < count->until_us) {
		wait_s = (int)((count->until_us - now_us + CLOCK_US_PER_S - 1) / CLOCK_US_PER_S);
		*first_out = !count->said;
		count->said = true;
	} else if (count->n_waiting >= HASH_MAX_WAITING_PER_ADDRESS) {
		wait_s = -EAGAIN;
	} else {
		count->n_waiting++;
		count->said = false;
	}
	pthread_mutex_unlock(&guesses->mutex);
	return wait_s;
}

static struct count *end_attempt(struct guesses *guesses, struct str address, int64_t now_us)
{
	char key[KEY_MAX_BYTES];
	struct count *count;

	address_key(address, key);
	count = table_get(&guesses->addresses, key, now_us);
	if (count->n_waiting > 0)
		count->n_waiting--;
	return count;
}

void guesses_end(struct guesses *guesses, struct str address)
{
	pthread_mutex_lock(&guesses->mutex);
	end_attempt(guesses, address, clock_monotonic_us());
	pthread_mutex_unlock(&guesses->mutex);
}

static struct count *find_pair(struct guesses *guesses, struct str account, struct str address)
{
	char key[KEY_MAX_BYTES];

	pair_key(account, address, key);
	return map_get(guesses->pairs.map, str_of(key));
}

bool guesses_is_locked(struct guesses *guesses, struct str account, struct str address, bool locked,
		       int64_t now_us)
{
	char key[KEY_MAX_BYTES];
	const struct count *count;
	bool is;

	account_key(account, key);
	pthread_mutex_lock(&guesses->mutex);
	count = find_pair(guesses, account, address);
	if (count) {
		is = now_us < count->until_us;
	} else {
		count = map_get(guesses->accounts.map, str_of(key));
		is = locked || (count && now_us < count->until_us);
	}
	pthread_mutex_unlock(&guesses->mutex);
	return is;
}

static bool count_wrong(struct count *count, const struct account_policy *policy, int64_t now_us)
{
	int64_t duration_us = policy->lockout_duration_s * CLOCK_US_PER_S;

	if (now_us - count->wrong_us > policy->lockout_reset_s * CLOCK_US_PER_S ||
	    (count->until_us > 0 && now_us >= count->until_us)) {
		count->n_wrong = 0;
		count->until_us = 0;
	}
	count->wrong_us = now_us;
	count->n_wrong++;
	if (policy->lockout_threshold == 0 || count->n_wrong < policy->lockout_threshold ||
	    now_us < count->until_us)
		return false;
	count->until_us = duration_us > 0 ? now_us + duration_us : INT64_MAX;
	return true;
}

bool guesses_wrong(struct guesses *guesses, struct str account, struct str address,
		   const struct account_policy *policy, int64_t now_us, bool *stranger_out)
{
	char key[KEY_MAX_BYTES];
	struct count *count;
	bool locked = false;

	*stranger_out = false;
	pthread_mutex_lock(&guesses->mutex);
	count = end_attempt(guesses, address, now_us);
	count->wrong_us = now_us;
	if (++count->n_wrong >= GUESS_FREE) {
		int steps = count->n_wrong - GUESS_FREE;
		int64_t wait_s = steps < 6 ? INT64_C(1) << steps : GUESS_MAX_WAIT_S;

		count->until_us = now_us + wait_s * CLOCK_US_PER_S;
	}
	if (account.len > 0) {
		count = find_pair(guesses, account, address);
		*stranger_out = !count;
		account_key(account, key);
		if (!count)
			count = table_get(&guesses->accounts, key, now_us);
		locked = count_wrong(count, policy, now_us);
	}
	pthread_mutex_unlock(&guesses->mutex);
	return locked;
}

bool guesses_right(struct guesses *guesses, struct str account, struct str address, int64_t now_us)
{
	char key[KEY_MAX_BYTES];
	struct count *count;
	bool was_stranger;

	pthread_mutex_lock(&guesses->mutex);
	count = end_attempt(guesses, address, now_us);
	count->n_wrong = 0;
	count->until_us = 0;
	was_stranger = !find_pair(guesses, account, address);
	pair_key(account, address, key);
	count = table_get(&guesses->pairs, key, now_us);
	count->n_wrong = 0;
	count->until_us = 0;
	if (was_stranger) {
		account_key(account, key);
		count = map_get(guesses->accounts.map, str_of(key));
		was_stranger = count && count->n_wrong > 0;
		if (count)
			count->n_wrong = 0;
	}
	pthread_mutex_unlock(&guesses->mutex);
	return was_stranger;
}

/* The counts of `account` among the pairs and on its own. */
static bool is_of(const struct count *count, struct str account)
{
	struct str key = str_of(count->key);

	return str_eq((struct str){ key.p, str_find_char(key, '\n') }, account);
}

void guesses_unlock(struct guesses *guesses, struct str account)
{
	struct table *tables[] = { &guesses->accounts, &guesses->pairs };

	pthread_mutex_lock(&guesses->mutex);
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (size_t i = 0; i < tables[t]->n; i++) {
			struct count *count = tables[t]->items[i];

			if (!is_of(count, account))
				continue;
			count->n_wrong = 0;
			count->until_us = 0;
		}
	}
	pthread_mutex_unlock(&guesses->mutex);
}

bool guesses_has_lock(struct guesses *guesses, struct str account, int64_t now_us)
{
	const struct table *tables[] = { &guesses->accounts, &guesses->pairs };
	bool has = false;

	pthread_mutex_lock(&guesses->mutex);
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			has |= is_of(tables[t]->items[i], account) &&
			       now_us < tables[t]->items[i]->until_us;
	pthread_mutex_unlock(&guesses->mutex);
	return has;
}
