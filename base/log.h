/* Log lines: one fact each, logfmt or JSON, on standard error.
 *
 *	log_warn("storage", "postgres away, journal growing", LOG_T("err", err.text),
 *		 LOG_I("journal_bytes", n));
 *	=> time=2026-11-20T09:12:44.120931Z level=warn room=storage msg="postgres away, …" err="…"
 *
 * Message texts are stable; values go in fields. Values are escaped. Never log secrets or bodies.
 * Each line leaves in one write. Thread: any.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
	const char *name; /* NULL: the field is left out */
	enum { LOG_FIELD_TEXT, LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE } kind;
	const char *text;
	struct str str;
	int64_t i;
	double d;
};

#define LOG_T(field_name, value) \
	((struct log_field){ .name = (field_name), .kind = LOG_FIELD_TEXT, .text = (value) })
#define LOG_S(field_name, value) \
	((struct log_field){ .name = (field_name), .kind = LOG_FIELD_STR, .str = (value) })
#define LOG_I(field_name, value) \
	((struct log_field){ .name = (field_name), .kind = LOG_FIELD_INT, .i = (int64_t)(value) })
#define LOG_D(field_name, value) \
	((struct log_field){ .name = (field_name), .kind = LOG_FIELD_DOUBLE, .d = (value) })

void log_set(enum log_level level, enum log_format format);
bool log_level_parse(struct str text, enum log_level *out); /* "error" "warn" "info" "debug" */
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *room, const char *msg,
	       const struct log_field *fields, size_t n_fields);

#define LOG_FIELDS(...) ((const struct log_field[]){ { .name = NULL }, ##__VA_ARGS__ })
#define LOG_AT(level, room, msg, ...)                              \
	do {                                                       \
		if (log_enabled(level))                            \
			log_write(level, room, msg, LOG_FIELDS(__VA_ARGS__), \
				  sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field)); \
	} while (0)
#define log_error(room, msg, ...) LOG_AT(LOG_ERROR, room, msg, ##__VA_ARGS__)
#define log_warn(room, msg, ...) LOG_AT(LOG_WARN, room, msg, ##__VA_ARGS__)
#define log_info(room, msg, ...) LOG_AT(LOG_INFO, room, msg, ##__VA_ARGS__)
#define log_debug(room, msg, ...) LOG_AT(LOG_DEBUG, room, msg, ##__VA_ARGS__)

#endif
