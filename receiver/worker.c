#include "receiver/worker_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/slot.h"
#include "base/thread.h"
#include "event/source_set.h"
#include "receiver/answer.h"
#include "receiver/token.h"

struct arrival {
	struct intake intake;
	struct http_request *request;
	struct delivery *delivery; /* our own reference: the answer may need its reason */
	int reply_status;
	struct arrival *next_spare;
};

/* Who sent it, as far as the path, the client's certificate and the peer's address tell. */
struct sender {
	struct uuid source;
	uint32_t flags;
	struct str token; /* with DELIVERY_UNVERIFIED; borrows from token_text */
	char token_text[RECEIVER_TOKEN_MAX_CHARS + 1];
	int reply_status;
	bool is_new; /* enrols with this delivery */
	int refusal; /* HTTP status, 0: accepted */
	const char *reason, *words; /* of the refusal: a metric label, a sentence */
};

static void on_head(struct http_request *request, void *ctx);
static void on_request(struct http_request *request, void *ctx);
static void on_replies(struct mailbox_item *first, void *ctx);
static void on_turn_end(void *ctx);
static void *run(void *ctx);

int worker_init(struct worker *worker, struct receiver *receiver, struct err *err)
{
	const struct receiver_config *config = &receiver->config;
	const struct http_handler handler = {
		.on_head = on_head, .on_request = on_request, .ctx = worker
	};
	int r;

	worker->receiver = receiver;
	/* Never full: there are at most as many replies as intakes on their way. */
	worker->replies = mailbox_new(SIZE_MAX);
	r = loop_new(&worker->loop, err);
	if (r < 0)
		return r;
	r = http_server_new(worker->loop, receiver->shared, &handler, &worker->server, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < config->n_addresses; i++) {
		r = http_server_listen(worker->server, &config->addresses[i], err);
		if (r < 0)
			return r;
	}
	r = mailbox_attach(worker->replies, worker->loop, on_replies, worker);
	if (r < 0)
		return err_set(err, r, "receiver: cannot watch the reply mailbox");
	loop_on_turn_end(worker->loop, on_turn_end, worker);
	slot_refresh(config->sources, &worker->sources, &worker->sources_version);
	return 0;
}

int worker_start(struct worker *worker, size_t i, struct err *err)
{
	char name[16];
	int r;

	snprintf(name, sizeof(name), "receiver-%zu", i);
	r = thread_start(&worker->thread, name, run, worker, err);
	worker->started = r == 0;
	return r;
}

static struct arrival *arrival_new(struct worker *worker)
{
	struct arrival *arrival = worker->spare;

	if (!arrival)
		return xcalloc(1, sizeof(*arrival));
	worker->spare = arrival->next_spare;
	*arrival = (struct arrival){ 0 };
	return arrival;
}

static void arrival_free(struct worker *worker, struct arrival *arrival)
{
	delivery_unref(arrival->delivery);
	arrival->next_spare = worker->spare;
	worker->spare = arrival;
}

void worker_fini(struct worker *worker)
{
	struct arrival *arrival;

	http_server_free(worker->server);
	if (worker->replies) {
		mailbox_detach(worker->replies);
		/* Replies that came after the drain's time was up: nobody waits for them. */
		for (struct mailbox_item *item = mailbox_take(worker->replies), *next; item; item = next) {
			next = item->next;
			arrival_free(worker, CONTAINER_OF(item, struct intake, item)->ctx);
		}
	}
	mailbox_free(worker->replies);
	loop_free(worker->loop);
	source_set_unref(worker->sources);
	while ((arrival = worker->spare)) {
		worker->spare = arrival->next_spare;
		free(arrival);
	}
}

static void *run(void *ctx)
{
	struct worker *worker = ctx;

	loop_run(worker->loop);
	return NULL;
}

static void refuse(struct sender *sender, int status, const char *reason, const char *words)
{
	sender->refusal = status;
	sender->reason = reason;
	sender->words = words;
}

/* A sender known by its address: one that enrols, now or before. */
static void identify_by_address(struct worker *worker, struct str peer, struct sender *sender)
{
	const struct source_set *set = worker->sources;
	const struct source *source = source_set_by_address(set, peer);

	sender->flags = DELIVERY_ENROLLED;
	if (source) {
		sender->source = source->id;
		sender->reply_status = source->reply_status;
		return;
	}
	if (source_set_count_live(set) >= worker->receiver->config.max_sources) {
		refuse(sender, 503, "max_sources",
		       "The receiver holds as many sources as receiver.max_sources allows: remove "
		       "some or raise it.");
		return;
	}
	sender->source = source_enrolled_id(source_set_enrolment_token(set), peer);
	sender->is_new = true;
}

