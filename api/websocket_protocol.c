#include "api/websocket_protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/stream_limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "http/server.h"

#define INCLUDE_EVENTS STR("events")

static const struct stream_request nothing_asked = { .live = true, .events = true };

void stream_request_fini(struct stream_request *request)
{
	if (request->token)
		secrets_wipe(request->token, strlen(request->token));
	free(request->token);
	free(request->filter);
	free(request->language);
	*request = nothing_asked;
}

/* --- one property each, the same for frames and queries ----------------------------------------
 */

static int set_after(struct stream_request *out, struct str text, struct err *err)
{
	out->has_after = true;
	if (str_eq(text, STR("live"))) {
		out->live = true;
		return 0;
	}
	if (!str_to_i64(text, &out->after) || out->after < 0)
		return err_set(err, -EINVAL, "`after` must be a seq (0 or more) or \"live\".");
	out->live = false;
	return 0;
}

/* Zeros are what hello says before the log was reached for the first time: they name none. */
static int set_epoch(struct stream_request *out, struct str text, struct err *err)
{
	if (!uuid_parse(text, &out->epoch))
		return err_set(err, -EINVAL, "`epoch` must be the UUID that hello said.");
	out->has_epoch = !uuid_is_zero(out->epoch);
	return 0;
}

/* One name of `include`. Names of later versions are passed over. */
static void include(struct stream_request *out, struct str name)
{
	if (str_eq(name, INCLUDE_EVENTS))
		out->events = true;
}

static void set_text(char **where, struct str text)
{
	free(*where);
	*where = xstrndup(text);
}

/* --- frames ------------------------------------------------------------------------------------
 */

static struct str text_of(const json_t *value)
{
	return (struct str){ json_string_value(value), json_string_length(value) };
}

/* Copy an optional text. NULL counts as absent. */
static int take_text(const json_t *object, const char *name, char **where, struct err *err)
{
	const json_t *value = json_object_get(object, name);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(err, -EINVAL, "`%s` must be a string.", name);
	set_text(where, text_of(value));
	return 0;
}

static int take_after(const json_t *object, struct stream_request *out, struct err *err)
{
	const json_t *value = json_object_get(object, "after");

	if (!value || json_is_null(value))
		return 0;
	if (json_is_string(value))
		return set_after(out, text_of(value), err);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(err, -EINVAL, "`after` must be a seq (0 or more) or \"live\".");
	out->after = json_integer_value(value);
	out->has_after = true;
	out->live = false;
	return 0;
}

static int take_epoch(const json_t *object, struct stream_request *out, struct err *err)
{
	const json_t *value = json_object_get(object, "epoch");

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(err, -EINVAL, "`epoch` must be the UUID that hello said.");
	return set_epoch(out, text_of(value), err);
}

static int take_include(const json_t *object, struct stream_request *out, struct err *err)
{
	const json_t *value = json_object_get(object, "include");

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value))
		return err_set(err, -EINVAL,
			       "`include` must be an array of \"events\", \"alarms\".");
	out->events = false;
	for (size_t i = 0; i < json_array_size(value); i++)
		if (json_is_string(json_array_get(value, i)))
			include(out, text_of(json_array_get(value, i)));
	return 0;
}

static int take_subscribe(const json_t *object, struct stream_request *out, struct err *err)
{
	int r = take_text(object, "token", &out->token, err);

	if (r == 0)
		r = take_text(object, "filter", &out->filter, err);
	if (r == 0)
		r = take_text(object, "language", &out->language, err);
	if (r == 0)
		r = take_after(object, out, err);
	if (r == 0)
		r = take_epoch(object, out, err);
	if (r == 0)
		r = take_include(object, out, err);
	return r;
}

static int take_message(const json_t *root, struct stream_request *out, struct err *err)
{
	const json_t *type = json_object_get(root, "type");

	if (!json_is_object(root) || !json_is_string(type))
		return err_set(err, -EINVAL, "A message is an object with a `type`.");
	if (!str_eq(text_of(type), STR("subscribe")))
		return err_set(err, -ENOTSUP, "The only type a client may send is \"subscribe\".");
	return take_subscribe(root, out, err);
}

