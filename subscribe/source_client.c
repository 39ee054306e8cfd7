#include "subscribe/source_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "subscribe/limits.h"
#include "subscribe/source_client_priv.h"
#include "subscribe/source_url.h"

#define SLEEP_SLICE_MS 100

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void source_answer_init(struct source_answer *answer)
{
	*answer = (struct source_answer){ 0 };
	strbuf_init(&answer->body, FETCH_MAX_ANSWER_BYTES);
	strbuf_init(&answer->etag, FETCH_MAX_ETAG_BYTES);
	strbuf_init(&answer->path, FETCH_MAX_URI_BYTES);
}

void source_answer_fini(struct source_answer *answer)
{
	strbuf_fini(&answer->body);
	strbuf_fini(&answer->etag);
	strbuf_fini(&answer->path);
}

int source_client_open(const struct source_client_config *config, struct source_client **out,
		       struct err *err)
{
	struct source_client *client = xcalloc(1, sizeof(*client));
	unsigned budget_ms = config->budget_ms ? config->budget_ms : FETCH_BUDGET_MS;
	int r;

	pthread_once(&curl_once, start_curl);
	client->config = config;
	client->deadline_us = clock_monotonic_us() + (int64_t)budget_ms * 1000;
	strbuf_init(&client->origin, FETCH_MAX_URI_BYTES);
	strbuf_init(&client->sessions, FETCH_MAX_URI_BYTES);
	strbuf_init(&client->token, FETCH_MAX_TOKEN_BYTES);
	strbuf_init(&client->session, FETCH_MAX_URI_BYTES);
	strbuf_put_text(&client->sessions, "/redfish/v1/SessionService/Sessions");
	r = source_url_origin(str_of(config->url), &client->origin, err);
	if (r < 0)
		goto out;
	client->curl = curl_easy_init();
	if (!client->curl) {
		r = err_set(err, -ENOMEM, "%s: cannot start a client", config->url);
		goto out;
	}
	*out = client;
	client = NULL;
out:
	source_client_free(client);
	return r;
}

struct str source_client_origin(const struct source_client *client)
{
	return strbuf_str(&client->origin);
}

size_t source_client_requests(const struct source_client *client)
{
	return client->n_requests;
}

void source_client_set_sessions(struct source_client *client, struct str path)
{
	strbuf_reset(&client->sessions);
	strbuf_put(&client->sessions, path);
}

bool source_client_is_stopped(const struct source_client *client)
{
	const atomic_bool *stop = client->config->stop;

	return stop && atomic_load(stop) && !client->closing;
}

int64_t source_client_left_ms(const struct source_client *client)
{
	return (client->deadline_us - clock_monotonic_us()) / 1000;
}

int source_client_over(const struct source_client *client)
{
	if (source_client_is_stopped(client))
		return -ECANCELED;
	if (client->refused)
		return -EACCES;
	if (source_client_left_ms(client) <= 0)
		return -ETIMEDOUT;
	if (client->all_bytes > FETCH_MAX_ALL_BYTES)
		return -EFBIG;
	return client->n_unreachable >= FETCH_MAX_UNREACHABLE ? -EHOSTUNREACH : 0;
}

static int fail_over(const struct source_client *client, int code, struct err *err)
{
	struct str origin = strbuf_str(&client->origin);

	switch (code) {
	case -ECANCELED: return err_set(err, code, "%.*s: stopped", STR_ARG(origin));
	case -ETIMEDOUT:
		return err_set(err, code, "%.*s: the time for it is used up", STR_ARG(origin));
	case -EFBIG:
		return err_set(err, code, "%.*s: more than %u bytes in all", STR_ARG(origin),
			       FETCH_MAX_ALL_BYTES);
	case -EACCES: return err_set(err, code, "%.*s: refuses the login", STR_ARG(origin));
	default: return err_set(err, code, "%.*s: does not answer", STR_ARG(origin));
	}
}

static void exchange_init(struct source_exchange *exchange, struct source_client *client,
			  struct source_answer *answer)
{
	*exchange = (struct source_exchange){ .client = client, .answer = answer };
	strbuf_init(&exchange->token, FETCH_MAX_TOKEN_BYTES);
	strbuf_init(&exchange->location, FETCH_MAX_URI_BYTES);
}

static void exchange_fini(struct source_exchange *exchange)
{
	if (exchange->token.p)
		secrets_wipe(exchange->token.p, exchange->token.size);
	strbuf_fini(&exchange->token);
	strbuf_fini(&exchange->location);
}

/* End the session, if there is one: BMCs have few. What becomes of it is the source's. */
static void close_session(struct source_client *client)
{
	struct source_request request = { .method = "DELETE",
					  .path = strbuf_str(&client->session) };
	struct source_exchange exchange;
	struct source_answer answer;

	if (client->token.len > 0 && client->session.len > 0) {
		client->closing = true;
		source_answer_init(&answer);
		exchange_init(&exchange, client, &answer);
		source_request_send(&exchange, &request, NULL);
		exchange_fini(&exchange);
		source_answer_fini(&answer);
		client->closing = false;
	}
	if (client->token.p)
		secrets_wipe(client->token.p, client->token.len);
	strbuf_reset(&client->token);
	strbuf_reset(&client->session);
}

void source_client_free(struct source_client *client)
{
	if (!client)
		return;
	close_session(client);
	if (client->curl)
		curl_easy_cleanup(client->curl);
	strbuf_fini(&client->origin);
	strbuf_fini(&client->sessions);
	strbuf_fini(&client->token);
	strbuf_fini(&client->session);
	free(client);
}

