#include "storage/log_row.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/secrets.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/quirks.h"
#include "storage/db.h"

/* PostgreSQL counts microseconds from 2000-01-01. */
#define EPOCH_US        (DAY_ZERO_UNIX_DAYS * INT64_C(86400) * CLOCK_US_PER_S)
#define SANE_FROM_US    INT64_C(1420070400000000) /* 2015-01-01 */
#define SANE_AHEAD_US   (86400 * CLOCK_US_PER_S)
#define TEXT_OID        25
#define N_EVENT_COLUMNS COPY_MAX_COLUMNS
#define COPY_HEAD_BYTES 19

static const struct str absent = { NULL, 0 };

/* --- binary COPY
 * ---------------------------------------------------------------------------------- */

static void put_bytes(struct strbuf *out, const void *bytes, size_t n)
{
	strbuf_put(out, (struct str){ bytes, n });
}

void copy_begin(struct strbuf *out)
{
	/* Signature, no flags, no extension. */
	put_bytes(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", COPY_HEAD_BYTES);
}

void copy_end(struct strbuf *out)
{
	put_bytes(out, "\377\377", 2);
}

static void put_row(struct strbuf *out, uint16_t n_columns)
{
	uint16_t n = htobe16(n_columns);

	put_bytes(out, &n, sizeof(n));
}

static void put_u32(struct strbuf *out, uint32_t value)
{
	value = htobe32(value);
	put_bytes(out, &value, sizeof(value));
}

static void put_null(struct strbuf *out)
{
	put_u32(out, UINT32_MAX);
}

static void put_i16_field(struct strbuf *out, int16_t value)
{
	char field[6] = { 0, 0, 0, 2, (char)(value >> 8), (char)value };

	put_bytes(out, field, sizeof(field));
}

static void put_i32_field(struct strbuf *out, int32_t value)
{
	put_u32(out, 4);
	put_u32(out, (uint32_t)value);
}

static void put_i64_field(struct strbuf *out, int64_t value)
{
	uint64_t bits = htobe64((uint64_t)value);

	put_u32(out, 8);
	put_bytes(out, &bits, sizeof(bits));
}

static void put_time_field(struct strbuf *out, int64_t time_us)
{
	put_i64_field(out, time_us - EPOCH_US);
}

static void put_uuid_field(struct strbuf *out, struct uuid id)
{
	put_u32(out, sizeof(id.b));
	put_bytes(out, id.b, sizeof(id.b));
}

/* A text or bytea; absent is NULL. */
static void put_text_field(struct strbuf *out, struct str text)
{
	if (!text.p) {
		put_null(out);
		return;
	}
	put_u32(out, (uint32_t)text.len);
	strbuf_put(out, text);
}

/* Head of a text[] field of `n` elements that take `n_bytes` with their lengths. */
static void put_array_head(struct strbuf *out, uint32_t n, size_t n_bytes)
{
	put_u32(out, (uint32_t)(n > 0 ? 20 + n_bytes : 12));
	put_u32(out, n > 0); /* dimensions */
	put_u32(out, 0);     /* no nulls in it */
	put_u32(out, TEXT_OID);
	if (n > 0) {
		put_u32(out, n);
		put_u32(out, 1); /* first index */
	}
}

static void put_args_field(struct strbuf *out, const struct event *event)
{
	size_t n_bytes = 0;

	if (!event->has_message_args) {
		put_null(out);
		return;
	}
	for (uint32_t i = 0; i < event->n_message_args; i++)
		n_bytes += 4 + event->message_args[i].len;
	put_array_head(out, event->n_message_args, n_bytes);
	for (uint32_t i = 0; i < event->n_message_args; i++) {
		put_u32(out, (uint32_t)event->message_args[i].len);
		strbuf_put(out, event->message_args[i]);
	}
}

static void put_quirks_field(struct strbuf *out, uint64_t quirks)
{
	uint32_t n = (uint32_t)__builtin_popcountll(quirks);
	size_t n_bytes = 0;

	if (n == 0) {
		put_null(out);
		return;
	}
	for (uint64_t rest = quirks; rest; rest &= rest - 1)
		n_bytes += 4 + strlen(quirk_name((enum quirk)__builtin_ctzll(rest)));
	put_array_head(out, n, n_bytes);
	for (uint64_t rest = quirks; rest; rest &= rest - 1)
		put_text_field(out, str_of(quirk_name((enum quirk)__builtin_ctzll(rest))));
}

size_t copy_first(struct str rows)
{
	return rows.len < COPY_HEAD_BYTES ? rows.len : COPY_HEAD_BYTES;
}

size_t copy_params(struct str rows, size_t at, struct db_param *params, size_t *n)
{
	uint16_t n_columns;

	*n = 0;
	if (rows.len - at < sizeof(n_columns))
		return at;
	memcpy(&n_columns, rows.p + at, sizeof(n_columns));
	at += sizeof(n_columns);
	for (; *n < be16toh(n_columns); (*n)++) {
		uint32_t len;

		memcpy(&len, rows.p + at, sizeof(len));
		at += sizeof(len);
		params[*n] = DB_NULL;
		if (len == UINT32_MAX)
			continue;
		len = be32toh(len);
		params[*n] = DB_BYTES(((struct str){ rows.p + at, len }));
		at += len;
	}
	return at;
}

/* --- rows
 * ------------------------------------------------------------------------------------------ */

#define EVENT_COLUMNS                                                                              \
	"(log_day, seq, source_id, received, delivery, idx, part, category, severity, "            \
	"step, facts, event_time, event_timestamp, event_id, event_type, message_id, "             \
	"message_args, origin, sender_severity, sender_message, event_group_id, log_entry, "       \
	"text_id, resolution, language, registry, registry_version, registry_sha256, quirks, raw)"
#define REPEAT_COLUMNS "(seq, source_id, hash, received)"
#define COPY_EVENT     "COPY event " EVENT_COLUMNS " FROM STDIN (FORMAT binary)"
#define COPY_REPEAT    "COPY repeat " REPEAT_COLUMNS " FROM STDIN (FORMAT binary)"

const char log_row_insert_sql[] =
	"INSERT INTO event " EVENT_COLUMNS
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
	" $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)";
const char repeat_insert_sql[] = "INSERT INTO repeat " REPEAT_COLUMNS " VALUES ($1, $2, $3, $4)";
const char log_row_copy_sql[] = COPY_EVENT;
const char repeat_copy_sql[] = COPY_REPEAT;
const char log_commit_sql[] = COPY_EVENT ";" COPY_REPEAT "; COMMIT";

static bool same_text(struct str a, struct str b)
{
	return a.p && b.p && str_eq(a, b);
}

static int16_t facts_of(const struct event *event)
{
	return (int16_t)((same_text(event->sender_message, event->message) ? FACT_SENDER_MESSAGE
									   : 0) |
			 (same_text(event->sender_resolution, event->resolution)
				  ? FACT_SENDER_RESOLUTION
				  : 0));
}

static void put_sender_fields(struct strbuf *out, const struct event *event, int16_t facts)
{
	if (event->has_event_time)
		put_time_field(out, event->event_time_us);
	else
		put_null(out);
	put_text_field(out, event->event_timestamp);
	put_text_field(out, event->event_id);
	put_text_field(out, event->event_type);
	put_text_field(out, event->message_id);
	put_args_field(out, event);
	put_text_field(out, event->origin);
	put_text_field(out, event->sender_severity);
	put_text_field(out, facts & FACT_SENDER_MESSAGE ? absent : event->sender_message);
	if (event->has_event_group_id)
		put_i64_field(out, event->event_group_id);
	else
		put_null(out);
	put_text_field(out, event->log_entry);
}

void copy_event(struct strbuf *out, const struct log_row *row, const struct delivery *delivery,
		const struct event *event)
{
	int16_t facts = facts_of(event);

	put_row(out, N_EVENT_COLUMNS);
	put_i32_field(out, row->day);
	put_i64_field(out, row->seq);
	put_uuid_field(out, row->source);
	put_time_field(out, delivery->received_us);
	put_uuid_field(out, delivery->id);
	put_i32_field(out, (int32_t)event->index);
	put_i32_field(out, (int32_t)row->part);
	put_i16_field(out, (int16_t)event->category);
	put_i16_field(out, (int16_t)event->severity);
	put_i16_field(out, (int16_t)event->resolved_by.step);
	put_i16_field(out, facts);
	put_sender_fields(out, event, facts);
	if (uuid_is_zero(row->text_id))
		put_null(out);
	else
		put_uuid_field(out, row->text_id);
	put_text_field(out, event->resolution);
	put_text_field(out, event->language);
	put_text_field(out, event->resolved_by.registry);
	put_text_field(out, event->resolved_by.version);
	put_text_field(out, event->resolved_by.sha256);
	put_quirks_field(out, row->quirks);
	put_text_field(out, row->part == 0 ? delivery->raw : absent);
}

void copy_event_set(char *row, int32_t day, int64_t seq)
{
	uint32_t day_bits = htobe32((uint32_t)day);
	uint64_t seq_bits = htobe64((uint64_t)seq);

	/* u16 columns, u32 length, day, u32 length, seq */
	memcpy(row + 6, &day_bits, sizeof(day_bits));
	memcpy(row + 14, &seq_bits, sizeof(seq_bits));
}

const char metric_report_copy_sql[] =
	"COPY metric_report (received, delivery, source_id, raw) FROM STDIN (FORMAT binary)";

void copy_metric_report(struct strbuf *out, const struct delivery *delivery, struct uuid source)
{
	put_row(out, 4);
	put_time_field(out, delivery->received_us);
	put_uuid_field(out, delivery->id);
	put_uuid_field(out, source);
	put_text_field(out, delivery->raw);
}

void copy_repeat(struct strbuf *out, int64_t seq, struct uuid source, struct uuid hash,
		 int64_t received_us)
{
	put_row(out, 4);
	put_i64_field(out, seq);
	put_uuid_field(out, source);
	put_uuid_field(out, hash);
	put_time_field(out, received_us);
}

struct uuid log_text_id(struct str text)
{
	uint8_t digest[SHA256_BYTES];
	struct uuid id;

	secrets_sha256(text, digest);
	memcpy(id.b, digest, sizeof(id.b));
	return id;
}

/* --- reading
 * --------------------------------------------------------------------------------------- */

#define FACTS                                                                                      \
	"e.seq, e.source_id, e.received, e.delivery, e.idx, e.category, e.severity, e.step, "      \
	"e.facts, e.event_time, e.event_timestamp, e.event_id, e.event_type, e.message_id, "       \
	"e.message_args, e.origin, e.sender_severity, e.sender_message, e.event_group_id, "        \
	"e.log_entry, e.resolution, e.language, e.registry, e.registry_version, "                  \
	"e.registry_sha256, e.quirks"

const char log_row_facts[] = FACTS;
const char log_row_columns[] = FACTS
	", (SELECT t.body FROM message_text t WHERE t.log_day = e.log_day AND t.id = e.text_id)";

enum {
	COLUMN_SEQ,
	COLUMN_SOURCE,
	COLUMN_RECEIVED,
	COLUMN_DELIVERY,
	COLUMN_IDX,
	COLUMN_CATEGORY,
	COLUMN_SEVERITY,
	COLUMN_STEP,
	COLUMN_FACTS,
	COLUMN_EVENT_TIME,
	COLUMN_EVENT_TIMESTAMP,
	COLUMN_EVENT_ID,
	COLUMN_EVENT_TYPE,
	COLUMN_MESSAGE_ID,
	COLUMN_MESSAGE_ARGS,
	COLUMN_ORIGIN,
	COLUMN_SENDER_SEVERITY,
	COLUMN_SENDER_MESSAGE,
	COLUMN_GROUP_ID,
	COLUMN_LOG_ENTRY,
	COLUMN_RESOLUTION,
	COLUMN_LANGUAGE,
	COLUMN_REGISTRY,
	COLUMN_REGISTRY_VERSION,
	COLUMN_REGISTRY_SHA256,
	COLUMN_QUIRKS,
	COLUMN_TEXT,
};

/* Where a row is read from and into. */
struct reading {
	const struct db_result *result;
	size_t row;
	struct arena *arena;
	bool full;
};

static struct str read_text(struct reading *r, int column)
{
	struct str text = db_str(r->result, r->row, column);

	if (!text.p)
		return text;
	text = arena_copy(r->arena, text);
	r->full |= !text.p;
	return text;
}

/* The next element of an array's text "{a,\"b \\\"c\",…}", written to `to`, which has room for
 * *rest. False behind the last one. */
static bool next_element(struct str *rest, char *to, size_t *n_out)
{
	size_t n = 0, i = 1; /* behind '{' or ',' */
	bool quoted = false;

	if (rest->len < 2 || (rest->p[0] == '{' && rest->p[1] == '}'))
		return false;
	for (; i < rest->len; i++) {
		char c = rest->p[i];

		if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ',' || c == '}'))
			break;
		else
			to[n++] = c == '\\' && i + 1 < rest->len ? rest->p[++i] : c;
	}
	rest->p += i;
	rest->len -= i;
	*n_out = n;
	return true;
}