/* Whether one more unverified delivery is welcome. While our list is not known to be current the cap
 * counts from its start; afterwards (unknown_sources: quarantine) by the minute. */
static bool unverified_room(struct receiver *receiver, bool current)
{
	int64_t minute = clock_monotonic_us() / (60 * CLOCK_US_PER_S);

	if (current && atomic_exchange(&receiver->unverified_minute, minute) != minute)
		atomic_store(&receiver->n_unverified, 0);
	return atomic_load(&receiver->n_unverified) < receiver->config.max_unverified;
}

/* A token we do not know: refused only when our list is known to be the whole one. */
static void identify_unknown(struct worker *worker, struct str peer, struct sender *sender)
{
	struct receiver *receiver = worker->receiver;

	if (receiver->config.unknown_sources == UNKNOWN_ACCEPT) {
		identify_by_address(worker, peer, sender);
		return;
	}
	if (receiver->config.unknown_sources == UNKNOWN_REJECT &&
	    (sender->token.len == 0 || source_set_is_current(worker->sources))) {
		refuse(sender, 401, "unauthorized",
		       "The path must end in a valid token: POST /events/<token>. The enrolment "
		       "token stands in state_dir/enrolment-token.");
		return;
	}
	if (!unverified_room(receiver, source_set_is_current(worker->sources))) {
		refuse(sender, 503, "unverified_full",
		       "Too many deliveries wait to be verified; try again later.");
		return;
	}
	sender->flags = DELIVERY_UNVERIFIED;
}

/* A name that looks like a fingerprint is one somebody chose: it stands for no certificate. */
static bool is_a_name(const char *text)
{
	return strncasecmp(text, SOURCE_FINGERPRINT, sizeof(SOURCE_FINGERPRINT) - 1) != 0;
}

/* By the client certificate, which the TLS layer has verified. */
static const struct source *find_by_certificate(const struct source_set *set,
						const struct http_request *request)
{
	struct http_certificate certificate;
	const struct source *source;
	char fingerprint[80];

	if (!http_request_certificate(request, &certificate))
		return NULL;
	snprintf(fingerprint, sizeof(fingerprint), SOURCE_FINGERPRINT "%s", certificate.sha256);
	source = source_set_by_certificate(set, str_of(fingerprint));
	for (size_t i = 0; i < certificate.n_names && !source; i++)
		if (is_a_name(certificate.names[i]))
			source = source_set_by_certificate(set, str_of(certificate.names[i]));
	return source;
}

static void identify(struct worker *worker, struct http_request *request, struct sender *sender)
{
	const struct source_set *set = worker->sources;
	struct str peer = http_request_peer(request);
	const struct source *source;

	*sender = (struct sender){ 0 };
	sender->token.p = sender->token_text;
	sender->token.len = token_of_path(http_request_path(request), sender->token_text);
	source = sender->token.len > 0 ? source_set_by_token(set, sender->token) : NULL;
	if (!source)
		source = find_by_certificate(set, request);
	if (source) {
		sender->source = source->id;
		sender->reply_status = source->reply_status;
	} else if (sender->token.len > 0 && source_set_is_enrolment_token(set, sender->token)) {
		identify_by_address(worker, peer, sender);
	} else {
		identify_unknown(worker, peer, sender);
	}
	if (sender->reply_status == 0)
		sender->reply_status = worker->receiver->config.reply_status;
}

static bool is_health_check(struct http_request *request)
{
	enum http_method method = http_request_method(request);

	return str_eq(http_request_path(request), STR("/-/healthy")) &&
	       (method == HTTP_GET || method == HTTP_HEAD);
}

/* Refuse what can be refused before the body is read. */
static void on_head(struct http_request *request, void *ctx)
{
	struct worker *worker = ctx;
	struct sender sender;

	if (is_health_check(request))
		return;
	if (!token_is_events_path(http_request_path(request))) {
		answer_refused(request, 404, "not_found", "Events are taken at POST /events/<token>.");
		return;
	}
	if (http_request_method(request) != HTTP_POST) {
		answer_refused(request, 405, "method", "Events are sent by POST.");
		return;
	}
	slot_refresh(worker->receiver->config.sources, &worker->sources, &worker->sources_version);
	identify(worker, request, &sender);
	if (sender.refusal)
		answer_refused(request, sender.refusal, sender.reason, sender.words);
}

static struct delivery *delivery_of(struct http_request *request, const struct sender *sender)
{
	int64_t now_us = clock_time_us();
	bool unverified = sender->flags & DELIVERY_UNVERIFIED;

	return delivery_new(uuid_v7(now_us), sender->source, now_us, sender->flags,
			    http_request_peer(request),
			    unverified ? sender->token : (struct str){ NULL, 0 },
			    http_request_protocol(request), http_request_body(request));
}