int stream_request_parse(struct str json, struct stream_request *out, struct err *err)
{
	struct stream_request request = nothing_asked;
	json_error_t why;
	json_t *root = json_loadb(json.p ? json.p : "", json.len, JSON_REJECT_DUPLICATES, &why);
	int r;

	if (!root)
		return err_set(err, -EINVAL, "Not JSON, column %d: %s.", why.column, why.text);
	r = take_message(root, &request, err);
	json_decref(root);
	if (r < 0)
		stream_request_fini(&request);
	else
		*out = request;
	return r;
}

/* --- queries -----------------------------------------------------------------------------------
 */

/* 1 and the decoded value, 0 when absent, or a negative errno. */
static int query_value(struct str query, const char *name, struct strbuf *value, struct err *err)
{
	struct str raw;

	strbuf_reset(value);
	if (!http_query_get(query, name, &raw))
		return 0;
	if (!http_percent_decode(raw, value) || value->failed)
		return err_set(err, -EINVAL, "`%s` is not well percent-encoded, or too long.",
			       name);
	return 1;
}

static void take_include_list(struct stream_request *out, struct str list)
{
	out->events = false;
	while (list.len > 0) {
		size_t end = str_find_char(list, ',');

		include(out, str_trim((struct str){ list.p, end }));
		end = end < list.len ? end + 1 : end;
		list = (struct str){ list.p + end, list.len - end };
	}
}

static int take_query(struct str query, struct strbuf *value, struct stream_request *out, bool *any,
		      struct err *err)
{
	static const char *const names[] = { "after", "epoch", "filter", "language", "include" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(names) && r >= 0; i++) {
		struct str text;

		r = query_value(query, names[i], value, err);
		if (r <= 0)
			continue;
		*any = true;
		text = value->p ? strbuf_str(value) : STR("");
		switch (i) {
		case 0: r = set_after(out, text, err); break;
		case 1: r = set_epoch(out, text, err); break;
		case 2: set_text(&out->filter, text); break;
		case 3: set_text(&out->language, text); break;
		default: take_include_list(out, text); break;
		}
	}
	return r < 0 ? r : 0;
}

int stream_request_parse_query(struct str query, struct stream_request *out, bool *any_out,
			       struct err *err)
{
	struct stream_request request = nothing_asked;
	struct strbuf value;
	bool any = false;
	int r;

	strbuf_init(&value, STREAM_MAX_MESSAGE_BYTES);
	r = take_query(query, &value, &request, &any, err);
	strbuf_fini(&value);
	*any_out = any;
	if (r < 0)
		stream_request_fini(&request);
	else
		*out = request;
	return r;
}

/* --- messages ----------------------------------------------------------------------------------
 */

void stream_hello(struct strbuf *out, struct uuid epoch, int64_t oldest_seq, int64_t last_seq)
{
	char text[UUID_TEXT_BYTES];

	strbuf_putf(out,
		    "{\"type\":\"hello\",\"epoch\":\"%s\",\"oldest_seq\":%lld,\"last_seq\":%lld}",
		    uuid_format(epoch, text), (long long)oldest_seq, (long long)last_seq);
}

void stream_caught_up(struct strbuf *out, int64_t seq)
{
	strbuf_putf(out, "{\"type\":\"caught_up\",\"seq\":%lld}", (long long)seq);
}

void stream_position(struct strbuf *out, int64_t seq, const char *language)
{
	strbuf_putf(out, "{\"type\":\"position\",\"seq\":%lld", (long long)seq);
	if (language) {
		strbuf_put_text(out, ",\"changed\":true,\"language\":");
		strbuf_put_json(out, str_of(language));
	}
	strbuf_put_char(out, '}');
}

void stream_gap(struct strbuf *out, int64_t from, int64_t to, const char *reason)
{
	strbuf_putf(out, "{\"type\":\"gap\",\"from\":%lld,\"to\":%lld,\"reason\":\"%s\"}",
		    (long long)from, (long long)to, reason);
}

void stream_error(struct strbuf *out, const char *code, const char *message)
{
	strbuf_put_text(out, "{\"type\":\"error\",\"code\":");
	strbuf_put_json(out, str_of(code));
	strbuf_put_text(out, ",\"message\":");
	strbuf_put_json(out, str_of(message));
	strbuf_put_char(out, '}');
}

void stream_events_head(struct strbuf *out, bool provisional)
{
	strbuf_put_text(out, provisional ? "{\"type\":\"provisional\",\"events\":["
					 : "{\"type\":\"events\",\"events\":[");
}

void stream_events_tail(struct strbuf *out)
{
	strbuf_put_text(out, "]}");
}
