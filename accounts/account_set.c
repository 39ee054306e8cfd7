#include "accounts/account_set.h"

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/limits.h"
#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secrets.h"

#define MIRROR_HEAD "rfeventd-accounts 1 "
#define HASH_HEX    (2 * SHA256_BYTES)

struct account_set {
	atomic_int refs;
	json_t *json; /* the views point into it */
	struct account_policy policy;
	size_t n_accounts, n_tokens;
	struct account *accounts;
	struct api_token *tokens;
	struct map *by_name, *by_hash, *by_id;
};

/* --- reading -------------------------------------------------------------------------------------
 */

/* Members of an object; `bad` sticks. */
struct reading {
	const json_t *object;
	bool bad;
};

static struct str text_of(struct reading *reading, const char *name)
{
	const json_t *value = json_object_get(reading->object, name);

	if (!json_is_string(value))
		reading->bad = true;
	return json_is_string(value) ?
		       (struct str){ json_string_value(value), json_string_length(value) } :
		       STR("");
}

static int64_t number_of(struct reading *reading, const char *name)
{
	const json_t *value = json_object_get(reading->object, name);

	if (!json_is_integer(value))
		reading->bad = true;
	return json_integer_value(value);
}

static enum role role_of(struct reading *reading)
{
	int64_t role = number_of(reading, "role");

	if (role < 0 || role >= N_ROLES)
		reading->bad = true;
	return reading->bad ? ROLE_READ_ONLY : (enum role)role;
}

static void read_policy(struct reading *reading, struct account_policy *out)
{
	*out = (struct account_policy){
		.revision = number_of(reading, "revision"),
		.min_password_length = number_of(reading, "min_password_length"),
		.lockout_threshold = number_of(reading, "lockout_threshold"),
		.lockout_duration_s = number_of(reading, "lockout_duration"),
		.lockout_reset_s = number_of(reading, "lockout_reset"),
		.session_timeout_s = number_of(reading, "session_timeout"),
		.version = number_of(reading, "version"),
	};
}

static void read_account(struct reading *reading, struct account *out)
{
	*out = (struct account){
		.name = text_of(reading, "name"),
		.hash = text_of(reading, "hash"),
		.role = role_of(reading),
		.enabled = json_is_true(json_object_get(reading->object, "enabled")),
		.locked_until_us = number_of(reading, "locked_until"),
		.version = number_of(reading, "version"),
		.created_us = number_of(reading, "created"),
		.changed_us = number_of(reading, "changed"),
	};
}

static void read_token(struct reading *reading, struct api_token *out)
{
	*out = (struct api_token){
		.id = text_of(reading, "id"),
		.account = text_of(reading, "account"),
		.name = text_of(reading, "name"),
		.sha256 = text_of(reading, "sha256"),
		.role = role_of(reading),
		.created_us = number_of(reading, "created"),
		.expires_us = number_of(reading, "expires"),
		.used_us = number_of(reading, "used"),
	};
}

static bool fill(struct account_set *set)
{
	struct reading reading = { .object = set->json };
	const json_t *accounts = json_object_get(set->json, "accounts");
	const json_t *tokens = json_object_get(set->json, "tokens");

	read_policy(&reading, &set->policy);
	set->n_accounts = json_array_size(accounts);
	set->n_tokens = json_array_size(tokens);
	set->accounts = xcalloc(set->n_accounts + 1, sizeof(*set->accounts));
	set->tokens = xcalloc(set->n_tokens + 1, sizeof(*set->tokens));
	set->by_name = map_new(set->n_accounts);
	set->by_hash = map_new(set->n_tokens);
	set->by_id = map_new(set->n_tokens);
	for (size_t i = 0; i < set->n_accounts; i++) {
		reading.object = json_array_get(accounts, i);
		read_account(&reading, &set->accounts[i]);
		map_put(set->by_name, set->accounts[i].name, &set->accounts[i]);
	}
	for (size_t i = 0; i < set->n_tokens; i++) {
		reading.object = json_array_get(tokens, i);
		read_token(&reading, &set->tokens[i]);
		map_put(set->by_hash, set->tokens[i].sha256, &set->tokens[i]);
		map_put(set->by_id, set->tokens[i].id, &set->tokens[i]);
	}
	return !reading.bad;
}

