#include "api/sse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "api/api_priv.h"
#include "api/frame.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/query_options.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "api/sse_format.h"
#include "api/stream_limits.h"
#include "api/subscriber.h"
#include "api/websocket_protocol.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "event/filter.h"
#include "stream/feed.h"

#define TICK_US       (1 * CLOCK_US_PER_S)
#define KEEP_ALIVE_US (15 * CLOCK_US_PER_S) /* below what proxies wait */

struct sse_client {
	struct sse *sse;
	struct sse_client *next, **link;
	struct http_request *request;
	struct subscriber *subscriber;
	int64_t wrote_us; /* monotonic */
	bool due;         /* a keep-alive */
	bool wanted;      /* there may be something to say */
	bool room;        /* the peer took what was said */
};

struct sse {
	struct api *api;
	struct stream_hub *hub;
	struct loop_fd watch;
	struct loop_timer tick;
	struct sse_client *clients;
	size_t n_clients;
};

/* --- the hub on the loop -----------------------------------------------------------------------
 */

/* Said once the hub's turn is over: it may be in the middle of its lists. */
static void wants_write(void *ctx)
{
	struct sse_client *client = ctx;

	client->wanted = true;
}

static void speak(struct sse_client *client);

static void speak_all(struct sse *sse)
{
	struct sse_client *next;

	for (struct sse_client *client = sse->clients; client; client = next) {
		next = client->next;
		if (client->wanted && client->room)
			speak(client);
	}
}

static void on_hub(struct loop_fd *watch, uint32_t events)
{
	struct sse *sse = watch->ctx;

	stream_hub_turn(sse->hub);
	speak_all(sse);
}

static void on_tick(struct loop_timer *timer)
{
	struct sse *sse = timer->ctx;
	int64_t now_us = clock_monotonic_us();

	stream_hub_tick(sse->hub);
	for (struct sse_client *c = sse->clients; c; c = c->next) {
		c->due = now_us - c->wrote_us >= KEEP_ALIVE_US;
		c->wanted |= c->due;
	}
	speak_all(sse);
	loop_timer_set(sse->api->loop, timer, TICK_US);
}

int sse_open(struct api *api, stream_account_fn *may_follow, struct sse **out, struct err *err)
{
	const struct stream_hub_config config = {
		.feed = api->config.feed,
		.sources = api->config.sources,
		.registries = api->config.registries,
		.catalogs = api->config.catalogs,
		.default_language = api->config.default_language,
		.may_follow = may_follow,
		.auth_ctx = &api->auth,
		.wants_write = wants_write,
		.is_second = true,
	};
	struct sse *sse = xcalloc(1, sizeof(*sse));
	int r;

	sse->api = api;
	sse->hub = stream_hub_new(&config);
	sse->watch = (struct loop_fd){ stream_hub_fd(sse->hub), EPOLLIN, on_hub, sse, false };
	sse->tick = (struct loop_timer){ .fn = on_tick, .ctx = sse };
	r = loop_fd_add(api->loop, &sse->watch);
	if (r < 0) {
		stream_hub_free(sse->hub);
		free(sse);
		return err_set(err, r, "api: the stream of server-sent events cannot be watched");
	}
	loop_timer_set(api->loop, &sse->tick, TICK_US);
	*out = sse;
	return 0;
}

void sse_drain(struct sse *sse)
{
	for (struct sse_client *c = sse->clients; c; c = c->next)
		subscriber_end(c->subscriber, CLOSE_GOING_AWAY);
	speak_all(sse);
}

static void client_free(struct sse_client *client);

void sse_close(struct sse *sse)
{
	if (!sse)
		return;
	loop_timer_cancel(sse->api->loop, &sse->tick);
	loop_fd_remove(sse->api->loop, &sse->watch);
	while (sse->clients)
		client_free(sse->clients);
	stream_hub_free(sse->hub);
	free(sse);
}

/* --- one client --------------------------------------------------------------------------------
 */

static void fill(struct sse_client *client, struct strbuf *out)
{
	struct frame *frame;

	while (out->len < SSE_PIECE_BYTES && (frame = subscriber_next(client->subscriber))) {
		strbuf_put(out, (struct str){ frame_text(frame), frame->n_bytes });
		frame_unref(frame);
	}
	if (out->len == 0 && client->due && !subscriber_close_code(client->subscriber))
		sse_comment(out, "keep-alive");
	client->due = false;
}

static void client_free(struct sse_client *client)
{
	struct sse *sse = client->sse;

	subscriber_free(client->subscriber);
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	metric_set(METRIC_STREAM_CLIENTS, "sse", (double)--sse->n_clients);
	free(client);
}

static void end(struct sse_client *client, bool whole)
{
	struct http_request *request = client->request;

	client_free(client);
	http_stream_end(request, whole);
}

