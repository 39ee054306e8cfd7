/* Config values: one scalar of the configuration as text and as a value. Thread: any. */
#ifndef BASE_CONFIG_VALUE_PRIV_H
#define BASE_CONFIG_VALUE_PRIV_H

#include <stdint.h>

#include "base/config.h"


/* BOOL, INT, BYTES, DURATION and ENUM: check `text` against the key and store it at `to`.
 * False when it is not such a value; config_value_allowed() then says what is. */
bool config_value_parse(const struct config_key *key, struct str text, void *to);
/* "one of 'a', 'b'", "a size such as 512 MiB, from 64 MiB to 16 TiB" … */
void config_value_allowed(const struct config_key *key, struct strbuf *out);
/* `text` in double quotes, as YAML that reads back the same. */
void config_text_print(struct str text, struct strbuf *out);
/* The value at `from` as YAML that reads back the same; also CONFIG_TEXT. */
void config_value_print(const struct config_key *key, const void *from, struct strbuf *out);

#endif
