/* Sources: what operators have done with them. So far: their registries read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/source_set.h"
#include "subscribe/registry_fetcher.h"

#define NAME_MAX_BYTES   1024
#define ANSWER_MAX_BYTES 8192

/* A source being asked for its registries. */
struct asking {
	struct api_job job;
	struct registry_ask ask;
};

const struct source *sources_find(const struct source_set *set, struct str name)
{
	struct uuid id;

	if (uuid_parse(name, &id) && source_set_by_id(set, id))
		return source_set_by_id(set, id);
	for (size_t i = 0; i < source_set_count(set); i++) {
		const struct source *source = source_set_at(set, i);

		if (str_eq(source->name, name))
			return source;
	}
	return NULL;
}

static void answer_fetched(struct api *api, struct api_job *job)
{
	struct asking *asking = CONTAINER_OF(job, struct asking, job);
	const struct registry_ask *ask = &asking->ask;
	struct strbuf body;

	if (ask->result < 0) {
		reply_error(job->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) }, .resolution = ask->why);
	} else {
		strbuf_init(&body, ANSWER_MAX_BYTES);
		strbuf_putf(
			&body,
			"{\"Fetched\":%zu,\"New\":%zu,\"Unchanged\":%zu,\"Failed\":%zu,\"Why\":",
			ask->n_fetched, ask->n_new, ask->n_unchanged, ask->n_failed);
		strbuf_put_json(&body, str_of(ask->why));
		strbuf_put_char(&body, '}');
		reply_json(job->request, 200, NULL, strbuf_str(&body));
		strbuf_fini(&body);
	}
	free(asking);
}

static void fetch_registries(struct api *api, struct http_request *request,
			     const struct source *source)
{
	struct asking *asking = xcalloc(1, sizeof(*asking));
	int r;

	asking->job = (struct api_job){ .answer = answer_fetched, .request = request };
	asking->ask = (struct registry_ask){ .item = &asking->job.query.item,
					     .reply_to = api->answers,
					     .source = source->id };
	r = registry_fetcher_ask(api->config.fetcher, &asking->ask);
	if (r == 0) {
		api->n_jobs++;
		return;
	}
	free(asking);
	if (r == -ENOENT)
		reply_error(request, 400, "ActionNotSupported",
			    .args = { STR("Rfeventd.FetchRegistries") },
			    .resolution =
				    "The source has no url, username and password: give them in "
				    "its entry of sources, and send SIGHUP.");
	else
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) });
}

void sources_fetch_registries(struct api *api, const struct target *target)
{
	const struct source *source = NULL;
	struct strbuf name;

	strbuf_init(&name, NAME_MAX_BYTES);
	if (http_percent_decode(target->ids[0], &name))
		source = sources_find(api->sources, strbuf_str(&name));
	if (source)
		fetch_registries(api, target->request, source);
	else
		reply_error(target->request, 404, "ResourceNotFound",
			    .args = { STR("AggregationSource"), target->ids[0] });
	strbuf_fini(&name);
}
