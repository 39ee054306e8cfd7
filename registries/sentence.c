#include "registries/sentence_priv.h"

#include "base/mem.h"
#include "event/event.h"
#include "event/quirks.h"
#include "registries/message_id.h"
#include "registries/registry.h"
#include "registries/registry_priv.h"
#include "registries/resolve.h"

/* What a sentence quotes of a sender's text. */
#define QUOTE_MAX_BYTES 256

enum {
	SAY_NOTHING_NAMED,
	SAY_NO_RECORD,
	SAY_TELEMETRY,
	SAY_REFERENCE,
	SAY_VENDOR_DATA,
	SAY_LOG_ENTRY,
	SAY_SEL_DATA,
	SAY_CODE,
	SAY_UNKNOWN_KEY,
	SAY_WORDLESS,
	SAY_UNKNOWN_VERSION,
	SAY_UNKNOWN_REGISTRY,
	SAY_BARE_KEY
};

#define RECORD_HOLDS "Event without MessageId and text: the record holds "
#define RECORD_FACTS " (EventType: %1; origin: %2). The delivery it came in shows all of it."
#define CURE                                                                                       \
	" ('rfevent registry add FILE'), or have it read from the sender "                         \
	"('rfevent registry fetch SOURCE')."

static const struct {
	struct str key, english;
} sentences[] = {
	[SAY_NOTHING_NAMED] = { STR("EventUnnamed"),
				STR(RECORD_HOLDS "nothing that names a message" RECORD_FACTS) },
	[SAY_NO_RECORD] = { STR("EventUnnamedNoRecord"),
			    STR(RECORD_HOLDS
				"JSON in which no event record was found" RECORD_FACTS) },
	[SAY_TELEMETRY] = { STR("EventUnnamedTelemetry"),
			    STR(RECORD_HOLDS "telemetry in vendor data under Oem" RECORD_FACTS) },
	[SAY_REFERENCE] = { STR("EventUnnamedReference"),
			    STR(RECORD_HOLDS
				"only a reference to a record kept by the sender" RECORD_FACTS) },
	[SAY_VENDOR_DATA] = { STR("EventUnnamedVendorData"),
			      STR(RECORD_HOLDS "only vendor data under Oem" RECORD_FACTS) },
	[SAY_LOG_ENTRY] = { STR("EventUnnamedLogEntry"),
			    STR(RECORD_HOLDS "properties of a log entry" RECORD_FACTS) },
	[SAY_SEL_DATA] = { STR("EventOfSelData"),
			   STR("Event '%1' came without text: its MessageId is raw SEL data, which "
			       "no message registry explains. The delivery it came in shows all of "
			       "it.") },
	[SAY_CODE] = { STR("EventOfCode"),
		       STR("Event '%1' came without text: its MessageId is a class and code "
			   "number, which no message registry explains. The delivery it came in "
			   "shows all of it.") },
	[SAY_UNKNOWN_KEY] = { STR("EventOfUnknownKey"),
			      STR("Event '%1' came without text, and no loaded version of message "
				  "registry '%2' (newest: %3) has this key: add the sender's "
				  "version of the message registry for '%4'" CURE) },
	[SAY_WORDLESS] = { STR("EventWithoutWords"),
			   STR("Event '%1' came without text, and message registry '%2' version %3 "
			       "has no words for it either.") },
	[SAY_UNKNOWN_VERSION] = { STR("EventOfUnknownVersion"),
				  STR("Event '%1' came without text, and message registry '%2' "
				      "version %3 is not loaded: add the sender's message registry "
				      "for '%2'" CURE) },
	[SAY_UNKNOWN_REGISTRY] = { STR("EventOfUnknownRegistry"),
				   STR("Event '%1' came without text, and message registry '%2' is "
				       "not loaded: add the sender's message registry for "
				       "'%2'" CURE) },
	[SAY_BARE_KEY] = { STR("EventOfBareKey"),
			   STR("Event '%1' came without text, and its MessageId is a bare key that "
			       "no loaded message registry has, or several have: add the sender's "
			       "message registry for '%1'" CURE) },
};