static size_t count_elements(struct str array, char *scratch)
{
	size_t n = 0, len;

	while (next_element(&array, scratch, &len))
		n++;
	return n;
}

static void read_args(struct reading *r, struct event *event)
{
	struct str array = db_str(r->result, r->row, COLUMN_MESSAGE_ARGS);
	char *texts;
	size_t n, len;

	if (!array.p)
		return;
	event->has_message_args = true;
	texts = arena_alloc(r->arena, array.len + 1);
	if (!texts) {
		r->full = true;
		return;
	}
	n = count_elements(array, texts);
	event->message_args = arena_alloc(r->arena, n * sizeof(event->message_args[0]) + 1);
	if (!event->message_args) {
		r->full = true;
		return;
	}
	while (next_element(&array, texts, &len)) {
		event->message_args[event->n_message_args++] = (struct str){ texts, len };
		texts += len;
	}
}

static uint64_t read_quirks(struct reading *r)
{
	struct str array = db_str(r->result, r->row, COLUMN_QUIRKS);
	uint64_t quirks = 0;
	char name[64];
	size_t len;

	/* Names of ours, none as long as the buffer; one that is not known here is passed over. */
	while (array.len > 1 && array.len < sizeof(name) * QUIRK_COUNT) {
		size_t end = str_find_char((struct str){ array.p + 1, array.len - 1 }, ',');

		if (end >= sizeof(name) || !next_element(&array, name, &len))
			break;
		quirks |= quirk_parse((struct str){ name, len });
	}
	return quirks;
}

