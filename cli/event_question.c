#include "cli/event_question.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/client.h"

static void join(struct event_question *question, char *condition)
{
	char *before = question->filter;

	question->filter =
		before ? xasprintf("%s and (%s)", before, condition) : xasprintf("(%s)", condition);
	free(before);
	free(condition);
}

/* 'it''s' */
static char *quoted(const char *text)
{
	struct strbuf out;

	strbuf_init(&out, SIZE_MAX);
	strbuf_put_char(&out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			strbuf_put_char(&out, '\'');
		strbuf_put_char(&out, *text);
	}
	strbuf_put_char(&out, '\'');
	return out.p;
}

/* "90m": how long ago; 0 when it is no such thing. */
static int64_t ago_us(struct str text)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	const char *unit = text.len > 1 ? strchr(units, text.p[text.len - 1]) : NULL;
	uint64_t n;

	if (!unit || !str_to_u64((struct str){ text.p, text.len - 1 }, &n) || n > 1000000)
		return 0;
	return (int64_t)n * seconds[unit - units] * CLOCK_US_PER_S;
}

static int take_time(struct event_question *question, const char *relation, const char *value)
{
	char text[CLOCK_TEXT_BYTES];
	int64_t us = ago_us(str_of(value));
	bool strict;

	if (us > 0)
		us = clock_time_us() - us;
	else if (!clock_parse(str_of(value), &us, &strict) || !strict)
		return -1;
	join(question, xasprintf("Created %s %s", relation, clock_format(us, text)));
	return 0;
}

static int take_severity(struct event_question *question, const char *value)
{
	static const char *const names[] = { "OK", "Warning", "Critical" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(names[i], value) != 0)
			continue;
		/* The worst by itself: an index finds it. */
		join(question, xasprintf("Severity %s '%s'",
					 i + 1 == ARRAY_LEN(names) ? "eq" : "ge", names[i]));
		return 0;
	}
	return -1;
}

int event_question_take(struct event_question *question, int option, const char *value,
			const char **why_out)
{
	char *text;

	switch (option) {
	case 'f': join(question, xstrdup(value)); return 0;
	case 's':
	case 'u':
		*why_out = "a time is written 2026-11-20T09:00:00Z, or 90m, 12h, 7d ago";
		return take_time(question, option == 's' ? "ge" : "lt", value);
	case 'S':
		text = quoted(value);
		join(question, xasprintf("Source eq %s", text));
		free(text);
		return 0;
	case 'v':
		*why_out = "--severity takes OK, Warning or Critical";
		return take_severity(question, value);
	case 'l': question->language = value; return 0;
	default: return 1;
	}
}

char *event_question_query(const struct event_question *question)
{
	char *escaped, *query;

	if (!question->filter)
		return xstrdup("");
	escaped = client_escape(question->filter);
	query = xasprintf("&$filter=%s", escaped);
	free(escaped);
	return query;
}

void event_question_fini(struct event_question *question)
{
	free(question->filter);
	question->filter = NULL;
}
