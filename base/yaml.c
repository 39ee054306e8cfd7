#include "base/yaml_priv.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one; its memory is ours */
	bool has_event;
	struct arena *arena;
	const char *place;
	struct err *err;
};

static int syntax_error(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	/* Errors of the encoding carry an offset, no mark. */
	bool marked = parser->error == YAML_SCANNER_ERROR || parser->error == YAML_PARSER_ERROR;
	size_t line = (marked ? parser->problem_mark.line : parser->mark.line) + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return err_set(reader->err, -ENOMEM, "%s: out of memory", reader->place);
	return err_set(reader->err, -EINVAL, "%s:%zu: not YAML: %s%s%s", reader->place, line,
		       parser->problem ? parser->problem : "unknown mistake",
		       parser->context ? ", " : "", parser->context ? parser->context : "");
}

static int refuse(struct reader *reader, const char *what)
{
	return err_set(reader->err, -EINVAL, "%s:%zu: %s", reader->place,
		       reader->event.start_mark.line + 1, what);
}

static void drop_event(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
}

static int advance(struct reader *reader)
{
	drop_event(reader);
	if (!yaml_parser_parse(&reader->parser, &reader->event))
		return syntax_error(reader);
	reader->has_event = true;
	return 0;
}

/* A node of the current event, with what we do not take refused. */
static int new_node(struct reader *reader, enum yaml_kind kind, const yaml_char_t *anchor,
		    const yaml_char_t *tag, struct yaml_node **out)
{
	struct yaml_node *node;

	if (anchor)
		return refuse(reader, "anchors (&name) are not taken here; write the value out");
	if (tag)
		return refuse(reader, "tags (!name) are not taken here; leave it out");
	node = arena_alloc(reader->arena, sizeof(*node));
	if (!node)
		return refuse(reader, "too large");
	node->kind = kind;
	node->line = reader->event.start_mark.line + 1;
	*out = node;
	return 0;
}

static int read_scalar(struct reader *reader, struct yaml_node **out)
{
	yaml_event_t *event = &reader->event;
	struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	int r = new_node(reader, YAML_SCALAR, event->data.scalar.anchor, event->data.scalar.tag,
			 out);

	if (r < 0)
		return r;
	if (text.len > 0 && memchr(text.p, '\0', text.len))
		return refuse(reader, "a NUL character in a value");
	(*out)->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	(*out)->text = arena_copy(reader->arena, text);
	return (*out)->text.p ? 0 : refuse(reader, "too large");
}

static int read_node(struct reader *reader, int depth, struct yaml_node **out);

/* Elements of a list, or keys with their values, up to the event that ends the collection. */
static int read_children(struct reader *reader, int depth, struct yaml_node *parent)
{
	struct yaml_node **link = &parent->first;

	if (depth >= CONFIG_MAX_DEPTH)
		return refuse(reader, "nested too deep");
	for (;;) {
		int r = advance(reader);

		if (r < 0)
			return r;
		if (reader->event.type == YAML_SEQUENCE_END_EVENT ||
		    reader->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (parent->kind == YAML_MAP && reader->event.type != YAML_SCALAR_EVENT &&
		    reader->event.type != YAML_ALIAS_EVENT)
			return refuse(reader, "a key must be a plain name");
		r = read_node(reader, depth + 1, link);
		if (r == 0 && parent->kind == YAML_MAP) {
			r = advance(reader);
			if (r == 0)
				r = read_node(reader, depth + 1, &(*link)->value);
		}
		if (r < 0)
			return r;
		link = &(*link)->next;
		parent->n++;
	}
}

static int read_node(struct reader *reader, int depth, struct yaml_node **out)
{
	yaml_event_t *event = &reader->event;
	int r;

	switch (event->type) {
	case YAML_SCALAR_EVENT: return read_scalar(reader, out);
	case YAML_SEQUENCE_START_EVENT:
		r = new_node(reader, YAML_LIST, event->data.sequence_start.anchor,
			     event->data.sequence_start.tag, out);
		return r < 0 ? r : read_children(reader, depth, *out);
	case YAML_MAPPING_START_EVENT:
		r = new_node(reader, YAML_MAP, event->data.mapping_start.anchor,
			     event->data.mapping_start.tag, out);
		return r < 0 ? r : read_children(reader, depth, *out);
	case YAML_ALIAS_EVENT:
		return refuse(reader, "aliases (*name) are not taken here; write the value out");
	default: return refuse(reader, "not YAML: unexpected end");
	}
}

/* The stream: nothing, or one document. */
static int read_document(struct reader *reader, struct yaml_node **out)
{
	int r = advance(reader); /* the stream's start */

	if (r == 0)
		r = advance(reader);
	if (r < 0 || reader->event.type == YAML_STREAM_END_EVENT)
		return r;
	r = advance(reader); /* behind the document's start */
	if (r == 0)
		r = read_node(reader, 0, out);
	if (r == 0)
		r = advance(reader); /* the document's end */
	if (r == 0)
		r = advance(reader);
	if (r == 0 && reader->event.type != YAML_STREAM_END_EVENT)
		r = refuse(reader, "a second document (---) is not taken here");
	return r;
}

int yaml_read(struct arena *arena, struct str yaml, const char *place, struct yaml_node **out,
	      struct err *err)
{
	struct reader reader = { .arena = arena, .place = place, .err = err };
	struct yaml_node *root = NULL;
	int r;

	if (!yaml_parser_initialize(&reader.parser))
		return err_set(err, -ENOMEM, "%s: out of memory", place);
	yaml_parser_set_input_string(&reader.parser,
				     (const unsigned char *)(yaml.len > 0 ? yaml.p : ""), yaml.len);
	r = read_document(&reader, &root);
	if (r == 0)
		*out = root;
	drop_event(&reader);
	yaml_parser_delete(&reader.parser);
	return r;
}

bool yaml_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->plain &&
	       (node->text.len == 0 || str_eq(node->text, STR("~")) ||
		str_eq(node->text, STR("null")));
}
