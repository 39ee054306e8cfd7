#include "accounts/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/limits.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define LINE_MAX_BYTES     (16 * AUDIT_MAX_TEXT_BYTES)
#define REWRITE_MIN_BYTES  (1u << 20) /* of a file that is mostly records the database has */
#define COUNTED_MESSAGE_ID "Rfeventd.1.0.LoginsNotRecorded"

struct audit {
	char *path;
	int fd;
	void (*woken)(void *ctx);
	void *ctx;
	pthread_mutex_t sync;  /* first of the two: the file is synced, or exchanged */
	pthread_mutex_t mutex; /* all below */
	size_t file_bytes, pending_bytes;
	struct audit_record *first, *last;
	uint64_t n_counted; /* logins there was no room for */
};

/* --- records -------------------------------------------------------------------------------------
 */

static char *clean(struct str text)
{
	char *copy;

	text = str_cut(text, AUDIT_MAX_TEXT_BYTES);
	copy = xstrndup(text.p ? text : STR(""));
	for (size_t i = 0, utf8 = str_is_utf8(text); i < text.len; i++) {
		unsigned char c = (unsigned char)copy[i];

		if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8))
			copy[i] = '?';
	}
	return copy;
}

struct audit_record *audit_record_new(struct str account, const char *way, struct str address,
				      struct str method, struct str uri)
{
	struct audit_record *record = xcalloc(1, sizeof(*record));

	record->time_us = clock_time_us();
	record->id = uuid_v7(record->time_us);
	record->account = clean(account);
	record->way = xstrdup(way);
	record->address = clean(address);
	record->method = clean(method);
	record->uri = clean(uri);
	record->message_id = xstrdup("");
	return record;
}

static void forget_args(struct audit_record *record)
{
	for (size_t i = 0; i < record->n_args; i++)
		free(record->args[i]);
	record->n_args = 0;
}

void audit_record_say(struct audit_record *record, const char *message_id, const char *const *args)
{
	free(record->message_id);
	record->message_id = xstrdup(message_id);
	forget_args(record);
	for (; record->n_args < AUDIT_MAX_ARGS && args[record->n_args]; record->n_args++)
		record->args[record->n_args] = clean(str_of(args[record->n_args]));
}

void audit_record_free(struct audit_record *record)
{
	if (!record)
		return;
	free(record->account);
	free(record->way);
	free(record->address);
	free(record->method);
	free(record->uri);
	free(record->message_id);
	forget_args(record);
	free(record);
}

/* --- lines of the file ---------------------------------------------------------------------------
 */

static void put_text(struct strbuf *out, const char *name, const char *text)
{
	strbuf_putf(out, ",\"%s\":", name);
	strbuf_put_json(out, str_of(text));
}

static void put_line(struct strbuf *out, const struct audit_record *record)
{
	char id[UUID_TEXT_BYTES];

	strbuf_putf(out, "{\"id\":\"%s\",\"time\":%lld,\"status\":%d,\"complete\":%s",
		    uuid_format(record->id, id), (long long)record->time_us, record->status,
		    record->complete ? "true" : "false");
	put_text(out, "account", record->account);
	put_text(out, "way", record->way);
	put_text(out, "address", record->address);
	put_text(out, "method", record->method);
	put_text(out, "uri", record->uri);
	put_text(out, "message", record->message_id);
	strbuf_put_text(out, ",\"args\":[");
	for (size_t i = 0; i < record->n_args; i++) {
		strbuf_put_text(out, i > 0 ? "," : "");
		strbuf_put_json(out, str_of(record->args[i]));
	}
	strbuf_put_text(out, "]}\n");
}

static char *take_text(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return xstrdup(text ? text : "");
}

static struct audit_record *parse_line(struct str line)
{
	json_t *json = json_loadb(line.p, line.len, 0, NULL), *arg;
	const char *id = json_string_value(json_object_get(json, "id"));
	struct audit_record *record;
	struct uuid uuid;
	size_t i;

	if (!id || !uuid_parse(str_of(id), &uuid)) {
		json_decref(json);
		return NULL;
	}
	record = xcalloc(1, sizeof(*record));
	record->id = uuid;
	record->time_us = json_integer_value(json_object_get(json, "time"));
	record->status = (int)json_integer_value(json_object_get(json, "status"));
	record->complete = json_is_true(json_object_get(json, "complete"));
	record->account = take_text(json, "account");
	record->way = take_text(json, "way");
	record->address = take_text(json, "address");
	record->method = take_text(json, "method");
	record->uri = take_text(json, "uri");
	record->message_id = take_text(json, "message");
	json_array_foreach(json_object_get(json, "args"), i, arg)
	{
		if (record->n_args < AUDIT_MAX_ARGS && json_is_string(arg))
			record->args[record->n_args++] = xstrdup(json_string_value(arg));
	}
	json_decref(json);
	return record;
}