int account_set_parse(struct str json, struct account_set **out, struct err *err)
{
	struct account_set *set = xcalloc(1, sizeof(*set));
	json_error_t error;

	atomic_init(&set->refs, 1);
	set->json = json_loadb(json.p ? json.p : "", json.len, JSON_ALLOW_NUL, &error);
	if (!set->json || !fill(set)) {
		account_set_unref(set);
		return err_set(err, -EBADMSG, "the accounts cannot be read: %s",
			       error.text[0] ? error.text : "a member is missing");
	}
	*out = set;
	return 0;
}

struct account_set *account_set_ref(struct account_set *set)
{
	if (set)
		atomic_fetch_add(&set->refs, 1);
	return set;
}

void account_set_unref(struct account_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
		return;
	map_free(set->by_name);
	map_free(set->by_hash);
	map_free(set->by_id);
	free(set->accounts);
	free(set->tokens);
	json_decref(set->json);
	free(set);
}

void *account_set_slot_ref(void *set)
{
	return account_set_ref(set);
}

void account_set_slot_unref(void *set)
{
	account_set_unref(set);
}

/* --- asking --------------------------------------------------------------------------------------
 */

const struct account_policy *account_set_policy(const struct account_set *set)
{
	return &set->policy;
}

size_t account_set_count(const struct account_set *set)
{
	return set->n_accounts;
}

const struct account *account_set_at(const struct account_set *set, size_t i)
{
	return &set->accounts[i];
}

const struct account *account_set_find(const struct account_set *set, struct str name)
{
	return map_get(set->by_name, name);
}

size_t account_set_n_tokens(const struct account_set *set)
{
	return set->n_tokens;
}

const struct api_token *account_set_token_at(const struct account_set *set, size_t i)
{
	return &set->tokens[i];
}

const struct api_token *account_set_token_by_hash(const struct account_set *set, struct str sha256)
{
	return map_get(set->by_hash, sha256);
}

const struct api_token *account_set_token_by_id(const struct account_set *set, struct str id)
{
	return map_get(set->by_id, id);
}

/* --- on disk -------------------------------------------------------------------------------------
 */

static void hash_hex(struct str text, char out[HASH_HEX + 1])
{
	uint8_t digest[SHA256_BYTES];

	secrets_sha256(text, digest);
	secrets_hex(digest, sizeof(digest), out);
}

int account_mirror_save(const char *path, struct str json, struct err *err)
{
	char hex[HASH_HEX + 1];
	struct strbuf text;
	int r;

	hash_hex(json, hex);
	strbuf_init(&text, MIRROR_MAX_BYTES);
	strbuf_putf(&text, MIRROR_HEAD "%s\n", hex);
	strbuf_put(&text, json);
	r = text.failed ? err_set(err, -EFBIG, "the accounts take more than %u MiB",
				  MIRROR_MAX_BYTES >> 20) :
			  file_replace(path, strbuf_str(&text), 0600, err);
	strbuf_fini(&text);
	return r;
}

int account_mirror_load(const char *path, struct account_set **out, struct err *err)
{
	char *text, hex[HASH_HEX + 1];
	struct str all, head = STR(MIRROR_HEAD), json;
	size_t n;
	int r = file_read(path, MIRROR_MAX_BYTES, &text, &n, err);

	if (r < 0)
		return r;
	all = (struct str){ text, n };
	r = -EBADMSG;
	if (str_starts_with(all, head) && n > head.len + HASH_HEX) {
		json = (struct str){ text + head.len + HASH_HEX + 1, n - head.len - HASH_HEX - 1 };
		hash_hex(json, hex);
		if (memcmp(text + head.len, hex, HASH_HEX) == 0)
			r = account_set_parse(json, out, err);
	}
	free(text);
	return r == -EBADMSG ? err_set(err, r,
				       "'%s' is damaged and not used: the accounts come from the "
				       "database",
				       path) :
			       r;
}
