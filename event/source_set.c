#include "event/source_set.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/secrets.h"

#define TOKEN_MAX_BYTES                                                                            \
	128 /* longer cannot be one of ours; bounds the copy that is lower-cased                   \
	     */

#define CERTIFICATE_MAX_BYTES 255 /* a DNS name; a common name is shorter */

typedef struct str key_fn(const struct source *source);

/* Open addressing, at most half full: the seeded hash chooses the slot, and only an equal tag leads
 * to a look at the key, so that a guess tells nothing by its time. */
struct index_slot {
	uint32_t tag; /* the hash's upper half */
	uint32_t at;  /* place in sources + 1; 0: free */
};

struct index {
	struct index_slot *slots;
	size_t mask;
	key_fn *key;
};

struct source_set {
	atomic_int refs;
	struct source *sources;
	size_t n, n_live;
	char *texts; /* what the strs of `sources` borrow from */
	struct index by_token, by_certificate, by_address, by_id;
	struct str enrolment_token;
	bool current;
};

static struct str key_id(const struct source *source)
{
	return (struct str){ (const char *)source->id.b, sizeof(source->id.b) };
}

static struct str key_token(const struct source *source)
{
	return source->token;
}

static struct str key_certificate(const struct source *source)
{
	return source->certificate;
}

static struct str key_address(const struct source *source)
{
	return source->address;
}

static void index_init(struct index *index, size_t n, key_fn *key)
{
	size_t size = 16;

	while (size < n * 2)
		size *= 2;
	index->slots = xcalloc(size, sizeof(index->slots[0]));
	index->mask = size - 1;
	index->key = key;
}

/* The slot of `key`, or the free one where it would be. */
static struct index_slot *index_find(const struct source_set *set, const struct index *index,
				     struct str key, uint32_t *tag_out)
{
	uint64_t hash = map_hash(key);
	uint32_t tag = (uint32_t)(hash >> 32);

	*tag_out = tag;
	for (size_t i = hash & index->mask;; i = (i + 1) & index->mask) {
		struct index_slot *slot = &index->slots[i];

		if (slot->at == 0 ||
		    (slot->tag == tag && secrets_eq(index->key(&set->sources[slot->at - 1]), key)))
			return slot;
	}
}

/* The first one with a key keeps it, unless `replace`. */
static void index_put(struct source_set *set, struct index *index, size_t at, bool replace)
{
	uint32_t tag;
	struct index_slot *slot = index_find(set, index, index->key(&set->sources[at]), &tag);

	if (slot->at == 0 || replace)
		*slot = (struct index_slot){ .tag = tag, .at = (uint32_t)at + 1 };
}

static const struct source *index_get(const struct source_set *set, const struct index *index,
				      struct str key)
{
	uint32_t tag;
	const struct index_slot *slot = index_find(set, index, key, &tag);

	return slot->at == 0 ? NULL : &set->sources[slot->at - 1];
}

/* --- building --------------------------------------------------------------------------------- */

static size_t texts_bytes(const struct source *sources, size_t n, struct str enrolment_token)
{
	size_t sum = enrolment_token.len + 1;

	for (size_t i = 0; i < n; i++) {
		const struct source *s = &sources[i];

		sum += s->name.len + s->address.len + s->token.len + s->certificate.len +
		       s->site.len + s->rack.len + s->owner.len + s->details.len;
	}
	return sum;
}

static struct str keep(char **at, struct str text)
{
	struct str kept = { *at, text.len };

	if (!text.p)
		return (struct str){ 0 };
	if (text.len > 0)
		memcpy(*at, text.p, text.len);
	*at += text.len;
	return kept;
}

static void lower(char *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		out[i] = char_lower(text.p[i]);
}

static struct str keep_lower(char **at, struct str text)
{
	char *start = *at;
	struct str kept = keep(at, text);

	lower(start, kept);
	return kept;
}

static void keep_source(struct source *out, const struct source *source, char **at)
{
	*out = *source;
	out->name = keep(at, source->name);
	out->address = keep(at, source->address);
	out->token = keep_lower(at, source->token);
	out->certificate = keep_lower(at, source->certificate);
	out->site = keep(at, source->site);
	out->rack = keep(at, source->rack);
	out->owner = keep(at, source->owner);
	out->details = keep(at, source->details);
}

