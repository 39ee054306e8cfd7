/* The configuration as people read it: the values in force, and the reference of all keys. */
#include "base/config.h"

#include <string.h>

#include "base/config_value_priv.h"

static void indent(struct strbuf *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_put_text(out, "  ");
}

static void print_list(const struct config_list *list, struct strbuf *out)
{
	strbuf_put_char(out, '[');
	for (size_t i = 0; i < list->n; i++) {
		strbuf_put_text(out, i > 0 ? ", " : "");
		config_text_print(str_of(list->items[i]), out);
	}
	strbuf_put_char(out, ']');
}

/* What goes behind "key:", up to the end of the line. */
static void print_simple(const struct config_key *key, const void *at, struct strbuf *out)
{
	if (key->type == CONFIG_LIST)
		print_list(at, out);
	else
		config_value_print(key, at, out);
}

/* A list of maps, one field a line; fields are flat (no map within a map). */
static void print_maps(const struct config_key *key, const struct config_maps *maps, size_t depth,
		       struct strbuf *out)
{
	for (size_t i = 0; i < maps->n; i++) {
		const char *item = (const char *)maps->items + i * maps->item_bytes;

		for (const struct config_key *field = key->fields; field->name; field++) {
			strbuf_put_char(out, '\n');
			indent(out, depth);
			strbuf_putf(out, "%s%s: ", field == key->fields ? "- " : "  ", field->name);
			print_simple(field, item + field->offset, out);
		}
	}
	if (maps->n == 0)
		strbuf_put_text(out, " []");
}

/* Length of the groups, with their dots, that `name` shares with the key before it. */
static size_t shared_groups(const char *name, const char *before)
{
	size_t shared = 0;

	for (size_t i = 0; name[i] && name[i] == before[i]; i++)
		if (name[i] == '.')
			shared = i + 1;
	return shared;
}

/* The groups of `name` that are not open yet; returns the last part, *depth_out its depth. */
static const char *open_groups(const char *name, const char *before, size_t *depth_out,
			       struct strbuf *out)
{
	size_t shared = shared_groups(name, before);
	const char *part = name, *dot;
	size_t depth = 0;

	for (; (dot = strchr(part, '.')); part = dot + 1, depth++) {
		if ((size_t)(part - name) < shared)
			continue;
		indent(out, depth);
		strbuf_putf(out, "%.*s:\n", (int)(dot - part), part);
	}
	*depth_out = depth;
	return part;
}

void config_print(const struct config_key *keys, const void *values, struct strbuf *out)
{
	const char *before = "";

	for (const struct config_key *key = keys; key->name; key++) {
		const void *at = (const char *)values + key->offset;
		size_t depth;
		const char *part = open_groups(key->name, before, &depth, out);

		indent(out, depth);
		strbuf_putf(out, "%s:", part);
		if (key->type == CONFIG_MAPS) {
			print_maps(key, at, depth + 1, out);
		} else {
			strbuf_put_char(out, ' ');
			print_simple(key, at, out);
		}
		strbuf_put_char(out, '\n');
		before = key->name;
	}
}

/* Text for a cell of a Markdown table. */
static void put_cell(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			strbuf_put_char(out, '\\');
		strbuf_put_char(out, *text == '\n' ? ' ' : *text);
	}
}

static void print_row(const struct config_key *key, const struct config_key *list,
		      struct strbuf *out)
{
	struct strbuf allowed;

	strbuf_init(&allowed, SIZE_MAX);
	config_value_allowed(key, &allowed);
	strbuf_put_text(out, "| `");
	if (list)
		strbuf_putf(out, "%s[].", list->name);
	strbuf_putf(out, "%s%s` | ", key->name, key->secret ? "(_file)" : "");
	put_cell(out, strbuf_str(&allowed).p);
	strbuf_put_text(out, " | ");
	if (key->initial) {
		strbuf_put_char(out, '`');
		put_cell(out, key->initial);
		strbuf_put_char(out, '`');
	} else {
		strbuf_put_text(out, key->required ? "required" : "empty");
	}
	strbuf_putf(out, " | %s | ", (list ? list : key)->reload ? "reload" : "restart");
	put_cell(out, key->help ? key->help : "");
	strbuf_put_text(out, " |\n");
	strbuf_fini(&allowed);
}

void config_print_reference(const struct config_key *keys, struct strbuf *out)
{
	strbuf_put_text(out, "| key | takes | default | changes with | |\n"
			     "| --- | --- | --- | --- | --- |\n");
	for (const struct config_key *key = keys; key->name; key++) {
		print_row(key, NULL, out);
		for (const struct config_key *field = key->type == CONFIG_MAPS ? key->fields : NULL;
		     field && field->name; field++)
			print_row(field, key, out);
	}
}
