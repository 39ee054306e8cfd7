/* What sources say about their registries: each form that real ones use, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "subscribe/limits.h"
#include "subscribe/path_spelling.h"
#include "subscribe/registry_links.h"

static int set_up(void **state)
{
	*state = arena_new(FETCH_ARENA_MAX_BYTES);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

#define assert_text(given, expected) assert_string_equal((given).p ? (given).p : "(none)", expected)

static void roots(void **state)
{
	static const struct {
		const char *json, *registries, *sessions;
	} cases[] = {
		{ "{\"Registries\":{\"@odata.id\":\"/redfish/v1/"
		  "Registries\"},\"Links\":{\"Sessions\":"
		  "{\"@odata.id\":\"/s\"}}}",
		  "/redfish/v1/Registries", "/s" },
		{ "\xef\xbb\xbf{\"registries\":{\"@odata.ID\":\"/r/\"}}", "/r/", "(none)" },
		{ "{\"links\":{\"Registries\":{\"href\":\"/rest/v1/Registries\"}}}",
		  "/rest/v1/Registries", "(none)" },
		{ "{\"Registries\":\"/plain\"}", "/plain", "(none)" },
		{ "{\"Registries\":null,\"Links\":[]}", "(none)", "(none)" },
		{ "{\"Registries\":{\"@odata.id\":{\"@odata.id\":{\"@odata.id\":\"/deep\"}}}}",
		  "(none)", "(none)" },
		{ "{\"Registries\":{\"@odata.id\":\"\"}}", "(none)", "(none)" },
	};
	struct links_root root;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(links_root_parse(str_of(cases[i].json), *state, &root, NULL), 0);
		assert_text(root.registries, cases[i].registries);
		assert_text(root.sessions, cases[i].sessions);
	}
}

static void damaged(void **state)
{
	static const char *const cases[] = { "", "{", "[]", "null", "<html>", "{\"a\":}", "\xff" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct links_root root;
		struct links_page page;
		struct links_file file;

		err.text[0] = '\0';
		assert_int_equal(links_root_parse(str_of(cases[i]), *state, &root, &err), -EBADMSG);
		assert_true(err.text[0]);
		assert_int_equal(links_page_parse(str_of(cases[i]), *state, &page, &err), -EBADMSG);
		assert_int_equal(links_file_parse(str_of(cases[i]), *state, &file, &err), -EBADMSG);
	}
}

static void pages(void **state)
{
	struct links_page page;
	struct err err;

	assert_int_equal(links_page_parse(STR("{\"Members\":[{\"@odata.id\":\"/a\"},{},7,null,"
					      "\"/b\",{\"href\":\"/c\"}],"
					      "\"Members@odata.nextLink\":\"/next?$skip=3\"}"),
					  *state, &page, &err),
			 0);
	assert_int_equal(page.n_members, 3);
	assert_text(page.members[0], "/a");
	assert_text(page.members[1], "/b");
	assert_text(page.members[2], "/c");
	assert_text(page.next, "/next?$skip=3");
	assert_int_equal(links_page_parse(STR("{\"Members\":[]}"), *state, &page, &err), 0);
	assert_int_equal(page.n_members, 0);
	assert_null(page.next.p);
	assert_int_equal(links_page_parse(STR("{\"Members\":{}}"), *state, &page, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "without Members"));
}

/* More members, locations and text than the caps allow are cut or left out. */
static void caps(void **state)
{
	struct strbuf json;
	struct links_page page;
	struct links_file file;

	strbuf_init(&json, 8u << 20);
	strbuf_put_text(&json, "{\"Members\":[");
	for (int i = 0; i < FETCH_MAX_MEMBERS + 5; i++)
		strbuf_putf(&json, "%s\"/m/%d\"", i ? "," : "", i);
	strbuf_put_text(&json, "]}");
	assert_int_equal(links_page_parse(strbuf_str(&json), *state, &page, NULL), 0);
	assert_int_equal(page.n_members, FETCH_MAX_MEMBERS);
	strbuf_reset(&json);
	strbuf_put_text(&json, "{\"Location\":[");
	for (int i = 0; i < FETCH_MAX_LOCATIONS + 5; i++)
		strbuf_putf(&json, "%s{\"Language\":\"%0*d\"}", i ? "," : "",
			    i ? 2 : FETCH_MAX_TEXT_BYTES + 1, i);
	strbuf_put_text(&json, "]}");
	assert_int_equal(links_file_parse(strbuf_str(&json), *state, &file, NULL), 0);
	assert_int_equal(file.n_locations, FETCH_MAX_LOCATIONS);
	assert_null(file.locations[0].language.p);
	assert_text(file.locations[1].language, "01");
	strbuf_reset(&json);
	while (json.len <= FETCH_MAX_DOCUMENT_BYTES)
		strbuf_put_text(&json, "                                ");
	assert_int_equal(links_file_parse(strbuf_str(&json), *state, &file, NULL), -EFBIG);
	strbuf_fini(&json);
}