static void read_time(struct reading *r, struct entry *entry)
{
	struct event *event = &entry->event;

	event->event_timestamp = read_text(r, COLUMN_EVENT_TIMESTAMP);
	if (db_is_null(r->result, r->row, COLUMN_EVENT_TIME))
		return;
	event->has_event_time = true;
	event->event_time_us = db_time_us(r->result, r->row, COLUMN_EVENT_TIME);
	event->event_time_sane = event->event_time_us >= SANE_FROM_US &&
				 event->event_time_us <= entry->received_us + SANE_AHEAD_US;
}

static void read_sender_texts(struct reading *r, struct event *event)
{
	event->event_id = read_text(r, COLUMN_EVENT_ID);
	event->event_type = read_text(r, COLUMN_EVENT_TYPE);
	event->message_id = read_text(r, COLUMN_MESSAGE_ID);
	read_args(r, event);
	event->origin = read_text(r, COLUMN_ORIGIN);
	event->sender_severity = read_text(r, COLUMN_SENDER_SEVERITY);
	event->log_entry = read_text(r, COLUMN_LOG_ENTRY);
	event->has_event_group_id = !db_is_null(r->result, r->row, COLUMN_GROUP_ID);
	event->event_group_id = db_int(r->result, r->row, COLUMN_GROUP_ID);
}

