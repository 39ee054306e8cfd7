/* Addresses of a source: its own in every form, and none that leads elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "subscribe/limits.h"
#include "subscribe/source_url.h"

static void origins(void **state)
{
	static const struct {
		const char *url, *origin; /* NULL: refused */
	} cases[] = {
		{ "https://10.1.2.3", "https://10.1.2.3" },
		{ "HTTPS://BMC-7.Example/redfish/v1/?x=1", "https://bmc-7.example" },
		{ "https://10.1.2.3:443/", "https://10.1.2.3" },
		{ "http://10.1.2.3:80", "http://10.1.2.3" },
		{ "http://10.1.2.3:443", "http://10.1.2.3:443" },
		{ "https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443" },
		{ "https://[fe80::1%25eth0]", "https://[fe80::1%25eth0]" },
		{ "https://a#b", "https://a" },
		{ "https://", NULL },
		{ "https:///redfish", NULL },
		{ "ftp://10.1.2.3", NULL },
		{ "10.1.2.3", NULL },
		{ "https://root:calvin@10.1.2.3", NULL },
		{ "https://10.1.2.3\\evil", NULL },
		{ "https://10.1.2.3 evil", NULL },
		{ "https://10.1.2.3\r\nX: y", NULL },
		{ "", NULL },
		/* Ports are numbers, and IPv6 addresses addresses. */
		{ "https://bmc_7.example:65535", "https://bmc_7.example:65535" },
		{ "https://[::ffff:10.1.2.3%eth0.5]:1", "https://[::ffff:10.1.2.3%eth0.5]:1" },
		{ "https://a:", NULL },
		{ "https://a:0", NULL },
		{ "https://a:65536", NULL },
		{ "https://a:443x", NULL },
		{ "https://a:b:c", NULL },
		{ "https://a%25b", NULL },
		{ "https://:443", NULL },
		{ "https://fe80::1", NULL },
		{ "https://[fe80::1", NULL },
		{ "https://fe80::1]", NULL },
		{ "https://[fe80::1]x", NULL },
		{ "https://[fe80::1]:", NULL },
		{ "https://[fe80::1%]", NULL },
		{ "https://[fe80::1%a%b]", NULL },
		{ "https://[10.1.2.3]", NULL },
		{ "https://[--SS%S::4]", NULL },
		{ "https://[]", NULL },
	};
	struct strbuf out;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { "" };
		int r;

		strbuf_init(&out, 256);
		r = source_url_origin(str_of(cases[i].url), &out, &err);
		if (r == 0 && cases[i].origin)
			assert_string_equal(out.p, cases[i].origin);
		else if (r == 0 || cases[i].origin)
			fail_msg("%s: %d %s", cases[i].url, r, r ? err.text : out.p);
		else
			assert_int_equal(r, -EINVAL);
		strbuf_fini(&out);
	}
}

static void long_hosts(void **state)
{
	char url[300] = "https://";
	struct strbuf out;

	memset(url + 8, 'x', sizeof(url) - 8);
	strbuf_init(&out, 1024);
	assert_int_equal(source_url_origin((struct str){ url, 8 + 253 }, &out, NULL), 0);
	assert_int_equal(source_url_origin((struct str){ url, 8 + 254 }, &out, NULL), -EINVAL);
	strbuf_fini(&out);
}

static void references(void **state)
{
	static const char from[] = "/redfish/v1/Registries/iLO?x=/a/b";
	static const struct {
		struct str reference;
		const char *path; /* NULL: refused with `code` */
		int code;
	} cases[] = {
		{ STR("/redfish/v1/Registries"), "/redfish/v1/Registries", 0 },
		{ STR(" /redfish/v1/x\n"), "/redfish/v1/x", 0 },
		{ STR("/a?$skip=20&b=c:d"), "/a?$skip=20&b=c:d", 0 },
		{ STR("/a/%23SUTReg.v2"), "/a/%23SUTReg.v2", 0 },
		{ STR("/a/b#/Messages"), "/a/b", 0 },
		{ STR("/a b\"\xc3\xbc\\"), "/a%20b%22%C3%BC%5C", 0 },
		{ STR("iLO.json"), "/redfish/v1/Registries/iLO.json", 0 },
		{ STR("../x"), "/redfish/v1/Registries/../x", 0 },
		{ STR("https://10.1.2.3/y"), "/y", 0 },
		{ STR("HTTPS://10.1.2.3:443/y?z"), "/y?z", 0 },
		{ STR("https://10.1.2.3"), "/", 0 },
		{ STR("https://10.1.2.3?z"), "/?z", 0 },
		{ STR("//10.1.2.3/y"), "/y", 0 },
		{ STR("https://10.1.2.3//evil/y"), "//evil/y", 0 },
		{ STR("\\\\evil\\y"), "/redfish/v1/Registries/%5C%5Cevil%5Cy", 0 },
		{ STR("x\0y"), "/redfish/v1/Registries/x%00y", 0 },
		{ STR("http://10.1.2.3/y"), NULL, -EXDEV },
		{ STR("https://10.1.2.3:8443/y"), NULL, -EXDEV },
		{ STR("https://10.1.2.30/y"), NULL, -EXDEV },
		{ STR("https://10.1.2.3@evil/y"), NULL, -EXDEV },
		{ STR("https://10.1.2.3\\@evil/y"), NULL, -EXDEV },
		{ STR("https://10.1.2.3\0.evil/y"), NULL, -EXDEV },
		{ STR("https:10.1.2.3/y"), NULL, -EXDEV },
		{ STR("//evil/y"), NULL, -EXDEV },
		{ STR("///y"), NULL, -EXDEV },
		{ STR("file:///etc/passwd"), NULL, -EXDEV },
		{ STR("10.1.2.3:22"), NULL, -EXDEV },
		{ STR(""), NULL, -EINVAL },
		{ STR(" "), NULL, -EINVAL },
		{ STR("#x"), NULL, -EINVAL },
	};
	struct strbuf out;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { "" };
		int r;

		strbuf_init(&out, FETCH_MAX_URI_BYTES);
		r = source_url_path(STR("https://10.1.2.3"), str_of(from), cases[i].reference, &out,
				    &err);
		if (r != cases[i].code)
			fail_msg("'%s' gives %d %s", cases[i].reference.p, r, err.text);
		if (r == 0)
			assert_string_equal(out.p, cases[i].path);
		else
			assert_true(err.text[0]);
		strbuf_fini(&out);
	}
}

static void too_long(void **state)
{
	char *path = xmalloc(FETCH_MAX_URI_BYTES + 1);
	struct str whole = { path, FETCH_MAX_URI_BYTES };
	struct strbuf out;

	memset(path, '/', 1);
	memset(path + 1, 'a', FETCH_MAX_URI_BYTES);
	strbuf_init(&out, FETCH_MAX_URI_BYTES);
	assert_int_equal(source_url_path(STR("http://a"), STR("/"), whole, &out, NULL), 0);
	assert_int_equal(out.len, FETCH_MAX_URI_BYTES);
	strbuf_reset(&out);
	whole.len++;
	assert_int_equal(source_url_path(STR("http://a"), STR("/"), whole, &out, NULL),
			 -ENAMETOOLONG);
	/* Escaping makes it longer. */
	strbuf_reset(&out);
	whole.len--;
	path[9] = ' ';
	assert_int_equal(source_url_path(STR("http://a"), STR("/"), whole, &out, NULL),
			 -ENAMETOOLONG);
	strbuf_fini(&out);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origins),
		cmocka_unit_test(long_hosts),
		cmocka_unit_test(references),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
