/* The table of resources: paths are found, methods are known, and the document shows all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/resources.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#define DOCUMENT "docs/api/redfish.md"
#define LOG      "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries"

static void test_paths(void **state)
{
	static const struct {
		const char *path, *pattern, *first, *second, *rest;
	} cases[] = {
		{ "/redfish/v1/", "/redfish/v1", "", "", "" },
		{ "/redfish/v1", "/redfish/v1", "", "", "" },
		{ "/redfish/v1/$metadata", "/redfish/v1/$metadata", "", "", "" },
		{ LOG "/12", LOG "/{Id}", "12", "", "12" },
		{ LOG "/12/attachment", LOG "/{Id}/attachment", "12", "", "12/attachment" },
		{ "/redfish/v1/Registries/A/B.json", "/redfish/v1/Registries/{Id}/{File}", "A",
		  "B.json", "A/B.json" },
		{ "/redfish/v1/Registries/Actions/Oem/Rfeventd.Resolve",
		  "/redfish/v1/Registries/Actions/Oem/Rfeventd.Resolve", "", "", "" },
		{ "/rest/v1/Managers/x/", "/rest/v1/{Path…}", "Managers/x", "", "Managers/x" },
		{ "/redfish/v1/Nothing", NULL, "", "", "" },
		{ "/redfish/v1//Managers", NULL, "", "", "" },
		{ LOG "/12/nothing", NULL, "", "", "" },
		{ "", NULL, "", "", "" },
		{ "/", NULL, "", "", "" },
		{ "redfish", NULL, "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct place place = resource_find(str_of(cases[i].path));

		if (!cases[i].pattern) {
			assert_null(place.resource);
			continue;
		}
		if (!place.resource)
			fail_msg("'%s' was not found", cases[i].path);
		assert_string_equal(place.resource->path, cases[i].pattern);
		assert_true(str_eq(place.ids[0], str_of(cases[i].first)));
		assert_true(str_eq(place.ids[1], str_of(cases[i].second)));
		assert_true(str_eq(place.rest, str_of(cases[i].rest)));
	}
}

static void test_methods_and_allow(void **state)
{
	const struct resource *registries = resource_find(STR("/redfish/v1/Registries")).resource;
	struct strbuf allow;

	assert_non_null(resource_method(registries, HTTP_HEAD));
	assert_ptr_equal(resource_method(registries, HTTP_GET),
			 resource_method(registries, HTTP_HEAD));
	assert_int_equal(resource_method(registries, HTTP_POST)->access, ACCESS_ADMINISTER);
	assert_null(resource_method(registries, HTTP_PUT));
	assert_null(resource_method(registries, HTTP_DELETE));
	assert_null(resource_method(registries, HTTP_OPTIONS));
	strbuf_init(&allow, 64);
	resource_put_allow(registries, &allow);
	assert_string_equal(allow.p, "GET, HEAD, POST");
	strbuf_fini(&allow);
}

/* Only what DSP0266 opens, the health of the service, and the ways to log in. */
static void test_what_is_open_to_anybody(void **state)
{
	static const char *const open[] = {
		"/-/healthy",  "/-/ready",          "/stream",
		"/rest/v1",    "/rest/v1/{Path…}",  "/redfish",
		"/redfish/v1", "/redfish/v1/odata", "/redfish/v1/$metadata"
	};
	size_t n = 0;

	for (size_t i = 0; i < resource_count(); i++) {
		const struct resource *row = resource_at(i);

		if (resource_method(row, HTTP_GET) && row->get.access <= ACCESS_STREAM)
			assert_string_equal(row->path, open[n++]);
		if (row->post.fn && row->post.access <= ACCESS_STREAM)
			assert_true(row->flags & RESOURCE_PLAIN || strstr(row->path, "/Sessions"));
		assert_false(row->patch.fn && row->patch.access <= ACCESS_STREAM);
		assert_false(row->delete.fn && row->delete.access <= ACCESS_STREAM);
	}
	assert_int_equal(n, ARRAY_LEN(open));
}

static void test_children_are_the_fixed_rows_below(void **state)
{
	assert_string_equal(resource_child(STR("/redfish/v1"), 0)->path, "/redfish/v1/Managers");
	assert_string_equal(resource_child(STR("/redfish/v1/Managers"), 0)->path,
			    "/redfish/v1/Managers/rfeventd");
	assert_null(resource_child(STR("/redfish/v1/Managers"), 1));
	assert_null(resource_child(STR("/redfish/v1/Registries"), 0));
}

/* --- the document -------------------------------------------------------------------------------
 */

static const char *access_text(const struct resource_method *method)
{
	static const char *const names[] = {
		[ACCESS_OPEN] = "anybody",     [ACCESS_STREAM] = "anybody",
		[ACCESS_METRICS] = "ReadOnly", [ACCESS_READ] = "ReadOnly",
		[ACCESS_ASK] = "ReadOnly",     [ACCESS_SELF] = "ReadOnly, own",
		[ACCESS_OPERATE] = "Operator", [ACCESS_ADMINISTER] = "Administrator",
	};

	return method ? names[method->access] : "";
}

static void put_row(const struct resource *row, struct strbuf *out)
{
	strbuf_putf(out, "| `%s` | %s | %s | %s | %s | %s |\n", row->path,
		    row->type ? row->type : "", access_text(resource_method(row, HTTP_GET)),
		    access_text(resource_method(row, HTTP_POST)),
		    access_text(resource_method(row, HTTP_PATCH)),
		    access_text(resource_method(row, HTTP_DELETE)));
}

static void test_the_document_shows_the_table(void **state)
{
	struct strbuf table;
	struct err err;
	char *text;
	size_t n;

	if (file_read(DOCUMENT, 1 << 20, &text, &n, &err) < 0)
		fail_msg("%s", err.text);
	strbuf_init(&table, 1 << 20);
	for (size_t i = 0; i < resource_count(); i++)
		put_row(resource_at(i), &table);
	if (str_find((struct str){ text, n }, strbuf_str(&table)) == n) {
		fputs(table.p, stderr); /* longer than fail_msg() shows */
		fail_msg("the table of " DOCUMENT " should be the one above");
	}
	strbuf_fini(&table);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_methods_and_allow),
		cmocka_unit_test(test_what_is_open_to_anybody),
		cmocka_unit_test(test_children_are_the_fixed_rows_below),
		cmocka_unit_test(test_the_document_shows_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