static void index_sources(struct source_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		index_put(set, &set->by_id, i, false);
	for (size_t i = 0; i < set->n; i++) {
		if (set->sources[i].state != SOURCE_REMOVED && set->sources[i].token.len > 0)
			index_put(set, &set->by_token, i, false);
		if (set->sources[i].state != SOURCE_REMOVED && set->sources[i].certificate.len > 0)
			index_put(set, &set->by_certificate, i, false);
	}
	/* Several configured ones may share an address (a gateway); the enrolled one was made for
	 * it. */
	for (size_t i = 0; i < set->n; i++) {
		const struct source *source = &set->sources[i];

		set->n_live += source->state != SOURCE_REMOVED;
		if (source->state != SOURCE_REMOVED && source->address.len > 0)
			index_put(set, &set->by_address, i, source->state == SOURCE_ENROLLED);
	}
}

struct source_set *source_set_new(const struct source *sources, size_t n,
				  struct str enrolment_token, bool current)
{
	struct source_set *set = xcalloc(1, sizeof(*set));
	char *at;

	atomic_init(&set->refs, 1);
	set->n = n;
	set->current = current;
	set->sources = xcalloc(n + 1, sizeof(set->sources[0]));
	set->texts = at = xmalloc(texts_bytes(sources, n, enrolment_token));
	set->enrolment_token = keep_lower(&at, enrolment_token);
	index_init(&set->by_token, n, key_token);
	index_init(&set->by_certificate, n, key_certificate);
	index_init(&set->by_address, n, key_address);
	index_init(&set->by_id, n, key_id);
	for (size_t i = 0; i < n; i++)
		keep_source(&set->sources[i], &sources[i], &at);
	index_sources(set);
	return set;
}

struct source_set *source_set_ref(struct source_set *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void source_set_unref(struct source_set *set)
{
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(set->by_token.slots);
	free(set->by_certificate.slots);
	free(set->by_address.slots);
	free(set->by_id.slots);
	free(set->sources);
	free(set->texts);
	free(set);
}

void *source_set_slot_ref(void *set)
{
	return source_set_ref(set);
}

void source_set_slot_unref(void *set)
{
	source_set_unref(set);
}

/* --- asking ----------------------------------------------------------------------------------- */

size_t source_set_count(const struct source_set *set)
{
	return set->n;
}

size_t source_set_count_live(const struct source_set *set)
{
	return set->n_live;
}

const struct source *source_set_at(const struct source_set *set, size_t i)
{
	return &set->sources[i];
}

const struct source *source_set_by_id(const struct source_set *set, struct uuid id)
{
	return index_get(set, &set->by_id, (struct str){ (const char *)id.b, sizeof(id.b) });
}

const struct source *source_set_by_token(const struct source_set *set, struct str token)
{
	char lowered[TOKEN_MAX_BYTES];

	if (token.len == 0 || token.len > sizeof(lowered))
		return NULL;
	lower(lowered, token);
	return index_get(set, &set->by_token, (struct str){ lowered, token.len });
}

const struct source *source_set_by_certificate(const struct source_set *set, struct str certificate)
{
	char lowered[CERTIFICATE_MAX_BYTES];

	if (certificate.len == 0 || certificate.len > sizeof(lowered))
		return NULL;
	lower(lowered, certificate);
	return index_get(set, &set->by_certificate, (struct str){ lowered, certificate.len });
}

const struct source *source_set_by_address(const struct source_set *set, struct str address)
{
	return index_get(set, &set->by_address, address);
}

bool source_set_is_enrolment_token(const struct source_set *set, struct str token)
{
	char lowered[TOKEN_MAX_BYTES];

	if (set->enrolment_token.len == 0 || token.len == 0 || token.len > sizeof(lowered))
		return false;
	lower(lowered, token);
	return secrets_eq(set->enrolment_token, (struct str){ lowered, token.len });
}

bool source_set_is_current(const struct source_set *set)
{
	return set->current;
}

struct str source_set_enrolment_token(const struct source_set *set)
{
	return set->enrolment_token;
}

struct uuid source_enrolled_id(struct str enrolment_token, struct str address)
{
	char lowered[TOKEN_MAX_BYTES];

	if (enrolment_token.len > sizeof(lowered))
		enrolment_token.len = sizeof(lowered);
	lower(lowered, enrolment_token);
	enrolment_token.p = lowered;
	return uuid_digest(enrolment_token, address);
}

bool source_is_own(const struct source *source)
{
	return str_eq(source->address, STR(SOURCE_OWN_NAME));
}

bool source_is_same(const struct source *a, const struct source *b)
{
	return str_eq(a->name, b->name) && str_eq(a->address, b->address) &&
	       str_eq(a->token, b->token) && str_eq(a->certificate, b->certificate) &&
	       str_eq(a->site, b->site) && str_eq(a->rack, b->rack) && str_eq(a->owner, b->owner) &&
	       str_eq(a->details, b->details) && a->state == b->state &&
	       a->reply_status == b->reply_status && a->is_declared == b->is_declared;
}
