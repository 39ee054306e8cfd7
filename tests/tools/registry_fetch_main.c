/* registry_fetch by hand: one JSON line a body, and one for the result.
 * Usage: registry_fetch_main URL [--user U] [--password P] [--ca FILE] [--insecure] [--budget MS]
 * [--request MS] [--stop-after MS] [--end-after N] [--held URI ETAG]… */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "registries/registry.h"
#include "subscribe/registry_fetch.h"

#define MAX_HELD 16

struct tool {
	struct registry_fetch_config config;
	atomic_bool stop;
	long stop_after_ms, end_after;
	const char *held[MAX_HELD][2];
	size_t n_held, n_given;
};

static void put_field(struct strbuf *out, const char *name, struct str value)
{
	strbuf_putf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
	if (value.p)
		strbuf_put_json(out, value);
	else
		strbuf_put_text(out, "null");
}

static void put_number(struct strbuf *out, const char *name, int64_t value)
{
	strbuf_putf(out, "%s\"%s\":%" PRId64, out->len > 1 ? "," : "", name, value);
}

static void print(struct strbuf *out)
{
	strbuf_put_text(out, "}");
	puts(out->failed ? "{}" : out->p);
	fflush(stdout);
	strbuf_fini(out);
}

static int on_fetched(void *ctx, const struct registry_fetched *fetched, struct err *err)
{
	struct tool *tool = ctx;
	struct registry *registry;
	struct strbuf out;
	int r;

	tool->n_given++;
	if (tool->end_after > 0 && --tool->end_after == 0)
		return err_set(err, -ENOSPC, "the store is full");
	r = registry_parse(fetched->bytes, "fetched", &registry, err);
	if (r < 0)
		return r;
	strbuf_init(&out, 1u << 20);
	strbuf_put_text(&out, "{");
	put_field(&out, "uri", fetched->uri);
	put_field(&out, "name", fetched->name);
	put_field(&out, "registry", fetched->registry);
	put_field(&out, "language", fetched->language);
	put_field(&out, "etag", fetched->etag);
	put_field(&out, "prefix", registry_prefix(registry));
	put_number(&out, "from_archive", fetched->from_archive);
	put_number(&out, "bytes", (int64_t)fetched->bytes.len);
	put_number(&out, "messages", (int64_t)registry_count(registry));
	print(&out);
	registry_unref(registry);
	return 0;
}

static bool on_held(void *ctx, struct str uri, struct strbuf *etag)
{
	const struct tool *tool = ctx;

	for (size_t i = 0; i < tool->n_held; i++)
		if (str_eq(uri, str_of(tool->held[i][0]))) {
			strbuf_put_text(etag, tool->held[i][1]);
			return true;
		}
	return false;
}

static void *stop_later(void *ctx)
{
	struct tool *tool = ctx;
	struct timespec wait = { .tv_sec = tool->stop_after_ms / 1000,
				 .tv_nsec = tool->stop_after_ms % 1000 * 1000000 };

	nanosleep(&wait, NULL);
	atomic_store(&tool->stop, true);
	return NULL;
}

static void print_result(int r, const struct registry_fetch_result *result, size_t n_given,
			 const struct err *err, int64_t took_ms)
{
	struct strbuf out;

	strbuf_init(&out, 1u << 20);
	strbuf_put_text(&out, "{");
	put_field(&out, "result", str_of(r < 0 ? strerrorname_np(-r) : "ok"));
	put_field(&out, "words", str_of(r < 0 ? err->text : ""));
	put_number(&out, "asked", (int64_t)result->asked);
	put_number(&out, "fetched", (int64_t)result->fetched);
	put_number(&out, "unchanged", (int64_t)result->unchanged);
	put_number(&out, "not_registries", (int64_t)result->not_registries);
	put_number(&out, "failed", (int64_t)result->failed);
	put_number(&out, "given", (int64_t)n_given);
	put_number(&out, "requests", (int64_t)result->requests);
	put_field(&out, "first_failure", str_of(result->first_failure.text));
	put_number(&out, "took_ms", took_ms);
	print(&out);
}

/* Options with a value; returns how many arguments it takes, 0 for an unknown one. */
static int take_option(struct tool *tool, char **arg, int left)
{
	if (strcmp(arg[0], "--insecure") == 0) {
		tool->config.insecure = true;
		return 1;
	}
	if (strcmp(arg[0], "--held") == 0 && left > 2 && tool->n_held < MAX_HELD) {
		tool->held[tool->n_held][0] = arg[1];
		tool->held[tool->n_held++][1] = arg[2];
		return 3;
	}
	if (left < 2)
		return 0;
	if (strcmp(arg[0], "--user") == 0)
		tool->config.user = arg[1];
	else if (strcmp(arg[0], "--password") == 0)
		tool->config.password = arg[1];
	else if (strcmp(arg[0], "--ca") == 0)
		tool->config.ca_file = arg[1];
	else if (strcmp(arg[0], "--budget") == 0)
		tool->config.budget_ms = (unsigned)strtoul(arg[1], NULL, 10);
	else if (strcmp(arg[0], "--request") == 0)
		tool->config.request_ms = (unsigned)strtoul(arg[1], NULL, 10);
	else if (strcmp(arg[0], "--stop-after") == 0)
		tool->stop_after_ms = strtol(arg[1], NULL, 10);
	else if (strcmp(arg[0], "--end-after") == 0)
		tool->end_after = strtol(arg[1], NULL, 10);
	else
		return 0;
	return 2;
}

int main(int argc, char **argv)
{
	struct tool tool = { .config = { .url = argc > 1 ? argv[1] : "", .has = on_held } };
	struct registry_fetch_result result;
	struct err err = { "" };
	pthread_t stopper;
	int64_t start;
	int r;

	for (int i = 2, n; i < argc; i += n) {
		n = take_option(&tool, argv + i, argc - i);
		if (n == 0) {
			fprintf(stderr, "unknown or without its value: %s\n", argv[i]);
			return 2;
		}
	}
	tool.config.stop = &tool.stop;
	if (tool.stop_after_ms > 0 &&
	    thread_start(&stopper, "stopper", stop_later, &tool, &err) < 0)
		return 2;
	start = clock_monotonic_us();
	r = registry_fetch(&tool.config, on_fetched, &tool, &result, &err);
	print_result(r, &result, tool.n_given, &err, (clock_monotonic_us() - start) / 1000);
	if (tool.stop_after_ms > 0)
		pthread_join(stopper, NULL);
	return 0;
}