/* Keep what the answer to a login says. */
static int take_session(struct source_client *client, const struct source_exchange *exchange,
			struct err *err)
{
	long status = exchange->answer->status;

	if (status < 200 || status > 299 || exchange->token.len == 0) {
		client->refused = true;
		return err_set(err, -EACCES,
			       "%s: refuses user '%s' (HTTP 401), and a session (HTTP %ld%s)",
			       client->origin.p, client->config->user, status,
			       status < 200 || status > 299 ? "" : " without X-Auth-Token");
	}
	strbuf_put(&client->token, strbuf_str(&exchange->token));
	if (source_url_path(strbuf_str(&client->origin), strbuf_str(&client->sessions),
			    strbuf_str(&exchange->location), &client->session, NULL) < 0)
		strbuf_reset(&client->session);
	return 0;
}

/* A fresh session after a 401. Wrong passwords lock accounts: few tries, then none at all. */
static int log_in(struct source_client *client, struct err *err)
{
	const struct source_client_config *config = client->config;
	struct source_request request = { .path = strbuf_str(&client->sessions) };
	struct source_exchange exchange;
	struct source_answer answer;
	struct strbuf body;
	int r;

	strbuf_init(&body, 1u << 20);
	strbuf_put_text(&body, "{\"UserName\":");
	strbuf_put_json(&body, str_of(config->user));
	strbuf_put_text(&body, ",\"Password\":");
	strbuf_put_json(&body, str_of(config->password ? config->password : ""));
	strbuf_put_char(&body, '}');
	request.post = body.p;
	source_answer_init(&answer);
	exchange_init(&exchange, client, &answer);
	close_session(client);
	client->n_logins++;
	r = source_request_send(&exchange, &request, err);
	if (r == 0)
		r = take_session(client, &exchange, err);
	secrets_wipe(body.p, body.len);
	strbuf_fini(&body);
	exchange_fini(&exchange);
	source_answer_fini(&answer);
	return r;
}

/* What one GET has used up. */
struct tries {
	unsigned redirects, retries, logins;
};

static int after_401(struct source_exchange *exchange, struct tries *tries, struct err *err)
{
	struct source_client *client = exchange->client;

	if (client->config->user && tries->logins == 0 && client->n_logins < FETCH_MAX_LOGINS) {
		tries->logins++;
		return log_in(client, err);
	}
	client->refused = true;
	return err_set(err, -EACCES, "%s%s: refuses user '%s' (HTTP 401)", client->origin.p,
		       exchange->answer->path.p, client->config->user ? client->config->user : "");
}

/* In slices, so that a stop is heard. */
static int after_busy(struct source_exchange *exchange, struct tries *tries, struct err *err)
{
	const struct timespec slice = { .tv_nsec = SLEEP_SLICE_MS * 1000000L };
	long wait_s = exchange->retry_after_s > 0 ? exchange->retry_after_s : FETCH_RETRY_S;
	int64_t end = clock_monotonic_us() + wait_s * CLOCK_US_PER_S;
	int r = source_client_over(exchange->client);

	tries->retries++;
	while (r == 0 && clock_monotonic_us() < end) {
		nanosleep(&slice, NULL);
		r = source_client_over(exchange->client);
	}
	return r < 0 ? fail_over(exchange->client, r, err) : 0;
}

static int after_redirect(struct source_exchange *exchange, struct tries *tries, struct err *err)
{
	struct source_client *client = exchange->client;
	struct strbuf target;
	int r;

	strbuf_init(&target, FETCH_MAX_URI_BYTES);
	r = source_url_path(strbuf_str(&client->origin), strbuf_str(&exchange->answer->path),
			    strbuf_str(&exchange->location), &target, err);
	if (r == 0 && tries->redirects++ >= FETCH_MAX_REDIRECTS)
		r = err_set(err, -ELOOP, "redirected more than %d times", FETCH_MAX_REDIRECTS);
	if (r < 0)
		err_prefix(err, r, "%s%s", client->origin.p, exchange->answer->path.p);
	strbuf_reset(&exchange->answer->path);
	strbuf_put(&exchange->answer->path, strbuf_str(&target));
	strbuf_fini(&target);
	return r;
}

/* Whether to ask again after this status: 1 after doing what it takes, 0 when it is final. */
static int react(struct source_exchange *exchange, struct tries *tries, struct err *err)
{
	int r;

	switch (exchange->answer->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308: r = after_redirect(exchange, tries, err); break;
	case 401: r = after_401(exchange, tries, err); break;
	case 429:
	case 503:
		if (tries->retries >= FETCH_MAX_RETRIES)
			return 0;
		r = after_busy(exchange, tries, err);
		break;
	default: return 0;
	}
	return r < 0 ? r : 1;
}

int source_client_get(struct source_client *client, struct str path, struct str etag,
		      struct source_answer *answer, struct err *err)
{
	struct source_request request = { .etag = etag };
	struct source_exchange exchange;
	struct tries tries = { 0 };
	int r;

	exchange_init(&exchange, client, answer);
	strbuf_reset(&answer->path);
	strbuf_put(&answer->path, path);
	do {
		r = source_client_over(client);
		if (r < 0) {
			r = fail_over(client, r, err);
			break;
		}
		request.path = strbuf_str(&answer->path);
		r = source_request_send(&exchange, &request, err);
		if (r == 0)
			r = react(&exchange, &tries, err);
	} while (r == 1);
	exchange_fini(&exchange);
	return r;
}
