#include "registries/registry.h"

#include <stdlib.h>

#include "base/arena.h"
#include "registries/registry_priv.h"

void registry_unref(struct registry *registry)
{
	if (registry && atomic_fetch_sub(&registry->refs, 1) == 1)
		arena_free(registry->arena);
}

struct str registry_prefix(const struct registry *registry)
{
	return registry->prefix;
}

struct str registry_version(const struct registry *registry)
{
	return registry->version;
}

struct str registry_language(const struct registry *registry)
{
	return registry->language;
}

struct str registry_sha256(const struct registry *registry)
{
	return str_of(registry->sha256);
}

const char *registry_place(const struct registry *registry)
{
	return registry->place.p;
}

void registry_version_numbers(const struct registry *registry, unsigned out[3])
{
	for (int i = 0; i < 3; i++)
		out[i] = registry->numbers[i];
}

size_t registry_count(const struct registry *registry)
{
	return registry->n_messages;
}

const struct message *registry_message_at(const struct registry *registry, size_t i)
{
	return i < registry->n_messages ? &registry->messages[i] : NULL;
}

static int compare_key(const void *key, const void *message)
{
	return str_cmp(*(const struct str *)key, ((const struct message *)message)->key);
}

const struct message *registry_find(const struct registry *registry, struct str key)
{
	if (registry->n_messages == 0)
		return NULL;
	return bsearch(&key, registry->messages, registry->n_messages, sizeof(struct message),
		       compare_key);
}

const struct registry_finding *registry_findings(const struct registry *registry)
{
	return registry->findings;
}
