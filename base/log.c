#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static atomic_int current_level = LOG_INFO;
static atomic_int current_format = LOG_LOGFMT;

void log_set(enum log_level level, enum log_format format)
{
	atomic_store_explicit(&current_level, level, memory_order_relaxed);
	atomic_store_explicit(&current_format, format, memory_order_relaxed);
}

bool log_level_parse(struct str text, enum log_level *out)
{
	for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		if (str_eq(text, str_of(level_names[level]))) {
			*out = level;
			return true;
		}
	}
	return false;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

/* Whether a logfmt reader takes `s` for one value without quotes. */
static bool is_bare(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return s.len > 0;
}

/* At most LOG_MAX_VALUE_BYTES, cut between characters. */
static struct str cut(struct str s)
{
	if (s.len <= LOG_MAX_VALUE_BYTES)
		return s;
	s.len = LOG_MAX_VALUE_BYTES;
	while (s.len > LOG_MAX_VALUE_BYTES - 3 && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

static void put_text(struct strbuf *line, struct str s, bool json)
{
	s = cut(s);
	if (!json && is_bare(s))
		strbuf_put(line, s);
	else
		strbuf_put_json(line, s);
}

static void put_double(struct strbuf *line, double d, bool json)
{
	if (json && !isfinite(d))
		strbuf_put_text(line, "null");
	else
		strbuf_putf(line, "%.9g", d);
}

static void put_name(struct strbuf *line, const char *name, bool json)
{
	if (json)
		strbuf_putf(line, "%s\"%s\":", line->len == 1 ? "" : ",", name);
	else
		strbuf_putf(line, "%s%s=", line->len == 0 ? "" : " ", name);
}

static void put_field(struct strbuf *line, const struct log_field *field, bool json)
{
	if (!field->name)
		return;
	put_name(line, field->name, json);
	switch (field->kind) {
	case LOG_FIELD_TEXT: put_text(line, str_of(field->text), json); break;
	case LOG_FIELD_STR: put_text(line, field->str, json); break;
	case LOG_FIELD_INT: strbuf_put_i64(line, field->i); break;
	case LOG_FIELD_DOUBLE: put_double(line, field->d, json); break;
	}
}

static void write_line(struct str line)
{
	while (line.len > 0) {
		ssize_t n = write(STDERR_FILENO, line.p, line.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* there is nowhere left to say so */
		line.p += n;
		line.len -= (size_t)n;
	}
}

void log_write(enum log_level level, const char *room, const char *msg,
	       const struct log_field *fields, size_t n_fields)
{
	bool json = atomic_load_explicit(&current_format, memory_order_relaxed) == LOG_JSON;
	int saved_errno = errno;
	char time[CLOCK_TEXT_BYTES];
	struct strbuf line;

	strbuf_init(&line, LOG_MAX_LINE_BYTES);
	if (json)
		strbuf_put_char(&line, '{');
	put_field(&line, &LOG_T("time", clock_format(clock_time_us(), time)), json);
	put_field(&line, &LOG_T("level", level_names[level]), json);
	put_field(&line, &LOG_T("room", room), json);
	put_field(&line, &LOG_T("msg", msg), json);
	for (size_t i = 0; i < n_fields; i++)
		put_field(&line, &fields[i], json);
	strbuf_put_text(&line, json ? "}\n" : "\n");
	if (line.failed) {
		/* Too many long values: the fact itself still fits. */
		strbuf_reset(&line);
		strbuf_putf(&line,
			    json ? "{\"level\":\"%s\",\"room\":\"%s\",\"msg\":\"%s\"}\n"
				 : "level=%s room=%s msg=\"%s\"\n",
			    level_names[level], room, msg);
	}
	write_line(strbuf_str(&line));
	strbuf_fini(&line);
	errno = saved_errno;
}
