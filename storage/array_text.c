#include "storage/array_text.h"

void array_text_begin(struct strbuf *out)
{
	strbuf_reset(out);
	strbuf_put_char(out, '{');
}

static void separate(struct strbuf *out)
{
	if (out->len > 1)
		strbuf_put_char(out, ',');
}

void array_text_put(struct strbuf *out, struct str text)
{
	char *to;
	size_t n = 0;

	separate(out);
	if (!text.p) {
		strbuf_put_text(out, "NULL");
		return;
	}
	to = strbuf_reserve(out, 2 * text.len + 2);
	if (!to)
		return;
	to[n++] = '"';
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			to[n++] = '\\';
		to[n++] = text.p[i];
	}
	to[n++] = '"';
	strbuf_commit(out, n);
}

void array_text_put_uuid(struct strbuf *out, struct uuid id)
{
	char text[UUID_TEXT_BYTES];

	separate(out);
	strbuf_put_text(out, uuid_format(id, text));
}

void array_text_put_i64(struct strbuf *out, int64_t value)
{
	separate(out);
	strbuf_put_i64(out, value);
}

void array_text_end(struct strbuf *out)
{
	strbuf_put_char(out, '}');
}