/* --- the list of what the database has not -------------------------------------------------------
 */

static void append(struct audit *audit, struct audit_record *record)
{
	record->next = NULL;
	record->prev = audit->last;
	if (audit->last)
		audit->last->next = record;
	else
		audit->first = record;
	audit->last = record;
	audit->pending_bytes += record->n_bytes;
}

static void detach(struct audit *audit, struct audit_record *record)
{
	if (record->prev)
		record->prev->next = record->next;
	else
		audit->first = record->next;
	if (record->next)
		record->next->prev = record->prev;
	else
		audit->last = record->prev;
	audit->pending_bytes -= record->n_bytes;
}

/* Written whole, or not at all. Under the mutex. */
static int write_line(struct audit *audit, const struct audit_record *record, size_t *n_out)
{
	struct strbuf line;
	ssize_t n;
	int r = 0;

	strbuf_init(&line, LINE_MAX_BYTES);
	put_line(&line, record);
	*n_out = line.len;
	if (line.failed || audit->file_bytes + line.len > AUDIT_MAX_FILE_BYTES)
		r = -ENOSPC;
	if (r == 0) {
		n = pwrite(audit->fd, line.p, line.len, (off_t)audit->file_bytes);
		r = n == (ssize_t)line.len ? 0 : n < 0 ? -errno : -ENOSPC;
	}
	if (r == 0)
		audit->file_bytes += line.len;
	else if (r != -ENOSPC)
		log_error("accounts", "audit record not written", LOG_T("err", strerror(-r)));
	strbuf_fini(&line);
	return r;
}

/* --- opening -------------------------------------------------------------------------------------
 */

/* A later line of a record replaces the earlier one, which is not far: so many are under way at
 * most. */
static void replace_earlier(struct audit *audit, struct uuid id)
{
	struct audit_record *old = audit->last;

	for (size_t i = 0; old && i < 2 * AUDIT_MAX_WAITING; i++, old = old->prev) {
		if (!uuid_eq(old->id, id))
			continue;
		detach(audit, old);
		audit_record_free(old);
		return;
	}
}

static void replay(struct audit *audit, struct str text)
{
	while (text.len > 0) {
		size_t end = str_find_char(text, '\n');
		struct audit_record *record =
			end < text.len ? parse_line((struct str){ text.p, end }) : NULL;

		if (record) {
			replace_earlier(audit, record->id);
			record->n_bytes = end;
			append(audit, record);
		}
		end = end < text.len ? end + 1 : end;
		text = (struct str){ text.p + end, text.len - end };
	}
	for (struct audit_record *record = audit->first; record; record = record->next) {
		if (!record->complete)
			record->status = AUDIT_UNKNOWN;
		record->complete = true;
	}
}

/* The file as the list has it, in a new one. Under both mutexes. */
static int rewrite(struct audit *audit, struct err *err)
{
	struct strbuf text;
	int fd, r;

	strbuf_init(&text, 2 * AUDIT_MAX_FILE_BYTES);
	for (const struct audit_record *record = audit->first; record; record = record->next)
		put_line(&text, record);
	r = text.failed ? err_set(err, -EFBIG, "the audit queue is too long")
			: file_replace(audit->path, strbuf_str(&text), 0600, err);
	if (r == 0) {
		fd = open(audit->path, O_WRONLY | O_CLOEXEC);
		r = fd < 0 ? err_set(err, -errno, "cannot open '%s': %s", audit->path,
				     strerror(errno))
			   : 0;
	}
	if (r == 0) {
		if (audit->fd >= 0)
			close(audit->fd);
		audit->fd = fd;
		audit->file_bytes = text.len;
	}
	strbuf_fini(&text);
	return r;
}

int audit_open(const char *path, void (*woken)(void *ctx), void *ctx, struct audit **out,
	       struct err *err)
{
	struct audit *audit = xcalloc(1, sizeof(*audit));
	char *text = NULL;
	size_t n = 0;
	int r;

	audit->path = xstrdup(path);
	audit->fd = -1;
	audit->woken = woken;
	audit->ctx = ctx;
	pthread_mutex_init(&audit->sync, NULL);
	pthread_mutex_init(&audit->mutex, NULL);
	r = file_read(path, 2 * AUDIT_MAX_FILE_BYTES, &text, &n, err);
	if (r == 0)
		replay(audit, (struct str){ text, n });
	free(text);
	if (r == 0 || r == -ENOENT)
		r = rewrite(audit, err);
	if (r < 0) {
		audit_close(audit);
		return r;
	}
	*out = audit;
	return 0;
}