static void full_arena(void **state)
{
	struct arena *arena = arena_new(64);
	struct links_root root;
	struct err err;

	assert_int_equal(
		links_root_parse(STR("{\"Registries\":\"/0123456789012345678901234567890"
				     "12345678901234567890123456789012345678901234567890\"}"),
				 arena, &root, &err),
		-ENOMEM);
	assert_non_null(strstr(err.text, "more addresses"));
	arena_free(arena);
}

static void files(void **state)
{
	struct links_file file;

	assert_int_equal(
		links_file_parse(
			STR("{\"Registry\":\"Base.1.0\",\"Location\":[{\"Language\":\"en\","
			    "\"ArchiveUri\":\"/FileRepo/Registries.gz\",\"ArchiveFile\":"
			    "\"Base.1.0.0.json\",\"PublicationUri\":\"https://x/y\"},"
			    "{\"Language\":\"zh\",\"Uri\":{\"extref\":\"/store/zh\"}},7]}"),
			*state, &file, NULL),
		0);
	assert_text(file.registry, "Base.1.0");
	assert_false(file.is_registry);
	assert_int_equal(file.n_locations, 3);
	assert_text(file.locations[0].language, "en");
	assert_text(file.locations[0].archive_uri, "/FileRepo/Registries.gz");
	assert_text(file.locations[0].archive_file, "Base.1.0.0.json");
	assert_null(file.locations[0].uri.p);
	assert_text(file.locations[1].uri, "/store/zh");
	assert_null(file.locations[2].uri.p);
	assert_int_equal(links_file_parse(STR("{\"Messages\":{}}"), *state, &file, NULL), 0);
	assert_true(file.is_registry);
	assert_int_equal(file.n_locations, 0);
}

static void other_registries(void **state)
{
	assert_true(links_name_is_other(STR("/redfish/v1/Registries/BiosAttributeRegistryA43.v1")));
	assert_true(links_name_is_other(STR("Redfish_1.0.3_PrivilegeRegistry")));
	assert_true(links_name_is_other(STR("/x/biosattributeregistry")));
	assert_false(links_name_is_other(STR("HpeBiosMessageRegistry.v1_0_0")));
	assert_false(links_name_is_other(STR("AttributeRegistr")));
	assert_false(links_name_is_other(STR("")));
	assert_true(links_body_is_other(STR("{\"@odata.type\": \"#AttributeRegistry.v1_2_0.x\"}")));
	assert_true(links_body_is_other(STR("{\"@odata.type\": \"#PrivilegeRegistry.v1_2_0.x\"}")));
	assert_false(links_body_is_other(STR("{\"@odata.type\": \"#MessageRegistry.v1_2_0.x\","
					     "\"y\": \"#PrivilegeRegistry.v1\"}")));
	assert_false(links_body_is_other(STR("{\"Messages\":{}}")));
}

static bool fixed(const struct path_spelling *spelling, const char *path, const char *expected)
{
	struct strbuf out;
	bool found, same;

	strbuf_init(&out, FETCH_MAX_URI_BYTES);
	found = path_spelling_fix(spelling, str_of(path), &out);
	same = found == (expected != NULL) && (!found || strcmp(out.p, expected) == 0);
	if (!same)
		print_message("%s -> %s\n", path, found ? out.p : "(none)");
	strbuf_fini(&out);
	return same;
}

static void spellings(void **state)
{
	struct path_spelling *spelling = path_spelling_new(*state);

	path_spelling_learn(spelling, STR("/redfish/v1/RegistryStore/registries/en/iLO.json/"));
	path_spelling_learn(spelling, STR("/redfish/v1/Registries?$top=1"));
	assert_true(fixed(spelling, "/redfish/v1/registrystore/registries/en/a.b",
			  "/redfish/v1/RegistryStore/registries/en/a.b"));
	assert_true(fixed(spelling, "/redfish/v1/registrystore/registries/ja/a.b",
			  "/redfish/v1/RegistryStore/registries/ja/a.b"));
	assert_true(
		fixed(spelling, "/REDFISH/v1/REGISTRIES/X?a=/B", "/redfish/v1/Registries/X?a=/B"));
	assert_true(fixed(spelling, "/redfish/v1/registries", "/redfish/v1/Registries"));
	assert_true(fixed(spelling, "/redfish/v1/registries?x", "/redfish/v1/Registries?x"));
	assert_true(fixed(spelling, "/redfish/v1/RegistryStore/x", NULL));
	assert_true(fixed(spelling, "/redfish/v1/registrystores/x", NULL));
	assert_true(fixed(spelling, "/other", NULL));
	path_spelling_learn(spelling, STR("/redfish/v1/REGISTRIES"));
	assert_true(fixed(spelling, "/redfish/v1/registries", "/redfish/v1/Registries"));
	path_spelling_free(spelling);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots),
		cmocka_unit_test(damaged),
		cmocka_unit_test(pages),
		cmocka_unit_test(caps),
		cmocka_unit_test(full_arena),
		cmocka_unit_test(files),
		cmocka_unit_test(other_registries),
		cmocka_unit_test(spellings),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
