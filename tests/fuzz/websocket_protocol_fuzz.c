/* The stream's protocol: a frame, or (behind a '?') the query of a URL, is a request within its
 * bounds or is refused with words that make a good error message. */
#include "fuzz.h"

#include <errno.h>
#include <jansson.h>

#include "api/websocket_protocol.h"

static void check_refusal(int r, const struct err *err)
{
	struct strbuf out;
	json_t *root;

	CHECK((r == -EINVAL || r == -ENOTSUP) && err->text[0]);
	strbuf_init(&out, 65536);
	stream_error(&out, "bad_message", err->text);
	CHECK(!out.failed);
	root = json_loadb(out.p, out.len, JSON_REJECT_DUPLICATES, NULL);
	CHECK_SAYING(root, "(%s)", out.p);
	json_decref(root);
	strbuf_fini(&out);
}

static void check_request(const struct stream_request *request, bool is_json)
{
	const char *const texts[] = { request->token, request->filter, request->language };

	CHECK(request->after >= 0);
	CHECK(request->has_epoch || uuid_is_zero(request->epoch));
	for (size_t i = 0; i < ARRAY_LEN(texts) && is_json; i++)
		CHECK(str_is_utf8(str_of(texts[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_request request = { 0 };
	struct str text = fuzz_str(data, size);
	bool is_query = size > 0 && data[0] == '?', any = false;
	struct err err = { "" };
	int r;

	if (is_query)
		r = stream_request_parse_query((struct str){ text.p + 1, size - 1 }, &request, &any,
					       &err);
	else
		r = stream_request_parse(text, &request, &err);
	if (r < 0) {
		CHECK(!request.token && !request.filter && !request.language);
		check_refusal(r, &err);
		return 0;
	}
	CHECK(!is_query || any || (!request.filter && !request.language && !request.has_epoch));
	check_request(&request, !is_query);
	stream_request_fini(&request);
	CHECK(!request.token && !request.filter && !request.language);
	return 0;
}
