/* Catalog: any translation file is refused with words, or becomes a catalog; laid over a registry,
 * what fits is said with each argument in its place, and all else is left as it was. */
#include "fuzz.h"

#include <errno.h>
#include <sys/stat.h>

#include <jansson.h>

#include "event/entry.h"
#include "event/event.h"
#include "event/limits.h"
#include "registries/registry.h"
#include "registries/registry_body.h"
#include "registries/translate.h"
#include "translations/catalog.h"
#include "translations/language.h"
#include "translations/limits.h"

#define REST "\"Description\":\"d\",\"Severity\":\"OK\",\"Resolution\":\"Look.\"}"

static const char registry_file[] =
	"{\"@odata.type\":\"#MessageRegistry.v1_7_0.MessageRegistry\",\"Id\":\"Fans.1.0.0\","
	"\"Name\":\"n\",\"Language\":\"en\",\"RegistryPrefix\":\"Fans\","
	"\"RegistryVersion\":\"1.0.0\",\"OwningEntity\":\"C\",\"Messages\":{"
	"\"Stopped\":{\"Message\":\"Fan %1 of %2 stopped.\",\"NumberOfArgs\":2,"
	"\"ParamTypes\":[\"string\",\"number\"]," REST
	",\"Back\":{\"Message\":\"Bay %2 is before %1.\",\"NumberOfArgs\":2," REST
	",\"Twice\":{\"Message\":\"Both %1 and %1.\",\"NumberOfArgs\":1," REST
	",\"Fine\":{\"Message\":\"All is well.\",\"NumberOfArgs\":0," REST
	",\"hot.Air\":{\"Message\":\"Hot air at %1.\",\"NumberOfArgs\":1," REST "}}";

/* What a sender gives, and how German shows it; one that looks like a placeholder itself. */
static const struct str given[] = { STR("A%2"), STR("1.5") };

static struct {
	struct registry_set *set;
	const struct registry *registry;
	struct translator *translator;
	char folder[128], file[192];
} house;

static void house_remove(void)
{
	unlink(house.file);
	rmdir(house.folder);
	translator_free(house.translator);
	registry_set_unref(house.set);
}

static void house_open(void)
{
	struct registry *registry = NULL;
	struct err err = { "" };

	if (house.set)
		return;
	CHECK_SAYING(registry_parse(STR(registry_file), "Fans.json", &registry, &err) == 0, "%s",
		     err.text);
	house.registry = registry;
	house.set = registry_set_new(&registry, 1);
	house.translator = translator_new();
	snprintf(house.folder, sizeof(house.folder), "%s/de", fuzz_dir());
	snprintf(house.file, sizeof(house.file), "%s/Fans.json", house.folder);
	CHECK(mkdir(house.folder, 0700) == 0);
	atexit(house_remove);
}

/* --- the file ----------------------------------------------------------------------------------
 */

static void check_text(struct str text)
{
	CHECK(!text.p || (str_is_utf8(text) && str_trim(text).len > 0));
	CHECK(text.len <= 3 * CATALOG_MAX_TEXT); /* what NFC may make of it */
}

static void check_findings(const struct catalog *catalog)
{
	size_t n = 0;

	for (const struct catalog_finding *at = catalog_findings(catalog); at; at = at->next) {
		CHECK(++n <= CATALOG_MAX_FINDINGS);
		CHECK(at->code && at->code[0] && at->words.len > 0);
		CHECK_SAYING(str_is_utf8(at->words), "(%.*s)", STR_ARG(at->words));
		CHECK(!at->key.p || str_is_utf8(at->key));
	}
}

static void check_catalog(const struct catalog *catalog)
{
	char tag[LANGUAGE_MAX_BYTES];

	CHECK(language_tidy(str_of(catalog_language(catalog)), tag));
	CHECK(strcmp(tag, catalog_language(catalog)) == 0);
	CHECK(catalog_prefix(catalog).len > 0 && str_is_utf8(catalog_prefix(catalog)));
	CHECK(str_is_utf8(catalog_version(catalog)));
	check_findings(catalog);
	for (size_t i = 0; i < catalog_count(catalog); i++) {
		const struct translated *translated = catalog_at(catalog, i);

		CHECK(translated->key.len > 0 && str_is_utf8(translated->key));
		CHECK(str_eq(str_trim(translated->key), translated->key));
		CHECK(translated->message.p || translated->resolution.p);
		check_text(translated->message);
		check_text(translated->resolution);
	}
}

