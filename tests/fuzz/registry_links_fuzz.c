/* What a source says about its registries: refused with words, or addresses that stay on the source
 * and find their way through the spelling of folders. */
#include "fuzz.h"

#include <errno.h>

#include "base/arena.h"
#include "subscribe/limits.h"
#include "subscribe/path_spelling.h"
#include "subscribe/registry_links.h"
#include "subscribe/source_url.h"

#define ORIGIN STR("https://10.1.2.3")

/* A path of visible ASCII from the root, which resolves to itself. */
static void check_reference(struct path_spelling *spelling, struct str reference)
{
	struct strbuf path, again;
	struct err err = { "" };
	int r;

	strbuf_init(&path, FETCH_MAX_URI_BYTES);
	strbuf_init(&again, FETCH_MAX_URI_BYTES);
	r = source_url_path(ORIGIN, STR("/redfish/v1/x"), reference, &path, &err);
	CHECK(r == 0 || r == -EXDEV || r == -EINVAL || r == -ENAMETOOLONG);
	CHECK(r == 0 || err.text[0]);
	if (r == 0) {
		CHECK(path.len > 0 && path.p[0] == '/');
		for (size_t i = 0; i < path.len; i++)
			CHECK(path.p[i] > ' ' && path.p[i] < 0x7f && path.p[i] != '\\' &&
			      path.p[i] != '#');
		strbuf_put(&again, ORIGIN);
		if (path.len + ORIGIN.len <= FETCH_MAX_URI_BYTES) {
			struct strbuf back;

			strbuf_put(&again, strbuf_str(&path));
			strbuf_init(&back, FETCH_MAX_URI_BYTES);
			CHECK(source_url_path(ORIGIN, STR("/"), strbuf_str(&again), &back, NULL) ==
			      0);
			CHECK(str_eq(strbuf_str(&back), strbuf_str(&path)));
			strbuf_fini(&back);
		}
		strbuf_reset(&again);
		if (path_spelling_fix(spelling, strbuf_str(&path), &again)) {
			CHECK(str_eq_nocase(strbuf_str(&again), strbuf_str(&path)));
			CHECK(!str_eq(strbuf_str(&again), strbuf_str(&path)));
		}
		path_spelling_learn(spelling, strbuf_str(&path));
	}
	strbuf_fini(&path);
	strbuf_fini(&again);
}

static void check_links(struct str json, struct arena *arena, struct path_spelling *spelling)
{
	struct links_root root;
	struct links_page page;
	struct links_file file;
	struct err err = { "" };
	int r = links_root_parse(json, arena, &root, &err);

	CHECK(r == 0 || ((r == -EBADMSG || r == -ENOMEM) && err.text[0]));
	if (r == 0 && root.registries.p)
		check_reference(spelling, root.registries);
	r = links_page_parse(json, arena, &page, &err);
	CHECK(r == 0 || r == -EBADMSG || r == -ENOMEM);
	for (size_t i = 0; r == 0 && i < page.n_members; i++)
		check_reference(spelling, page.members[i]);
	r = links_file_parse(json, arena, &file, &err);
	CHECK(r == 0 || r == -EBADMSG || r == -ENOMEM);
	for (size_t i = 0; r == 0 && i < file.n_locations; i++) {
		CHECK(file.locations[i].language.len <= FETCH_MAX_TEXT_BYTES);
		if (file.locations[i].uri.p)
			check_reference(spelling, file.locations[i].uri);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(FETCH_ARENA_MAX_BYTES);
	struct path_spelling *spelling = path_spelling_new(arena);
	struct str text = fuzz_str(data, size);
	struct strbuf origin;

	check_links(text, arena, spelling);
	check_reference(spelling, text);
	strbuf_init(&origin, FETCH_MAX_URI_BYTES);
	if (source_url_origin(text, &origin, NULL) == 0)
		CHECK(str_starts_with(strbuf_str(&origin), STR("http")) &&
		      str_find_char(strbuf_str(&origin), '@') == origin.len);
	strbuf_fini(&origin);
	links_name_is_other(text);
	links_body_is_other(text);
	path_spelling_free(spelling);
	arena_free(arena);
	return 0;
}
