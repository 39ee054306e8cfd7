#include "cli/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secrets.h"
#include "cli/cli.h"
#include "cli/endpoint.h"
#include "cli/prompt.h"

#define TASK_LOOK_US 300000 /* between two looks at what takes long */
#define CONNECT_TIMEOUT_S 10L
#define HEADER_MAX_BYTES 65536
#define DOWNLOAD_STALL_S 60L /* without a byte: the service asks its log for 30 s at most */

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct client_answer *answer = ctx;

	strbuf_put(&answer->body, (struct str){ data, size * n });
	return answer->body.failed ? 0 : size * n;
}

/* A good answer's body; a refusal is kept for its words. */
struct download {
	struct client_answer *answer;
	const struct client_sink *sink;
	CURL *curl;
};

static size_t on_download(char *data, size_t size, size_t n, void *ctx)
{
	struct download *download = ctx;
	long status = 0;

	curl_easy_getinfo(download->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400)
		return on_body(data, size, n, download->answer);
	*download->sink->began = true;
	return download->sink->take(download->sink->ctx, (struct str){ data, size * n }) ? size * n
											   : 0;
}

static void take_header(struct str line, struct str name, char **out)
{
	if (line.len < name.len || !str_eq_nocase((struct str){ line.p, name.len }, name))
		return;
	free(*out);
	*out = xstrndup(str_trim((struct str){ line.p + name.len, line.len - name.len }));
}

/* Keep the target of `Link: <…>; rel="next"`, and what a login is told. */
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct client_answer *answer = ctx;
	struct str line = { data, size * n };
	size_t open, close;

	take_header(line, STR("X-Auth-Token:"), &answer->token);
	take_header(line, STR("Location:"), &answer->location);
	take_header(line, STR("ETag:"), &answer->etag);
	if (line.len < 5 || !str_eq_nocase((struct str){ line.p, 5 }, STR("link:")) ||
	    str_find(line, STR("rel=\"next\"")) == line.len)
		return size * n;
	open = str_find_char(line, '<');
	close = str_find_char(line, '>');
	if (open < close && close < line.len) {
		free(answer->next);
		answer->next = xstrndup((struct str){ line.p + open + 1, close - open - 1 });
	}
	return size * n;
}

/* What the service says in its error body, or the bare status. */
static int fail_status(const struct client_answer *answer, const char *url)
{
	json_t *json = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, NULL);
	const json_t *error = json_object_get(json, "error");
	const json_t *infos = json_object_get(error, "@Message.ExtendedInfo");
	const char *words = json_string_value(json_object_get(error, "message"));
	const char *cure = json_string_value(json_object_get(json_array_get(infos, 0), "Resolution"));

	if (words && cure)
		cli_fail(CLI_REFUSED, "%s %s (HTTP %ld)", words, cure, answer->status);
	else if (words)
		cli_fail(CLI_REFUSED, "%s (HTTP %ld)", words, answer->status);
	else
		cli_fail(CLI_REFUSED, "%s answered HTTP %ld", url, answer->status);
	json_decref(json);
	return CLI_REFUSED;
}

static CURL *new_request(const struct cli *cli, const char *url, struct client_answer *answer)
{
	CURL *curl = curl_easy_init();

	*answer = (struct client_answer){ 0 };
	strbuf_init(&answer->body, CLIENT_MAX_BYTES);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
	if (cli->cacert)
		curl_easy_setopt(curl, CURLOPT_CAINFO, cli->cacert);
	if (cli->insecure) {
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return curl;
}

static int perform(CURL *curl, const char *url, const bool *quiet,
		   struct client_answer *answer)
{
	char words[CURL_ERROR_SIZE] = "";
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK && quiet && *quiet)
		return CLI_UNREACHABLE;
	if (code != CURLE_OK)
		return cli_fail(CLI_UNREACHABLE, "cannot reach %s: %s", url,
				words[0] ? words : curl_easy_strerror(code));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (answer->status == 503 && quiet && *quiet)
		return CLI_UNREACHABLE; /* it is there again, its database is not */
	return answer->status >= 400 ? fail_status(answer, url) : 0;
}

/* With the token of a login, or the user's name and password. */
static int perform_as_user(const struct cli *cli, CURL *curl, const char *url, const bool *quiet,
			   struct client_answer *out)
{
	char *password = cli->token ? NULL : endpoint_password(cli);
	int r;