void audit_close(struct audit *audit)
{
	if (!audit)
		return;
	while (audit->first) {
		struct audit_record *record = audit->first;

		detach(audit, record);
		audit_record_free(record);
	}
	if (audit->fd >= 0)
		close(audit->fd);
	pthread_mutex_destroy(&audit->sync);
	pthread_mutex_destroy(&audit->mutex);
	free(audit->path);
	free(audit);
}

/* --- noting --------------------------------------------------------------------------------------
 */

/* Durable when it returns 0; `record` is then on the list. */
static int note(struct audit *audit, struct audit_record *record)
{
	int r;

	pthread_mutex_lock(&audit->sync);
	pthread_mutex_lock(&audit->mutex);
	r = write_line(audit, record, &record->n_bytes);
	if (r == 0)
		append(audit, record);
	pthread_mutex_unlock(&audit->mutex);
	if (r == 0 && fdatasync(audit->fd) < 0)
		log_error("accounts", "audit queue not synced", LOG_T("err", strerror(errno)));
	pthread_mutex_unlock(&audit->sync);
	return r;
}

int audit_begin(struct audit *audit, struct audit_record *record)
{
	record->complete = false;
	return note(audit, record) < 0 ? -ENOSPC : 0;
}

static void take_message(struct audit_record *record, struct audit_record *words)
{
	free(record->message_id);
	record->message_id = words->message_id;
	words->message_id = NULL;
	forget_args(record);
	memcpy(record->args, words->args, sizeof(record->args));
	record->n_args = words->n_args;
	words->n_args = 0;
}

void audit_end(struct audit *audit, struct audit_record *record, int status,
	       struct audit_record *words)
{
	size_t n;

	pthread_mutex_lock(&audit->mutex);
	if (words)
		take_message(record, words);
	record->status = status;
	record->complete = true;
	write_line(audit, record, &n); /* without it the record says that its end is not known */
	pthread_mutex_unlock(&audit->mutex);
	audit_record_free(words);
	audit->woken(audit->ctx);
}

void audit_add(struct audit *audit, struct audit_record *record)
{
	int r;

	record->complete = true;
	r = note(audit, record);
	if (r < 0) {
		pthread_mutex_lock(&audit->mutex);
		audit->n_counted++;
		pthread_mutex_unlock(&audit->mutex);
		audit_record_free(record);
	}
	audit->woken(audit->ctx);
}

/* --- handing on ----------------------------------------------------------------------------------
 */

size_t audit_peek(struct audit *audit, struct audit_record **out, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&audit->mutex);
	for (struct audit_record *record = audit->first; record && n < max; record = record->next)
		if (record->complete)
			out[n++] = record;
	pthread_mutex_unlock(&audit->mutex);
	return n;
}

/* There is room again: say how many went by unrecorded. */
static void tell_counted(struct audit *audit, uint64_t n_counted)
{
	struct audit_record *record = audit_record_new(STR(""), "", STR(""), STR(""), STR(""));
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)n_counted);
	audit_record_say(record, COUNTED_MESSAGE_ID, AUDIT_ARGS(number));
	record->status = AUDIT_UNKNOWN;
	audit_add(audit, record);
}

void audit_written(struct audit *audit, struct audit_record **records, size_t n)
{
	uint64_t n_counted;
	struct err err;

	pthread_mutex_lock(&audit->sync);
	pthread_mutex_lock(&audit->mutex);
	for (size_t i = 0; i < n; i++) {
		detach(audit, records[i]);
		audit_record_free(records[i]);
	}
	if (!audit->first) {
		if (ftruncate(audit->fd, 0) == 0)
			audit->file_bytes = 0;
	} else if (audit->file_bytes > REWRITE_MIN_BYTES &&
		   audit->file_bytes > 4 * audit->pending_bytes) {
		if (rewrite(audit, &err) < 0)
			log_error("accounts", "audit queue not shortened", LOG_T("err", err.text));
	}
	n_counted = audit->file_bytes < AUDIT_MAX_FILE_BYTES / 2 ? audit->n_counted : 0;
	audit->n_counted -= n_counted;
	pthread_mutex_unlock(&audit->mutex);
	pthread_mutex_unlock(&audit->sync);
	if (n_counted > 0)
		tell_counted(audit, n_counted);
}