/* NULL when it is refused. */
static struct catalog *parse(struct str file, const char *folder)
{
	struct catalog *catalog = NULL;
	struct err err = { "" };
	int r = catalog_parse(file, "de/Fans.json", folder, &catalog, &err);

	CHECK(r == 0 || ((r == -EFBIG || r == -EBADMSG || r == -EINVAL) && !catalog));
	CHECK(r == 0 || str_starts_with(str_of(err.text), STR("de/Fans.json")));
	/* jansson quotes what it could not read, cut anywhere. */
	CHECK_SAYING(r != -EINVAL || str_is_utf8(str_of(err.text)), "(%s)", err.text);
	return catalog;
}

/* Written out as it was taken, it is taken as the same, and nothing is left to say of its texts. */
static void check_again(const struct catalog *catalog)
{
	json_t *messages = json_object(), *root = json_object(), *body;
	struct catalog *again;
	char *file;

	for (size_t i = 0; i < catalog_count(catalog); i++) {
		const struct translated *translated = catalog_at(catalog, i);
		char *key = xasprintf("%.*s", STR_ARG(translated->key));

		body = json_object();
		if (translated->message.p)
			json_object_set_new(
				body, "Message",
				json_stringn(translated->message.p, translated->message.len));
		if (translated->resolution.p)
			json_object_set_new(
				body, "Resolution",
				json_stringn(translated->resolution.p, translated->resolution.len));
		json_object_set_new(messages, key, body);
		free(key);
	}
	json_object_set_new(root, "Messages", messages);
	json_object_set_new(root, "RegistryPrefix",
			    json_stringn(catalog_prefix(catalog).p, catalog_prefix(catalog).len));
	json_object_set_new(root, "Language", json_string(catalog_language(catalog)));
	file = json_dumps(root, 0);
	again = parse(str_of(file), NULL);
	CHECK(again && !catalog_findings(again));
	CHECK(catalog_count(again) == json_object_size(messages));
	for (size_t i = 0; i < catalog_count(again); i++)
		check_text(catalog_at(again, i)->message);
	catalog_free(again);
	json_decref(root);
	free(file);
}

/* --- over the registry --------------------------------------------------------------------------
 */

/* Value of the digits at `at`, 0 for none; the end of them. */
static size_t number_at(struct str text, size_t at, size_t *end)
{
	size_t n = 0;

	for (*end = at; *end < text.len && text.p[*end] >= '0' && text.p[*end] <= '9'; ++*end)
		n = n > 100000 ? n : n * 10 + (size_t)(text.p[*end] - '0');
	return n;
}

/* Byte by byte: `text` with the arguments as `german` or as given, and whether it asks for exactly
 * those of `like` (NULL: do not look). */
static bool fill(struct str text, bool german, const struct message *like, struct strbuf *out)
{
	bool asks[DECODE_MAX_ARGS + 1] = { false };

	for (size_t i = 0; i < text.len;) {
		size_t end = i + 1, n = text.p[i] == '%' ? number_at(text, i + 1, &end) : 0;

		asks[n <= DECODE_MAX_ARGS ? n : 0] |= n > 0;
		if (n == 2 && german && like->number_args >> 1 & 1)
			strbuf_put(out, STR("1,5"));
		else if (n > 0 && n <= ARRAY_LEN(given))
			strbuf_put(out, given[n - 1]);
		else
			strbuf_put(out, (struct str){ text.p + i, end - i });
		i = end;
	}
	for (size_t n = 0; n <= DECODE_MAX_ARGS; n++)
		if (asks[n] != (n > 0 && n <= like->n_args))
			return false;
	return true;
}

/* The last of this key counts; prefixes are compared without case. */
static struct translated find(const struct catalog *catalog, struct str key)
{
	struct translated found = { .key = key };

