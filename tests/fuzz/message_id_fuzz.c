/* MessageId: its parts lie in the text, and put together again they parse to the same. */
#include "fuzz.h"

#include "registries/message_id.h"

static bool same(const struct message_id *a, const struct message_id *b)
{
	return a->form == b->form && str_eq(a->prefix, b->prefix) && str_eq(a->key, b->key) &&
	       a->has_version == b->has_version && a->major == b->major && a->minor == b->minor &&
	       a->patch == b->patch;
}

/* The form without vendors' words, leading zeros and lone numbers. */
static char *plain(const struct message_id *id)
{
	if (id->form == MESSAGE_ID_PATCH)
		return xasprintf("%.*s.%u.%u.%u.%.*s", STR_ARG(id->prefix), id->major, id->minor,
				 id->patch, STR_ARG(id->key));
	if (id->form == MESSAGE_ID_STANDARD)
		return xasprintf("%.*s.%u.%u.%.*s", STR_ARG(id->prefix), id->major, id->minor,
				 STR_ARG(id->key));
	return NULL;
}

static void check_again(const struct message_id *id)
{
	char *text = plain(id);
	struct message_id again;

	if (!text)
		return;
	again = message_id_parse(str_of(text));
	/* Of numbers alone it is another form. */
	CHECK_SAYING(same(id, &again) || again.form == MESSAGE_ID_NUMBERS, "(%s)", text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = fuzz_str(data, size);
	struct message_id id = message_id_parse(text), trimmed = message_id_parse(str_trim(text));
	bool has_prefix = id.form == MESSAGE_ID_STANDARD || id.form == MESSAGE_ID_PATCH ||
			  id.form == MESSAGE_ID_VERSIONLESS;

	CHECK(message_id_form_name(id.form)[0]);
	CHECK(same(&id, &trimmed));
	CHECK(fuzz_within(id.prefix, text) && fuzz_within(id.key, text));
	CHECK(has_prefix == (id.prefix.len > 0));
	CHECK((id.key.p != NULL) == (has_prefix || id.form == MESSAGE_ID_BARE));
	CHECK(!id.key.p || id.key.len > 0);
	CHECK(id.has_version == (id.form == MESSAGE_ID_STANDARD || id.form == MESSAGE_ID_PATCH));
	CHECK(!has_prefix || str_find_char(id.prefix, '.') == id.prefix.len);
	CHECK((id.form == MESSAGE_ID_EMPTY) ==
	      (str_trim(text).len == 0 || str_eq_nocase(str_trim(text), STR("NULL"))));
	if (!memchr(text.p ? text.p : "", 0, text.len))
		check_again(&id);
	return 0;
}
