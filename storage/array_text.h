/* PostgreSQL's array literals, "{a,\"b c\"}", as the value of one parameter. Thread: any. */
#ifndef STORAGE_ARRAY_TEXT_H
#define STORAGE_ARRAY_TEXT_H

#include "base/str.h"
#include "base/uuid.h"

void array_text_begin(struct strbuf *out);                /* empties it first */
void array_text_put(struct strbuf *out, struct str text); /* p NULL: NULL */
void array_text_put_uuid(struct strbuf *out, struct uuid id);
void array_text_put_i64(struct strbuf *out, int64_t value);
void array_text_end(struct strbuf *out);

#endif