static void read_words(struct reading *r, struct event *event)
{
	int64_t facts = db_int(r->result, r->row, COLUMN_FACTS);

	event->message = read_text(r, COLUMN_TEXT);
	event->resolution = read_text(r, COLUMN_RESOLUTION);
	event->language = read_text(r, COLUMN_LANGUAGE);
	event->sender_message =
		facts & FACT_SENDER_MESSAGE ? event->message : read_text(r, COLUMN_SENDER_MESSAGE);
	if (facts & FACT_SENDER_RESOLUTION)
		event->sender_resolution = event->resolution;
	event->resolved_by = (struct resolved_by){
		.registry = read_text(r, COLUMN_REGISTRY),
		.version = read_text(r, COLUMN_REGISTRY_VERSION),
		.sha256 = read_text(r, COLUMN_REGISTRY_SHA256),
		.step = (enum resolve_step)db_int(r->result, r->row, COLUMN_STEP),
	};
}

int log_row_read(const struct db_result *result, size_t row, struct arena *arena,
		 struct entry *entry)
{
	struct reading r = { .result = result, .row = row, .arena = arena };
	struct event *event = &entry->event;

	entry->seq = db_int(result, row, COLUMN_SEQ);
	entry->source = db_get_uuid(result, row, COLUMN_SOURCE);
	entry->received_us = db_time_us(result, row, COLUMN_RECEIVED);
	entry->delivery = db_get_uuid(result, row, COLUMN_DELIVERY);
	event->index = (uint32_t)db_int(result, row, COLUMN_IDX);
	event->category = (enum category)db_int(result, row, COLUMN_CATEGORY);
	event->severity = (enum severity)db_int(result, row, COLUMN_SEVERITY);
	event->quirks = read_quirks(&r);
	read_time(&r, entry);
	read_sender_texts(&r, event);
	read_words(&r, event);
	return r.full ? -E2BIG : 0;
}
