/* Headers: forms, codings, versions; and the packing that follows from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "api/compress.h"
#include "api/negotiate.h"
#include "base/mem.h"

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		bool json;
	} cases[] = {
		{ NULL, true },
		{ "", true },
		{ "*/*", true },
		{ "application/json", true },
		{ "Application/JSON;charset=utf-8", true },
		{ "application/*", true },
		{ "text/html, application/json;q=0.1", true },
		{ "text/html,*/*;q=0.8", true },
		{ "application/xml", false },
		{ "application/json;q=0", false },
		{ "application/json;q=0.000, */*", false },
		{ "*/*;q=0, application/json", true },
		{ "applicatio/*", false },
		{ "text/*", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (negotiate_accepts(str_of(cases[i].accept), "application/json") != cases[i].json)
			fail_msg("'%s'", cases[i].accept);
	}
}

static void test_gzip_is_wanted(void **state)
{
	static const struct {
		const char *header;
		bool gzip;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "gzip", true },
		{ "GZip", true },
		{ "br", false },
		{ "br, gzip", true },
		{ "gzip;q=0", false },
		{ "*", true },
		{ "*;q=0", false },
		{ "deflate, *;q=0.1", true },
		{ "*, gzip;q=0.0", false },
		{ "gzip;q=0.5", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (negotiate_gzip(str_of(cases[i].header)) != cases[i].gzip)
			fail_msg("'%s'", cases[i].header);
	}
}

static void test_content_type(void **state)
{
	assert_true(negotiate_is_type(STR("application/json"), "application/json"));
	assert_true(
		negotiate_is_type(STR(" Application/json ; charset=utf-8"), "application/json"));
	assert_false(negotiate_is_type(STR("application/json5"), "application/json"));
	assert_false(negotiate_is_type(STR(""), "application/json"));
}

static void test_etags(void **state)
{
	char one[ETAG_BYTES], other[ETAG_BYTES], list[3 * ETAG_BYTES];
	struct strbuf strong;

	assert_string_equal(etag_of(STR("a"), one), etag_of(STR("a"), other));
	assert_true(str_starts_with(str_of(one), STR("W/\"")) && strlen(one) == ETAG_BYTES - 1);
	assert_string_not_equal(etag_of(STR("b"), other), one);
	assert_true(etag_is_listed(str_of(one), one));
	assert_true(etag_is_listed(STR("*"), one));
	assert_true(etag_is_listed(str_of(one + 2), one)); /* the strong form of it */
	assert_false(etag_is_listed(str_of(other), one));
	assert_false(etag_is_listed(STR(""), one));
	strbuf_init(&strong, sizeof(list));
	strbuf_putf(&strong, "\"x\", %s ,%s", other, one);
	assert_true(etag_is_listed(strbuf_str(&strong), one));
	strbuf_fini(&strong);
}

static void test_gzip_comes_back(void **state)
{
	struct strbuf body, packed;
	char back[8192];
	z_stream stream = { .next_out = (Bytef *)back, .avail_out = sizeof(back) };

	strbuf_init(&body, sizeof(back));
	strbuf_init(&packed, sizeof(back));
	for (int i = 0; i < 200; i++)
		strbuf_putf(&body, "{\"@odata.id\":\"/redfish/v1/%d\"},", i);
	assert_true(compress_gzip(strbuf_str(&body), &packed));
	assert_true(packed.len < body.len / 4);
	stream.next_in = (Bytef *)packed.p;
	stream.avail_in = (uInt)packed.len;
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.total_out, body.len);
	assert_memory_equal(back, body.p, body.len);
	inflateEnd(&stream);
	strbuf_fini(&body);
	strbuf_fini(&packed);
}

static void test_what_gzip_would_not_shorten_stays(void **state)
{
	struct strbuf packed;

	strbuf_init(&packed, 64);
	assert_false(compress_gzip(STR("q7#Zk"), &packed));
	assert_int_equal(packed.len, 0);
	strbuf_fini(&packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_gzip_is_wanted),
		cmocka_unit_test(test_content_type),
		cmocka_unit_test(test_etags),
		cmocka_unit_test(test_gzip_comes_back),
		cmocka_unit_test(test_what_gzip_would_not_shorten_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
