#include "service/reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "base/slot.h"
#include "event/source_set.h"
#include "service/config.h"
#include "service/keeper.h"
#include "subscribe/registry_fetcher.h"
#include "subscribe/source_details.h"

struct reach {
	struct keeper *keeper;
	struct registry_fetcher *fetcher;
	const struct config_source *declared;
	size_t n_declared;
};

/* The list being made, and what its texts stand in. */
struct list {
	struct source_access *items;
	size_t n, size;
	struct arena *texts;
	char **opened; /* passwords in `texts`, to be wiped */
	size_t n_opened;
};

static void add(struct list *list, const struct source_access *access)
{
	if (list->n == list->size) {
		list->size = list->size ? 2 * list->size : 64;
		list->items = xrealloc(list->items, list->size * sizeof(list->items[0]));
	}
	list->items[list->n++] = *access;
}

static void add_declared(const struct reach *reach, struct list *list)
{
	for (size_t i = 0; i < reach->n_declared; i++) {
		const struct config_source *source = &reach->declared[i];
		const struct source_access access = { keeper_configured_id(source->name),
						      source->name,
						      source->url,
						      source->user_name,
						      source->password,
						      source->ca,
						      source->insecure };

		if (source->url)
			add(list, &access);
	}
}

static const char *keep(struct list *list, struct str text)
{
	return arena_copy(list->texts, text).p; /* with a NUL behind it */
}

static const char *keep_secret(struct list *list, struct str text)
{
	char *copy = arena_alloc(list->texts, text.len + 1);

	memcpy(copy, text.p, text.len);
	list->opened = xrealloc(list->opened, (list->n_opened + 1) * sizeof(list->opened[0]));
	list->opened[list->n_opened++] = copy;
	return copy;
}

static void add_source(const struct reach *reach, const struct source *source, struct list *list)
{
	const struct seal_key *key = keeper_seal_key(reach->keeper);
	struct source_details details;
	struct source_access access;
	struct strbuf password;
	void *held;

	source_details_parse(source->details, &details, &held);
	strbuf_init(&password, SOURCE_SECRET_MAX_BYTES);
	if (!details.url.p || !details.user_name.p || !details.password.p)
		goto out;
	if (!key || !source_password_open(key, source->id, details.password, &password)) {
		log_warn("service", "the password of a source cannot be read with this key",
			 LOG_S("source", source->name));
		goto out;
	}
	access = (struct source_access){ .source = source->id,
					 .name = keep(list, source->name),
					 .url = keep(list, details.url),
					 .user_name = keep(list, details.user_name),
					 .password = keep_secret(list, strbuf_str(&password)),
					 .insecure = details.insecure };
	add(list, &access);
out:
	if (password.p)
		secrets_wipe(password.p, password.len);
	strbuf_fini(&password);
	source_details_release(held);
}

static void add_told(const struct reach *reach, struct list *list)
{
	struct source_set *set = slot_get(keeper_sources(reach->keeper));

	for (size_t i = 0; i < source_set_count(set); i++) {
		const struct source *source = source_set_at(set, i);

		if (source->details.p && !source->is_declared && source->state != SOURCE_REMOVED)
			add_source(reach, source, list);
	}
	source_set_unref(set);
}

static void tell(void *ctx)
{
	const struct reach *reach = ctx;
	struct list list = { .texts = arena_new(SIZE_MAX) };

	add_declared(reach, &list);
	add_told(reach, &list);
	registry_fetcher_configure(reach->fetcher, list.items, list.n);
	for (size_t i = 0; i < list.n_opened; i++)
		secrets_wipe(list.opened[i], strlen(list.opened[i]));
	free(list.opened);
	arena_free(list.texts);
	free(list.items);
}

struct reach *reach_new(struct keeper *keeper, struct registry_fetcher *fetcher,
			const struct config *config)
{
	struct reach *reach = xcalloc(1, sizeof(*reach));

	reach->keeper = keeper;
	reach->fetcher = fetcher;
	reach_reconfigure(reach, config);
	keeper_on_publish(keeper, tell, reach);
	return reach;
}

void reach_reconfigure(struct reach *reach, const struct config *config)
{
	reach->declared = config->sources.items;
	reach->n_declared = config->sources.n;
	tell(reach);
}

void reach_free(struct reach *reach)
{
	if (!reach)
		return;
	keeper_on_publish(reach->keeper, NULL, NULL);
	free(reach);
}
