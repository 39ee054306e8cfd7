/* Registry: any file is refused with words, or becomes a registry whose messages can be found. */
#include "fuzz.h"

#include <errno.h>

#include "registries/limits.h"
#include "registries/message_id.h"
#include "registries/placeholder_priv.h"
#include "registries/registry.h"
#include "registries/resolve.h"

static void check_message(const struct registry *registry, size_t i)
{
	const struct message *message = registry_message_at(registry, i);

	CHECK(registry_find(registry, message->key) == message);
	CHECK(message->key.len > 0 && message->key.len <= REGISTRY_MAX_KEY_BYTES);
	CHECK(str_eq(str_trim(message->key), message->key));
	CHECK(i == 0 || str_cmp(registry_message_at(registry, i - 1)->key, message->key) < 0);
	CHECK(str_is_utf8(message->key) && str_is_utf8(message->text));
	CHECK(str_is_utf8(message->description) && str_is_utf8(message->resolution));
	CHECK(message->text.len <= REGISTRY_MAX_TEXT_BYTES);
	CHECK(message->n_args == placeholder_highest(message->text));
	for (size_t k = 0; k < message->n_clears; k++)
		CHECK(str_is_utf8(message->clears[k]));
}

/* An id made of the registry's own words names the message it was made of. */
static void check_resolve(const struct registry_set *set, const struct registry *registry, size_t i)
{
	const struct message *message = registry_message_at(registry, i);
	struct message_id id;
	struct match match;
	unsigned version[3];
	char *text;

	registry_version_numbers(registry, version);
	text = xasprintf("%.*s.%u.%u.%.*s", STR_ARG(registry_prefix(registry)), version[0],
			 version[1], STR_ARG(message->key));
	id = message_id_parse(str_of(text));
	match = resolve_find(set, (struct uuid){ { 0 } }, str_of(text), true, message->n_args);
	/* A key may look like a part of the version, a prefix may hold a dot: then it is another.
	 */
	if (id.form == MESSAGE_ID_STANDARD && str_eq(id.key, message->key) &&
	    str_eq(id.prefix, registry_prefix(registry)) && id.major == version[0] &&
	    id.minor == version[1])
		CHECK_SAYING(match.message == message && match.step == STEP_EXACT, "(%s)", text);
	free(text);
}

static void check_findings(const struct registry *registry)
{
	size_t n = 0;

	for (const struct registry_finding *at = registry_findings(registry); at; at = at->next) {
		CHECK(++n <= REGISTRY_MAX_FINDINGS);
		CHECK(at->code && at->code[0] && at->words.len > 0 && str_is_utf8(at->words));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry *registry = NULL;
	struct registry_set *set;
	struct err err = { "" };
	int r = registry_parse(fuzz_str(data, size), "dir/Fans.1.0.0.json", &registry, &err);

	CHECK(r == 0 || ((r == -EFBIG || r == -EBADMSG || r == -EINVAL) && !registry));
	CHECK(r == 0 || str_starts_with(str_of(err.text), STR("dir/Fans.1.0.0.json")));
	if (r < 0)
		return 0;
	CHECK(registry_prefix(registry).len > 0 && registry_sha256(registry).len == 64);
	CHECK(str_is_utf8(registry_prefix(registry)) && str_is_utf8(registry_version(registry)));
	CHECK(str_is_utf8(registry_language(registry)));
	check_findings(registry);
	set = registry_set_new(&registry, 1);
	CHECK(registry_set_count(set) == 1 && registry_set_at(set, 0) == registry);
	for (size_t i = 0; i < registry_count(registry); i++) {
		check_message(registry, i);
		check_resolve(set, registry, i);
	}
	registry_set_unref(set);
	return 0;
}
