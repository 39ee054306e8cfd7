#include "forward/outbound.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secrets.h"
#include "forward/limits.h"

struct outbound {
	CURLM *multi;
	char *ca_file;
};

struct outbound_call {
	struct outbound *outbound;
	void *ctx;
	CURL *curl;
	struct curl_slist *headers;
	bool under_way;
	size_t n_bytes; /* of the answer */
	char words[CURL_ERROR_SIZE];
	struct outbound_answer answer;
};

int outbound_new(const char *ca_file, struct outbound **out, struct err *err)
{
	struct outbound *outbound = xcalloc(1, sizeof(*outbound));

	outbound->multi = curl_multi_init();
	if (!outbound->multi) {
		free(outbound);
		return err_set(err, -ENOMEM, "forward: libcurl does not start");
	}
	/* One for each that is kept. */
	curl_multi_setopt(outbound->multi, CURLMOPT_MAXCONNECTS, (long)FORWARD_MAX_DESTINATIONS);
	outbound->ca_file = ca_file ? xstrdup(ca_file) : NULL;
	*out = outbound;
	return 0;
}

void outbound_free(struct outbound *outbound)
{
	if (!outbound)
		return;
	curl_multi_cleanup(outbound->multi);
	free(outbound->ca_file);
	free(outbound);
}

void outbound_wait(struct outbound *outbound, int fd, int timeout_ms)
{
	struct curl_waitfd also = { .fd = fd, .events = CURL_WAIT_POLLIN };
	int n;

	curl_multi_perform(outbound->multi, &n);
	curl_multi_poll(outbound->multi, &also, 1, timeout_ms, NULL);
	curl_multi_perform(outbound->multi, &n);
}

/* --- calls -------------------------------------------------------------------------------------
 */

struct outbound_call *outbound_call_new(struct outbound *outbound, void *ctx)
{
	struct outbound_call *call = xcalloc(1, sizeof(*call));

	call->outbound = outbound;
	call->ctx = ctx;
	call->curl = curl_easy_init();
	if (!call->curl)
		abort(); /* for want of memory */
	return call;
}

static void wipe(struct curl_slist *headers)
{
	for (struct curl_slist *item = headers; item; item = item->next)
		secrets_wipe(item->data, strlen(item->data));
	curl_slist_free_all(headers);
}

static void end(struct outbound_call *call)
{
	if (call->under_way)
		curl_multi_remove_handle(call->outbound->multi, call->curl);
	call->under_way = false;
	curl_easy_reset(call->curl); /* the connection stays */
	wipe(call->headers);
	call->headers = NULL;
}

void outbound_call_free(struct outbound_call *call)
{
	if (!call)
		return;
	end(call);
	curl_easy_cleanup(call->curl);
	free(call);
}

/* What a receiver says is of no interest but for its status; a flood of it breaks off. */
static size_t on_answer(char *data, size_t size, size_t n, void *ctx)
{
	struct outbound_call *call = ctx;

	call->n_bytes += size * n;
	return call->n_bytes > FORWARD_MAX_ANSWER_BYTES ? 0 : size * n;
}

static void take_headers(struct outbound_call *call, struct str lines)
{
	call->headers = curl_slist_append(NULL, "Content-Type: application/json;charset=utf-8");
	call->headers = curl_slist_append(call->headers, "OData-Version: 4.0");
	call->headers = curl_slist_append(call->headers, "Expect:");
	while (lines.len > 0) {
		size_t n = str_find_char(lines, '\n');
		char *line = xstrndup((struct str){ lines.p, n });

		call->headers = curl_slist_append(call->headers, line);
		secrets_wipe(line, n);
		free(line);
		n += n < lines.len;
		lines = (struct str){ lines.p + n, lines.len - n };
	}
}

static void set_up(struct outbound_call *call, const struct outbound_request *request)
{
	CURL *curl = call->curl;

	curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "rfeventd/" RFEVENTD_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)FORWARD_CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)FORWARD_REQUEST_MS);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, call->words);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p);
	if (call->outbound->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, call->outbound->ca_file);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, request->verify ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, request->verify ? 2L : 0L);
}

void outbound_call_start(struct outbound_call *call, const struct outbound_request *request)
{
	call->n_bytes = 0;
	call->words[0] = '\0';
	call->answer = (struct outbound_answer){ 0 };
	take_headers(call, request->headers);
	set_up(call, request);
	call->under_way = true;
	curl_multi_add_handle(call->outbound->multi, call->curl);
}

static void take_answer(struct outbound_call *call, CURLcode code)
{
	struct outbound_answer *answer = &call->answer;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_easy_getinfo(call->curl, CURLINFO_RETRY_AFTER, &retry_after);
	answer->retry_after_s = retry_after > FORWARD_RETRY_AFTER_MAX_S ? FORWARD_RETRY_AFTER_MAX_S
									: (long)retry_after;
	if (code == CURLE_OK)
		return;
	/* A status whose answer broke off is no promise. */
	answer->status = 0;
	err_set(&answer->why, 0, "%s", call->words[0] ? call->words : curl_easy_strerror(code));
}

void *outbound_ended(struct outbound *outbound)
{
	struct outbound_call *call = NULL;
	CURLMsg *message;
	int n;

	while ((message = curl_multi_info_read(outbound->multi, &n))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		take_answer(call, message->data.result);
		end(call);
		return call->ctx;
	}
	return NULL;
}

const struct outbound_answer *outbound_call_answer(const struct outbound_call *call)
{
	return &call->answer;
}
