#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "subscribe/limits.h"
#include "subscribe/source_client_priv.h"

static bool is_too_much(const struct source_exchange *exchange)
{
	return exchange->answer->body.failed || exchange->client->all_bytes > FETCH_MAX_ALL_BYTES;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct source_exchange *exchange = ctx;

	exchange->client->all_bytes += size * n;
	strbuf_put(&exchange->answer->body, (struct str){ data, size * n });
	return is_too_much(exchange) ? 0 : size * n;
}

/* Visible ASCII: what can stand in a header, and end none. */
static bool is_header_value(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] < ' ' || value.p[i] > '~')
			return false;
	return true;
}

/* The value of the header `name` into `out`, when it can be sent back. */
static void take_header(struct str line, struct str name, struct strbuf *out)
{
	struct str value;

	if (line.len <= name.len || !str_eq_nocase((struct str){ line.p, name.len }, name))
		return;
	value = str_trim((struct str){ line.p + name.len, line.len - name.len });
	strbuf_reset(out);
	if (is_header_value(value))
		strbuf_put(out, value);
	if (out->failed)
		strbuf_reset(out);
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct source_exchange *exchange = ctx;
	struct str line = { data, size * n };

	exchange->header_bytes += line.len;
	if (exchange->header_bytes > FETCH_MAX_HEADER_BYTES)
		return 0;
	take_header(line, STR("ETag:"), &exchange->answer->etag);
	take_header(line, STR("X-Auth-Token:"), &exchange->token);
	take_header(line, STR("Location:"), &exchange->location);
	return line.len;
}

/* Called by libcurl about once a second when nothing moves, else more often. */
static int on_progress(void *ctx, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
		       curl_off_t sent)
{
	const struct source_client *client = ctx;

	return source_client_is_stopped(client);
}

static long request_ms(const struct source_client *client)
{
	int64_t ms = client->config->request_ms ? client->config->request_ms : FETCH_REQUEST_MS;

	if (client->closing)
		return ms < FETCH_GOODBYE_MS ? (long)ms : FETCH_GOODBYE_MS;
	/* One more than is left: a request that the budget ends must not end before the budget, or
	 * another one would be sent. */
	if (ms > source_client_left_ms(client) + 1)
		ms = source_client_left_ms(client) + 1;
	return ms > 0 ? (long)ms : 1; /* 0 would be for ever */
}

/* Trust is the configuration's alone: the system's folder of certificates would be asked beside a
 * file otherwise. */
static void set_trust(CURL *curl, const struct source_client_config *config)
{
	if (config->ca_file) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, config->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, config->insecure ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, config->insecure ? 0L : 2L);
}

static void set_basic(const struct source_client *client)
{
	const struct source_client_config *config = client->config;

	if (!config->user)
		return;
	curl_easy_setopt(client->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	curl_easy_setopt(client->curl, CURLOPT_USERNAME, config->user);
	curl_easy_setopt(client->curl, CURLOPT_PASSWORD, config->password ? config->password : "");
}

static void set_up(struct source_exchange *exchange, const char *url)
{
	const struct source_client *client = exchange->client;
	CURL *curl = client->curl;

	curl_easy_reset(curl); /* connections stay */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "rfeventd/" RFEVENTD_VERSION);
	curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)FETCH_CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request_ms(client));
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)FETCH_MAX_ANSWER_BYTES);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
	set_trust(curl, client->config);
}

static int code_of(const struct source_exchange *exchange, CURLcode code)
{
	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK: return -ECANCELED;
	case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
	case CURLE_FILESIZE_EXCEEDED: return -EFBIG;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE: return -EHOSTUNREACH;
	default: return is_too_much(exchange) ? -EFBIG : -EIO;
	}
}

static int fail_exchange(struct source_exchange *exchange, CURLcode code, const char *url,
			 const char *words, struct err *err)
{
	struct source_client *client = exchange->client;
	int r = code_of(exchange, code);

	if (r == -ECANCELED)
		return err_set(err, r, "%s: stopped", url);
	if (r == -EHOSTUNREACH || r == -ETIMEDOUT)
		client->n_unreachable++;
	if (r == -EFBIG)
		return err_set(err, r, "%s: larger than %u bytes, or %u with what came before", url,
			       FETCH_MAX_ANSWER_BYTES, FETCH_MAX_ALL_BYTES);
	if (exchange->header_bytes > FETCH_MAX_HEADER_BYTES)
		return err_set(err, -EIO, "%s: headers of more than %d bytes", url,
			       FETCH_MAX_HEADER_BYTES);
	return err_set(err, r, "%s: %s", url, words[0] ? words : curl_easy_strerror(code));
}

static void reset_answer(struct source_exchange *exchange)
{
	exchange->header_bytes = 0;
	exchange->answer->status = 0;
	strbuf_reset(&exchange->answer->body);
	strbuf_reset(&exchange->answer->etag);
	strbuf_reset(&exchange->token);
	strbuf_reset(&exchange->location);
}

/* New; NULL never. */
static struct curl_slist *make_headers(const struct source_client *client,
				       const struct source_request *request)
{
	struct curl_slist *headers = NULL;
	char *line;

	/* An archive is no JSON: a strict source would answer 406. */
	headers = curl_slist_append(headers, "Accept: application/json, */*;q=0.5");
	headers = curl_slist_append(headers, "OData-Version: 4.0");
	if (request->etag.len > 0 && is_header_value(request->etag)) {
		line = xasprintf("If-None-Match: %.*s", STR_ARG(request->etag));
		headers = curl_slist_append(headers, line);
		free(line);
	}
	if (request->post) {
		headers = curl_slist_append(headers, "Content-Type: application/json");
		headers = curl_slist_append(headers, "Expect:");
	}
	if (client->token.len > 0) {
		line = xasprintf("X-Auth-Token: %s", client->token.p);
		headers = curl_slist_append(headers, line);
		secrets_wipe(line, strlen(line));
		free(line);
	}
	return headers;
}

static int wait_for_it(struct source_exchange *exchange, const char *url, struct err *err)
{
	CURL *curl = exchange->client->curl;
	char words[CURL_ERROR_SIZE] = "";
	curl_off_t retry_after = 0;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
	exchange->client->n_requests++;
	code = curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange->answer->status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
	exchange->retry_after_s =
		retry_after < FETCH_RETRY_MAX_S ? (long)retry_after : FETCH_RETRY_MAX_S;
	if (code != CURLE_OK)
		return fail_exchange(exchange, code, url, words, err);
	exchange->client->n_unreachable = 0;
	return 0;
}

int source_request_send(struct source_exchange *exchange, const struct source_request *request,
			struct err *err)
{
	struct source_client *client = exchange->client;
	struct curl_slist *headers = make_headers(client, request);
	char *url = xasprintf("%s%.*s", client->origin.p, STR_ARG(request->path));
	int r;

	reset_answer(exchange);
	set_up(exchange, url);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	if (request->post)
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, request->post);
	else if (client->token.len == 0)
		set_basic(client);
	if (request->method)
		curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, request->method);
	r = wait_for_it(exchange, url, err);
	curl_easy_reset(client->curl);
	curl_slist_free_all(headers);
	free(url);
	return r;
}
