/* A Redfish Event of one record, made once and patched in place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/mem.h"
#include "tests/bench/load/load.h"

#define TIME_CHARS    24 /* 2026-11-21T09:12:44.123Z */
#define COUNTER_CHARS 12

/* 'i': an id, 't': the time, 'p': a part's number, 'o': the origin's number. */
static const struct {
	const char *text;
	char hole;
} pieces[] = { { "{\"@odata.type\":\"#Event.v1_9_0.Event\",\"Id\":\"", 'i' },
	       { "\",\"Name\":\"Event\",\"Context\":\"bench\",\"Events\":[{\"MemberId\":\"0\","
		 "\"EventType\":\"Alert\",\"EventId\":\"",
		 'i' },
	       { "\",\"EventTimestamp\":\"", 't' },
	       { "\",\"Severity\":\"Critical\",\"MessageSeverity\":\"Critical\","
		 "\"MessageId\":\"Power.1.2.PowerSupplyFailed\",\"MessageArgs\":[\"PSU ",
		 'p' },
	       { "\"],\"Message\":\"The power supply has failed and no longer delivers power.\","
		 "\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Chassis/",
		 'o' },
	       { "/PowerSubsystem/PowerSupplies/2\"},\"Oem\":{\"Bench\":{\"Note\":\"", 0 } };
static const char tail[] = "\"}}}]}";
static const char filler[] =
	"the rack by the window in the second row, spare part in the cupboard; ";

static size_t put_hole(struct strbuf *out, char hole)
{
	size_t at = out->len;
	size_t n = hole == 'i' ? ID_CHARS : hole == 't' ? TIME_CHARS : 4;

	for (size_t i = 0; i < n; i++)
		strbuf_put_char(out, '0');
	return at;
}

void body_init(struct body *body, size_t n_bytes)
{
	struct strbuf out;
	size_t n_ids = 0;

	strbuf_init(&out, n_bytes + 4096);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		strbuf_put_text(&out, pieces[i].text);
		switch (pieces[i].hole) {
		case 'i': body->id_at[n_ids++] = put_hole(&out, 'i'); break;
		case 't': body->time_at = put_hole(&out, 't'); break;
		case 'p': body->part_at = put_hole(&out, 'p'); break;
		case 'o': body->origin_at = put_hole(&out, 'o'); break;
		default: break;
		}
	}
	for (size_t i = 0; out.len + sizeof(tail) - 1 < n_bytes; i++)
		strbuf_put_char(&out, filler[i % (sizeof(filler) - 1)]);
	strbuf_put_text(&out, tail);
	body->p = out.p;
	body->len = out.len;
	body->second = -1;
	if (getrandom(&body->run, sizeof(body->run), 0) != sizeof(body->run))
		abort();
}

void body_fini(struct body *body)
{
	free(body->p);
}

static void put_digits(char *at, size_t n, uint64_t value)
{
	while (n-- > 0) {
		at[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

void body_id(const struct body *body, uint64_t number, char *out)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < 8; i++)
		out[i] = hex[(body->run >> (28 - 4 * i)) & 15];
	out[8] = '-';
	put_digits(out + 9, COUNTER_CHARS, number);
}

void body_patch(struct body *body, uint64_t number, int64_t time_us)
{
	char *time_text = body->p + body->time_at;
	int64_t second = time_us / 1000000;

	if (second != body->second) {
		time_t t = (time_t)second;
		struct tm tm;

		gmtime_r(&t, &tm);
		if (strftime(time_text, TIME_CHARS, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
			abort();
		time_text[19] = '.';
		time_text[23] = 'Z';
		body->second = second;
	}
	put_digits(time_text + 20, 3, (uint64_t)(time_us / 1000 % 1000));
	body_id(body, number, body->p + body->id_at[0]);
	memcpy(body->p + body->id_at[1], body->p + body->id_at[0], ID_CHARS);
	put_digits(body->p + body->part_at, 4, number % 10000);
	put_digits(body->p + body->origin_at, 4, number / 7 % 10000);
}