/* A piece at a time, while the peer takes them. */
static void speak(struct sse_client *client)
{
	struct strbuf piece;
	bool said = true;

	strbuf_init(&piece, SIZE_MAX);
	while (client->room && said) {
		strbuf_reset(&piece);
		fill(client, &piece);
		said = piece.len > 0;
		if (!said)
			break;
		client->room = http_stream_write(client->request, strbuf_str(&piece));
		client->wrote_us = clock_monotonic_us();
	}
	strbuf_fini(&piece);
	client->wanted = !client->room;
	if (!client->room)
		return;
	if (subscriber_close_code(client->subscriber))
		end(client, true);
	else
		http_stream_rest(client->request);
}

static void on_room(struct http_request *request, void *ctx)
{
	struct sse_client *client = ctx;

	if (http_request_is_gone(request)) {
		end(client, false);
		return;
	}
	client->room = true;
	speak(client);
}

static struct sse_client *client_new(struct sse *sse, struct http_request *request)
{
	struct sse_client *client = xcalloc(1, sizeof(*client));

	client->sse = sse;
	client->request = request;
	client->wrote_us = clock_monotonic_us();
	client->next = sse->clients;
	client->link = &sse->clients;
	if (client->next)
		client->next->link = &client->next;
	sse->clients = client;
	metric_set(METRIC_STREAM_CLIENTS, "sse", (double)++sse->n_clients);
	return client;
}

/* Where Last-Event-ID says it stood. False: it stood in another log, or nowhere we know. */
static bool take_place(struct str id, const struct feed_bounds *bounds,
		       struct stream_request *request)
{
	char epoch8[9], text[UUID_TEXT_BYTES];

	request->live = true;
	if (id.len == 0)
		return true;
	if (!redfish_event_id_parse(id, epoch8, &request->after))
		return false;
	if (!uuid_is_zero(bounds->epoch) &&
	    strncmp(uuid_format(bounds->epoch, text), epoch8, 8) != 0)
		return false;
	request->live = false;
	request->has_after = request->has_epoch = true;
	request->epoch = bounds->epoch;
	return true;
}

static void begin(struct sse *sse, const struct target *target, char *filter)
{
	static const struct http_header headers[] = {
		{ { "Content-Type", 12 }, { "text/event-stream;charset=utf-8", 31 } },
		{ { "Cache-Control", 13 }, { "no-store", 8 } },
		{ { "OData-Version", 13 }, { "4.0", 3 } },
	};
	struct http_request *http = target->request;
	struct feed_bounds bounds = feed_bounds(sse->api->config.feed);
	struct str language = http_request_header(http, "Accept-Language");
	struct stream_request request = { .filter = filter, .events = true };
	bool placed = take_place(http_request_header(http, "Last-Event-ID"), &bounds, &request);
	struct sse_client *client = client_new(sse, http);

	client->subscriber =
		subscriber_new(sse->hub, language, str_of(target->who->user), STREAM_SSE, client);
	client->room = http_stream_begin(http, 200, headers, ARRAY_LEN(headers), on_room, client);
	subscriber_begin(client->subscriber, &request);
	if (!placed)
		subscriber_tell_gap(client->subscriber, bounds.last_seq);
	if (client->room)
		speak(client);
}

/* The filter of the query; NULL: none. False: refused and answered. */
static bool take_filter(const struct target *target, char **out)
{
	struct query_options options;
	struct query_fault fault;
	struct filter *filter = NULL;
	struct err err;
	int r = query_options_parse(target->query, QUERY_FILTER, &options, &fault);

	*out = NULL;
	if (r < 0) {
		reply_query_fault(target->request, &fault);
		return false;
	}
	if (options.given & QUERY_FILTER) {
		r = filter_parse(strbuf_str(&options.filter), &filter, &err);
		*out = xstrndup(strbuf_str(&options.filter));
	}
	filter_free(filter);
	query_options_fini(&options);
	if (r == 0)
		return true;
	reply_error(target->request, 400, "QueryParameterValueFormatError",
		    .args = { str_of(*out), STR("$filter") }, .resolution = err.text);
	free(*out);
	return false;
}

void sse_get(struct api *api, const struct target *target)
{
	struct http_request *request = target->request;
	static const char type[] = "text/event-stream";
	char *filter;

	if (!negotiate_accepts(http_request_header(request, "Accept"), type)) {
		reply_error(request, 406, "HeaderInvalid", .args = { STR("Accept") });
	} else if (api->sse->n_clients >= SSE_MAX_CLIENTS || atomic_load(&api->draining)) {
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) });
	} else if (take_filter(target, &filter)) {
		if (http_request_method(request) == HTTP_HEAD)
			reply_text(request, 200, "text/event-stream;charset=utf-8", STR(""));
		else
			begin(api->sse, target, filter);
		free(filter);
	}
}