/* What a record without MessageId and text may be, most telling first. */
static const struct {
	uint64_t quirk;
	int what;
} record_hints[] = {
	{ QUIRK_BIT(NOT_AN_EVENT), SAY_NO_RECORD },
	{ QUIRK_BIT(METRIC_IN_OEM), SAY_TELEMETRY },
	{ QUIRK_BIT(RECORD_REFERENCE), SAY_REFERENCE },
	{ QUIRK_BIT(RECORD_OEM_ONLY), SAY_VENDOR_DATA },
	{ QUIRK_BIT(RECORD_LOG_ENTRY), SAY_LOG_ENTRY },
};

bool sentence_at(size_t i, struct str *key, struct str *english)
{
	if (i >= ARRAY_LEN(sentences))
		return false;
	*key = sentences[i].key;
	*english = sentences[i].english;
	return true;
}

static struct str quote(struct str text)
{
	return str_cut(str_trim(text), QUOTE_MAX_BYTES);
}

static struct str quote_or_dash(struct str text)
{
	struct str quoted = quote(text);

	return quoted.len > 0 ? quoted : STR("-");
}

static void say(struct sentence *out, int what)
{
	out->key = sentences[what].key;
	out->english = sentences[what].english;
}

static void add(struct sentence *out, struct str arg)
{
	out->args[out->n_args++] = arg;
}

static void say_unnamed(const struct event *event, struct sentence *out)
{
	say(out, SAY_NOTHING_NAMED);
	for (size_t i = ARRAY_LEN(record_hints); i-- > 0;) {
		if (event->quirks & record_hints[i].quirk)
			say(out, record_hints[i].what);
	}
	add(out, quote_or_dash(event->event_type));
	add(out, quote_or_dash(event->origin));
}

/* "1.7", at the end of the sentence's own room. */
static struct str version_words(const struct message_id *id, struct sentence *out)
{
	const unsigned numbers[] = { id->minor, id->major };
	char *end = out->version + sizeof(out->version), *p = end;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		unsigned rest = numbers[i];

		if (i > 0)
			*--p = '.';
		do {
			*--p = (char)('0' + rest % 10);
			rest /= 10;
		} while (rest > 0);
	}
	return (struct str){ p, (size_t)(end - p) };
}

static void say_missing(const struct registry_set *set, const struct message_id *id,
			struct sentence *out)
{
	const struct registry *newest = id->prefix.p ? registry_set_newest(set, id->prefix) : NULL;

	if (!newest && id->prefix.len == 0) {
		say(out, SAY_BARE_KEY);
		return;
	}
	add(out, newest ? newest->prefix : quote(id->prefix));
	if (newest) {
		say(out, SAY_UNKNOWN_KEY);
		add(out, newest->version);
		add(out, quote(id->prefix));
	} else if (id->has_version) {
		say(out, SAY_UNKNOWN_VERSION);
		add(out, version_words(id, out));
	} else {
		say(out, SAY_UNKNOWN_REGISTRY);
	}
}

void sentence_of(const struct registry_set *set, const struct event *event,
		 const struct message_id *id, const struct match *match, struct sentence *out)
{
	out->n_args = 0;
	if (!match->registry && id->form == MESSAGE_ID_EMPTY) {
		say_unnamed(event, out);
		return;
	}
	add(out, quote(event->message_id));
	if (match->registry) {
		say(out, SAY_WORDLESS);
		add(out, match->registry->prefix);
		add(out, match->registry->version);
	} else if (id->form == MESSAGE_ID_NUMBERS) {
		say(out, SAY_CODE);
	} else if (id->form == MESSAGE_ID_HEX) {
		say(out, SAY_SEL_DATA);
	} else {
		say_missing(set, id, out);
	}
}

bool sentence_is_due(const struct event *event, const struct match *match)
{
	const struct message *message = match->message;

	if (str_trim(event->sender_message).len > 0)
		return false;
	return !message ||
	       (str_trim(message->text).len == 0 && str_trim(message->description).len == 0);
}
