#include "event/event.h"

#include "base/mem.h"

static const char *const severity_names[] = {
	[SEVERITY_NONE] = "",
	[SEVERITY_OK] = "OK",
	[SEVERITY_WARNING] = "Warning",
	[SEVERITY_CRITICAL] = "Critical",
};

static const char *const category_names[] = {
	[CATEGORY_OTHER] = "other",         [CATEGORY_ALERT] = "alert",
	[CATEGORY_LIFECYCLE] = "lifecycle", [CATEGORY_CONTROL] = "control",
	[CATEGORY_TELEMETRY] = "telemetry",
};

static const char *const step_names[] = {
	[STEP_NONE] = "none",
	[STEP_SENDER] = "sender",
	[STEP_EXACT] = "exact",
	[STEP_NEWER_MINOR] = "newer_minor",
	[STEP_OLDER_MINOR] = "older_minor",
	[STEP_OTHER_MAJOR] = "other_major",
	[STEP_BARE_KEY] = "bare_key",
};

/* Other words that senders and OEM registries use. "None" is left out: it names no severity, so
 * that the registry may decide. */
static const struct {
	const char *word;
	enum severity severity;
} severity_words[] = {
	{ "informational", SEVERITY_OK }, { "information", SEVERITY_OK },
	{ "info", SEVERITY_OK },          { "normal", SEVERITY_OK },
	{ "caution", SEVERITY_WARNING },  { "minor", SEVERITY_WARNING },
	{ "warn", SEVERITY_WARNING },     { "serious", SEVERITY_CRITICAL },
	{ "major", SEVERITY_CRITICAL },   { "error", SEVERITY_CRITICAL },
	{ "fatal", SEVERITY_CRITICAL },   { "emergency", SEVERITY_CRITICAL },
};

const char *severity_name(enum severity severity)
{
	if ((size_t)severity >= ARRAY_LEN(severity_names))
		return "";
	return severity_names[severity];
}

enum severity severity_parse(struct str text, bool *exact_out)
{
	struct str word = str_trim(text);

	if (exact_out)
		*exact_out = false;
	for (size_t i = SEVERITY_OK; i < ARRAY_LEN(severity_names); i++) {
		if (!str_eq_nocase(word, str_of(severity_names[i])))
			continue;
		if (exact_out)
			*exact_out = str_eq(text, str_of(severity_names[i]));
		return (enum severity)i;
	}
	for (size_t i = 0; i < ARRAY_LEN(severity_words); i++) {
		if (str_eq_nocase(word, str_of(severity_words[i].word)))
			return severity_words[i].severity;
	}
	return SEVERITY_NONE;
}

const char *category_name(enum category category)
{
	if ((size_t)category >= ARRAY_LEN(category_names))
		return category_names[CATEGORY_OTHER];
	return category_names[category];
}

bool category_parse(struct str text, enum category *out)
{
	for (size_t i = 0; i < ARRAY_LEN(category_names); i++) {
		if (!str_eq(text, str_of(category_names[i])))
			continue;
		*out = (enum category)i;
		return true;
	}
	return false;
}

const char *resolve_step_name(enum resolve_step step)
{
	if ((size_t)step >= ARRAY_LEN(step_names))
		return step_names[STEP_NONE];
	return step_names[step];
}