static void announce(struct worker *worker, const struct sender *sender, struct http_request *request,
		     const struct delivery *delivery)
{
	const struct receiver_config *config = &worker->receiver->config;
	const struct source source = {
		.id = sender->source,
		.name = http_request_peer(request),
		.address = http_request_peer(request),
		.state = SOURCE_ENROLLED,
		.created_us = delivery->received_us,
	};

	config->enrolled(config->enrolled_ctx, &source);
}

/* Into the journal; decoded and resolved here while it syncs. */
static void deliver(struct worker *worker, struct http_request *request, const struct sender *sender,
		    struct delivery *delivery)
{
	const struct receiver_config *config = &worker->receiver->config;
	struct arrival *arrival = arrival_new(worker);
	bool prepared = delivery_is_prepared(delivery);
	int r;

	arrival->request = request;
	arrival->delivery = delivery;
	arrival->reply_status = sender->reply_status;
	arrival->intake = (struct intake){ .delivery = delivery_ref(delivery),
					   .reply_to = worker->replies,
					   .ctx = arrival };
	r = config->deliver(config->deliver_ctx, &arrival->intake);
	if (r < 0) {
		delivery_unref(arrival->intake.delivery);
		arrival_free(worker, arrival);
		answer_refused(request, 503, "queue_full",
			       "The receiver has more deliveries on their way than it takes at once.");
		return;
	}
	worker->n_in_flight++;
	if (!prepared)
		config->prepare(config->prepare_ctx, delivery);
}

static void on_request(struct http_request *request, void *ctx)
{
	struct worker *worker = ctx;
	const struct receiver_config *config = &worker->receiver->config;
	struct delivery *delivery;
	struct sender sender;

	if (is_health_check(request)) {
		answer_healthy(request);
		return;
	}
	identify(worker, request, &sender);
	if (sender.refusal == 0 && deliveries_bytes() > config->max_deliveries_bytes)
		refuse(&sender, 503, "memory",
		       "The receiver holds as many deliveries in memory as it may.");
	if (sender.refusal) {
		answer_refused(request, sender.refusal, sender.reason, sender.words);
		return;
	}
	delivery = delivery_of(request, &sender);
	if (!delivery) {
		answer_refused(request, 413, "too_large", "The body is larger than a delivery may be.");
		return;
	}
	if (config->not_json == NOT_JSON_REFUSE) {
		config->prepare(config->prepare_ctx, delivery);
		if (delivery->kind == DELIVERY_NOT_JSON) {
			answer_refused(request, 400, "not_json", "The body is not JSON.");
			delivery_unref(delivery);
			return;
		}
	}
	if (sender.is_new)
		announce(worker, &sender, request, delivery);
	if (sender.flags & DELIVERY_UNVERIFIED)
		atomic_fetch_add(&worker->receiver->n_unverified, 1);
	deliver(worker, request, &sender, delivery);
}

/* The label must live for ever: the protocols are few. */
static const char *protocol_label(struct str protocol)
{
	if (str_eq(protocol, STR("h2")))
		return "h2";
	return str_eq(protocol, STR("http/1.0")) ? "http/1.0" : "http/1.1";
}

static void answer(struct worker *worker, struct arrival *arrival)
{
	struct http_request *request = arrival->request;
	int result = arrival->intake.result;

	if (result == 0) {
		metric_add(METRIC_DELIVERIES_RECEIVED,
			   protocol_label(http_request_protocol(request)), 1);
		metric_observe(METRIC_ACKNOWLEDGE,
			       (double)(clock_monotonic_us() - http_request_received_us(request)) /
				       CLOCK_US_PER_S);
		answer_stored(request, arrival->reply_status, arrival->delivery);
	} else if (result == -ENOSPC) {
		answer_refused(request, 503, "journal_full",
			       "The journal is full until the database takes what it holds.");
	} else {
		answer_refused(request, 503, "not_stored", "The delivery could not be stored.");
	}
	worker->n_in_flight--;
	arrival_free(worker, arrival);
}

static void on_replies(struct mailbox_item *first, void *ctx)
{
	struct worker *worker = ctx;

	while (first) {
		struct intake *intake = CONTAINER_OF(first, struct intake, item);

		first = first->next;
		answer(worker, intake->ctx);
	}
}

static void on_turn_end(void *ctx)
{
	struct worker *worker = ctx;

	if (!atomic_load(&worker->receiver->draining))
		return;
	if (!worker->drain_begun) {
		worker->drain_begun = true;
		http_server_stop_accepting(worker->server);
		http_server_drain(worker->server);
	}
	if (worker->n_in_flight == 0 && http_server_is_idle(worker->server))
		loop_stop(worker->loop);
}
