#include "cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/terminal.h"

#define LINE_MAX_BYTES (1u << 20)

static const struct {
	const char *severity, *colour;
} colours[] = { { "Critical", "\x1b[1;31m" }, { "Warning", "\x1b[33m" }, { "OK", "\x1b[32m" } };

#define DIM "\x1b[2m"
#define PLAIN "\x1b[0m"

bool show_in_colour(void)
{
	const char *no_colour = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]);
}

static const char *text_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void put_safe(struct strbuf *out, const char *text)
{
	terminal_put(out, str_of(text));
}

static void put_column(struct strbuf *out, const char *text, size_t width)
{
	terminal_put_column(out, str_of(text), width);
	strbuf_put_text(out, "  ");
}

static const char *colour_of(const char *severity)
{
	for (size_t i = 0; i < ARRAY_LEN(colours); i++)
		if (strcmp(colours[i].severity, severity) == 0)
			return colours[i].colour;
	return "";
}

/* "2026-11-20T09:12:44.120931Z" as "2026-11-20 09:12:44Z". */
static void put_time(struct strbuf *out, const char *time)
{
	if (strlen(time) >= 19)
		strbuf_putf(out, "%.10s %.8sZ  ", time, time + 11);
	else
		put_column(out, time, 20);
}

static void put_line(struct strbuf *line, json_t *entry, bool colour)
{
	json_t *seq = json_object_get(entry, "seq");
	const char *severity = text_of(entry, "Severity");
	const char *source = text_of(json_object_get(entry, "source"), "name");

	if (json_is_integer(seq))
		strbuf_putf(line, "%8" JSON_INTEGER_FORMAT "  ", json_integer_value(seq));
	else
		strbuf_put_text(line, "       -  "); /* provisional: not in the log yet */
	put_time(line, text_of(entry, "received"));
	strbuf_put_text(line, colour ? colour_of(severity) : "");
	put_column(line, severity[0] ? severity : "-", 8);
	strbuf_put_text(line, colour ? PLAIN : "");
	put_column(line, source[0] ? source : text_of(json_object_get(entry, "source"), "id"), 15);
	put_safe(line, text_of(entry, "Message"));
	strbuf_putf(line, "  %s[", colour ? DIM : "");
	put_safe(line, text_of(entry, "MessageId"));
	strbuf_putf(line, "]%s\n", colour ? PLAIN : "");
}

void show_header(void)
{
	printf("%s%8s  %-20s  %-8s  %-15s  %s%s\n", show_in_colour() ? DIM : "", "SEQ", "RECEIVED",
	       "SEVERITY", "SOURCE", "MESSAGE", show_in_colour() ? PLAIN : "");
}

void show_entry(json_t *entry, enum cli_output output)
{
	struct strbuf line;

	strbuf_init(&line, LINE_MAX_BYTES);
	if (output == OUTPUT_TABLE) {
		put_line(&line, entry, show_in_colour());
		fwrite(line.p, 1, line.len, stdout);
	} else {
		json_dumpf(entry, stdout, JSON_COMPACT);
		putchar('\n');
	}
	strbuf_fini(&line);
	fflush(stdout);
}

void show_fact(const char *name, const char *value)
{
	struct strbuf line;

	if (!value[0])
		return;
	strbuf_init(&line, LINE_MAX_BYTES);
	strbuf_putf(&line, "%-12s ", name);
	put_safe(&line, value);
	puts(line.p);
	strbuf_fini(&line);
}

char *show_joined(json_t *array)
{
	struct strbuf text;
	size_t i;
	json_t *item;
	char *copy;

	strbuf_init(&text, LINE_MAX_BYTES);
	json_array_foreach(array, i, item) {
		strbuf_put_text(&text, i > 0 ? ", " : "");
		strbuf_put_text(&text, json_string_value(item) ? json_string_value(item) : "");
	}
	copy = xstrndup(strbuf_str(&text));
	strbuf_fini(&text);
	return copy;
}

void show_whole(json_t *entry)
{
	json_t *source = json_object_get(entry, "source");
	json_t *by = json_object_get(entry, "resolved_by");
	char *args = show_joined(json_object_get(entry, "MessageArgs"));
	char *quirks = show_joined(json_object_get(entry, "quirks"));
	char *registry = xasprintf("%s %s (%s)", text_of(by, "registry"), text_of(by, "version"),
				   text_of(by, "step"));
	char *seq = xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(entry, "seq")));

	show_fact("Message", text_of(entry, "Message"));
	show_fact("Resolution", text_of(entry, "Resolution"));
	show_fact("Severity", text_of(entry, "Severity"));
	show_fact("Source", text_of(source, "name"));
	show_fact("Site", text_of(source, "site"));
	show_fact("Rack", text_of(source, "rack"));
	show_fact("Origin", text_of(entry, "OriginOfCondition"));
	show_fact("Received", text_of(entry, "received"));
	show_fact("Sent", text_of(entry, "EventTimestamp"));
	show_fact("MessageId", text_of(entry, "MessageId"));
	show_fact("Arguments", args);
	show_fact("Category", text_of(entry, "Category"));
	show_fact("EventType", text_of(entry, "EventType"));
	show_fact("EventId", text_of(entry, "EventId"));
	show_fact("Registry", registry);
	show_fact("Quirks", quirks);
	show_fact("Sequence", seq);
	show_fact("Id", text_of(entry, "id"));
	free(args);
	free(quirks);
	free(registry);
	free(seq);
}