	if (str_eq_nocase(catalog_prefix(catalog), STR("Fans")))
		for (size_t i = 0; i < catalog_count(catalog); i++)
			if (str_eq(catalog_at(catalog, i)->key, key))
				found = *catalog_at(catalog, i);
	return found;
}

static void check_words(const struct catalog_set *catalogs, const struct message *message,
			struct translated translated, struct str text)
{
	char *id = xasprintf("Fans.1.0.%.*s", STR_ARG(message->key));
	struct event event = { .message_id = str_of(id),
			       .message_args = (struct str[]){ given[0], given[1] },
			       .n_message_args = message->n_args,
			       .has_message_args = true,
			       .sender_message = text,
			       .message = STR("stored"),
			       .resolution = STR("advice") };
	struct wording wording = { .message = STR("untouched") };
	struct strbuf expect;
	bool fits = false, found;

	strbuf_init(&expect, 1u << 20);
	if (translated.message.p)
		fits = fill(translated.message, true, message, &expect);
	found = translator_words(house.translator, house.set, catalogs,
				 catalog_set_choose(catalogs, STR("de")), (struct uuid){ { 0 } },
				 &event, &wording);
	CHECK(found == (translated.message.p || translated.resolution.p));
	CHECK(found || str_eq(wording.message, STR("untouched")));
	if (found) {
		struct str shown = fits ? strbuf_str(&expect) : event.message;

		CHECK_SAYING(str_eq(wording.message, shown), "(%.*s, not %.*s)",
			     STR_ARG(wording.message), STR_ARG(shown));
		CHECK(str_eq(wording.language, fits ? STR("de") : STR("")));
		CHECK(str_eq(wording.resolution,
			     translated.resolution.p ? translated.resolution : event.resolution));
	}
	strbuf_fini(&expect);
	free(id);
}

/* As served: a registry file of the same messages, each asking for what it asked for. */
static void check_body(const struct catalog_set *catalogs)
{
	struct registry *translated = NULL;
	struct err err = { "" };
	struct strbuf out;

	strbuf_init(&out, 1u << 20);
	CHECK(registry_body_translate(house.registry, STR(registry_file), catalogs,
				      catalog_set_choose(catalogs, STR("de")), &out, &err) == 0);
	CHECK_SAYING(registry_parse(strbuf_str(&out), "Fans.json", &translated, &err) == 0, "(%s)",
		     err.text);
	CHECK(str_eq(registry_language(translated), STR("de")));
	CHECK(registry_count(translated) == registry_count(house.registry));
	for (size_t i = 0; i < registry_count(translated); i++) {
		const struct message *message = registry_message_at(house.registry, i);
		const struct message *now = registry_find(translated, message->key);

		CHECK(now && now->n_args == message->n_args);
	}
	registry_unref(translated);
	strbuf_fini(&out);
}

static void check_laid_over(struct str file, const struct catalog *catalog)
{
	const char *folders[] = { fuzz_dir() };
	struct catalog_set *catalogs;
	struct strbuf text;

	fuzz_write(house.file, file);
	catalogs = catalog_set_load(folders, 1, "en");
	CHECK(catalog_set_count(catalogs) == 1);
	strbuf_init(&text, 1u << 12);
	for (size_t i = 0; i < registry_count(house.registry); i++) {
		const struct message *message = registry_message_at(house.registry, i);
		struct translated translated = find(catalog, message->key);

		check_words(catalogs, message, translated, (struct str){ NULL, 0 });
		strbuf_reset(&text);
		fill(message->text, false, message, &text);
		check_words(catalogs, message, translated, strbuf_str(&text));
	}
	check_body(catalogs);
	strbuf_fini(&text);
	catalog_set_unref(catalogs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str file = fuzz_str(data, size);
	struct catalog *own = parse(file, NULL), *in_folder = parse(file, "de");

	house_open();
	CHECK(!own || in_folder);
	if (own)
		check_catalog(own);
	if (in_folder) {
		CHECK(strcmp(catalog_language(in_folder), "de") == 0);
		check_catalog(in_folder);
		check_again(in_folder);
		check_laid_over(file, in_folder);
	}
	catalog_free(own);
	catalog_free(in_folder);
	return 0;
}