	if (!password && !cli->token)
		return CLI_REFUSED;
	if (cli->token) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, cli->token);
	} else {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, cli->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
	}
	r = perform(curl, url, quiet, out);
	if (out->status == 401 && cli->token)
		fputs("rfevent: the session may have timed out: rfevent login opens another\n", stderr);
	prompt_forget(password);
	return r;
}

/* GET; with a sink, its body goes there. */
static int get(const struct cli *cli, const char *path, const char *accept, const char *language,
	       const struct client_sink *sink, struct client_answer *out)
{
	char *url = xasprintf("%s%s", cli->url, path);
	char *accept_line = xasprintf("Accept: %s", accept);
	char *language_line = language ? xasprintf("Accept-Language: %s", language) : NULL;
	struct curl_slist *headers = curl_slist_append(NULL, accept_line);
	CURL *curl = new_request(cli, url, out);
	struct download download = { out, sink, curl };
	int r;

	if (language_line)
		headers = curl_slist_append(headers, language_line);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (sink) {
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_download);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &download);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, DOWNLOAD_STALL_S);
	}
	r = perform_as_user(cli, curl, url, sink ? sink->began : NULL, out);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	free(url);
	free(accept_line);
	free(language_line);
	return r;
}

int client_get(const struct cli *cli, const char *path, const char *accept, const char *language,
	       struct client_answer *out)
{
	return get(cli, path, accept, language, NULL, out);
}

int client_download(const struct cli *cli, const char *path, const char *accept,
		    const char *language, const struct client_sink *sink)
{
	struct client_answer answer;
	int r = get(cli, path, accept, language, sink, &answer);

	client_answer_fini(&answer);
	return r;
}

static void set_body(CURL *curl, struct str body)
{
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.p);
}

/* 202: what was asked for takes long, and is answered at the task's monitor. */
static int follow_task(const struct cli *cli, struct client_answer *out)
{
	int r = CLI_OK;

	while (r == CLI_OK && out->status == 202 && out->location) {
		char *monitor = xstrdup(out->location);

		client_answer_fini(out);
		usleep(TASK_LOOK_US);
		r = client_get(cli, monitor, "application/json", NULL, out);
		free(monitor);
	}
	return r;
}

int client_send(const struct cli *cli, const char *method, const char *path, struct str body,
		struct client_answer *out)
{
	int r = client_change(cli, method, path, NULL, body, out);

	return r == CLI_OK ? follow_task(cli, out) : r;
}

int client_change(const struct cli *cli, const char *method, const char *path, const char *etag,
		  struct str body, struct client_answer *out)
{
	char *if_match = etag ? xasprintf("If-Match: %s", etag) : NULL;
	char *url = xasprintf("%s%s", cli->url, path);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = new_request(cli, url, out);
	int r;

	if (if_match)
		headers = curl_slist_append(headers, if_match);
	if (body.len > 0) {
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		set_body(curl, body);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	r = perform_as_user(cli, curl, url, NULL, out);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	free(url);
	free(if_match);
	return r;
}

json_t *client_parse(const struct client_answer *answer)
{
	json_t *json = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, NULL);

	if (!json)
		cli_fail(CLI_REFUSED, "the service's answer is not what was expected");
	return json;
}

int client_get_json(const struct cli *cli, const char *path, json_t **out)
{
	struct client_answer answer;
	int r = client_get(cli, path, "application/json", NULL, &answer);

	if (r == CLI_OK) {
		*out = client_parse(&answer);
		r = *out ? CLI_OK : CLI_REFUSED;
	}
	client_answer_fini(&answer);
	return r;
}

struct str client_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (struct str){ json_is_string(value) ? json_string_value(value) : "",
			     json_string_length(value) };
}

int client_post(const struct cli *cli, const char *url, struct str body, struct client_answer *out)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = new_request(cli, url, out);
	int r;

	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	set_body(curl, body);
	r = perform(curl, url, NULL, out);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return r;
}

void client_answer_fini(struct client_answer *answer)
{
	strbuf_fini(&answer->body);
	free(answer->next);
	if (answer->token)
		secrets_wipe(answer->token, strlen(answer->token));
	free(answer->token);
	free(answer->location);
	free(answer->etag);
	answer->next = answer->token = answer->location = answer->etag = NULL;
}

char *client_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0), *copy = xstrdup(escaped ? escaped : "");

	curl_free(escaped);
	return copy;
}
