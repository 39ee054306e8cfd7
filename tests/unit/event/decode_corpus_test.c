/* Decode on real payloads, and on thousands of mutations of them and of our own samples. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/quirks.h"

#define N_MUTATIONS 20000
#define MAX_SAMPLES 512
#define RECEIVED_US 1795000000000000ll /* late in 2026: none of the payloads is from the future */

static struct sample {
	char *name, *text;
	size_t len;
} samples[MAX_SAMPLES];
static size_t n_samples, n_real;

#define TEXT(literal)                                                                              \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static const struct str own_samples[] = {
	TEXT("{\"@odata.type\":\"#Event.v1_7_0.Event\",\"Id\":\"1\",\"Name\":\"x\",\"Context\":"
	     "\"c\","
	     "\"Events\":[{\"EventType\":\"Alert\",\"MemberId\":\"0\",\"MessageId\":\"Power.1.2."
	     "Failed\","
	     "\"EventId\":\"4711\",\"EventTimestamp\":\"2025-11-20T09:12:44Z\",\"Message\":"
	     "\"Supply 2 of "
	     "chassis 1 failed.\",\"MessageArgs\":[\"2\",\"1\"],\"MessageSeverity\":\"Critical\","
	     "\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Chassis/1/PowerSubsystem\"}}]}"),
	TEXT("{\"Events\":[{\"MessageArgs\":[\"a\",1.10,null,{\"b\":[]}],\"MessageID\":\"A\"},"
	     "{\"EventGroupId\":123456789012345678901}]}"),
	TEXT("[{\"Message\":\"\\u00e4\\ud83d\\ude00\\u0000 \xc3\xa9\",\"Severity\":\"Ok\"},7,"
	     "{\"Events\":{\"Oem\":{\"MetricValues\":[]}}}]"),
	TEXT("\xef\xbb\xbf{\"MetricValues\":[{\"MetricValue\":\"1\"}]}\0"),
	TEXT("\xff\xfe{\0\"\0a\0\"\0:\0"
	     "1\0}\0"),
};

static void add_sample(const char *name, char *text, size_t len)
{
	assert_true(n_samples < MAX_SAMPLES);
	samples[n_samples++] = (struct sample){ xstrdup(name), text, len };
}

static void add_folder(const char *place)
{
	DIR *dir = opendir(place);
	struct dirent *item;

	if (!dir)
		return;
	while ((item = readdir(dir))) {
		struct str name = str_of(item->d_name);
		char *path = xasprintf("%s/%s", place, item->d_name), *text;
		struct err err;
		size_t len;

		if (str_ends_with(name, STR(".json")) &&
		    file_read(path, 16 << 20, &text, &len, &err) == 0)
			add_sample(path, text, len);
		else if (item->d_type == DT_DIR && item->d_name[0] != '.')
			add_folder(path);
		free(path);
	}
	closedir(dir);
}

static int load(void **state)
{
	const char *shared = getenv("RFEVENTD_SHARED");
	char *place = xasprintf("%s/data/events", shared ? shared : "../shared");

	add_folder(place);
	free(place);
	n_real = n_samples;
	for (size_t i = 0; i < ARRAY_LEN(own_samples); i++) {
		char *text = xmalloc(own_samples[i].len);

		memcpy(text, own_samples[i].p, own_samples[i].len);
		add_sample("own", text, own_samples[i].len);
	}
	return 0;
}

static int unload(void **state)
{
	for (size_t i = 0; i < n_samples; i++) {
		free(samples[i].name);
		free(samples[i].text);
	}
	return 0;
}

static struct delivery *decoded(const char *text, size_t len)
{
	struct delivery *delivery =
		delivery_new((struct uuid){ { 1 } }, (struct uuid){ { 2 } }, RECEIVED_US, 0,
			     STR(""), (struct str){ 0 }, STR(""), (struct str){ text, len });

	decode_delivery(delivery);
	return delivery;
}

static void real_payloads(void **state)
{
	size_t n_reports = 0, n_with_events = 0, n_events = 0, n_of[QUIRK_COUNT] = { 0 };

	if (n_real == 0) {
		print_message(
			"no payloads: set RFEVENTD_SHARED to the folder that holds data/events\n");
		skip();
	}
	for (size_t i = 0; i < n_real; i++) {
		struct delivery *delivery = decoded(samples[i].text, samples[i].len);

		if (delivery->kind != DELIVERY_METRIC_REPORT && delivery->kind != DELIVERY_EVENTS)
			fail_msg("%s: %s, %.*s", samples[i].name, delivery->reason,
				 STR_ARG(delivery->detail));
		if (delivery->kind == DELIVERY_EVENTS && delivery->n_events == 0)
			fail_msg("%s: no event", samples[i].name);
		n_reports += delivery->kind == DELIVERY_METRIC_REPORT;
		n_with_events += delivery->n_events > 0;
		n_events += delivery->n_events;
		for (uint32_t k = 0; k < delivery->n_events; k++) {
			assert_false(delivery->events[k].quirks & QUIRK_BIT(NOT_AN_EVENT));
			for (int q = 0; q < QUIRK_COUNT; q++)
				n_of[q] += delivery->events[k].quirks >> q & 1;
		}
		assert_int_equal(delivery->n_quarantined, 0);
		delivery_unref(delivery);
	}
	print_message("%zu files: %zu with %zu events, %zu reports\n", n_real, n_with_events,
		      n_events, n_reports);
	for (int q = 0; q < QUIRK_COUNT; q++) {
		if (n_of[q] > 0)
			print_message("%6zu %s\n", n_of[q], quirk_name((enum quirk)q));
	}
	assert_int_equal(n_with_events, 62);
	assert_int_equal(n_reports, 12);
}

/* --- mutations -------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static const char *const pieces[] = { "{",
				      "}",
				      "[",
				      "]",
				      "\"",
				      ":",
				      ",",
				      "\\",
				      "\\u0000",
				      "\\ud800",
				      "\x80",
				      "\xed\xa0\x80",
				      "\xef\xbb\xbf",
				      "1e999",
				      "-",
				      "null",
				      "[null]",
				      "18446744073709551616" };

/* One edit of `text`, which has room for `max` bytes; returns the new length. */
static size_t mutate(char *text, size_t len, size_t max, uint32_t *seed)
{
	size_t at = len > 0 ? next_random(seed) % len : 0, n;
	const char *piece;

	switch (next_random(seed) % 5) {
	case 0: /* one byte otherwise */
		if (len > 0)
			text[at] = (char)next_random(seed);
		return len;
	case 1: /* cut off */ return at;
	case 2: /* a stretch left out */
		n = next_random(seed) % 40;
		n = n > len - at ? len - at : n;
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 3: /* a stretch twice */
		n = next_random(seed) % 200;
		n = n > len - at ? len - at : n;
		if (len + n > max)
			return len;
		memmove(text + at + n, text + at, len - at);
		return len + n;
	default: /* something put in */
		piece = pieces[next_random(seed) % ARRAY_LEN(pieces)];
		n = strlen(piece);
		if (len + n > max)
			return len;
		memmove(text + at + n, text + at, len - at);
		memcpy(text + at, piece, n);
		return len + n;
	}
}

static void check_column(struct str text)
{
	if (!text.p)
		return;
	assert_true(str_is_utf8(text));
	assert_null(text.len > 0 ? memchr(text.p, '\0', text.len) : NULL);
}

/* What the database and the encoder take for granted, whatever was sent. */
static void check(const struct delivery *delivery, struct strbuf *out)
{
	bool aside = delivery->kind == DELIVERY_NOT_JSON || delivery->kind == DELIVERY_QUARANTINED;

	assert_int_equal(delivery->reason != NULL, aside);
	check_column(delivery->detail);
	check_column(delivery->context);
	check_column(delivery->envelope_id);
	for (uint32_t i = 0; i < delivery->n_quarantined; i++) {
		assert_non_null(delivery->quarantined[i].reason);
		check_column(delivery->quarantined[i].raw);
		check_column(delivery->quarantined[i].detail);
	}
	for (uint32_t i = 0; i < delivery->n_events; i++) {
		const struct event *event = &delivery->events[i];
		struct entry entry = { .event = *event };

		check_column(event->event_id);
		check_column(event->event_timestamp);
		check_column(event->event_type);
		check_column(event->message_id);
		check_column(event->origin);
		check_column(event->sender_severity);
		check_column(event->sender_message);
		check_column(event->sender_resolution);
		check_column(event->log_entry);
		for (uint32_t k = 0; k < event->n_message_args; k++) {
			assert_non_null(event->message_args[k].p);
			check_column(event->message_args[k]);
		}
		assert_true(i == 0 || event->index > delivery->events[i - 1].index);
		strbuf_reset(out);
		entry_encode(out, &entry, NULL, NULL);
		assert_true(out->failed || str_is_utf8(strbuf_str(out)));
	}
}

static void mutations(void **state)
{
	uint32_t seed = 20251120;
	size_t n_of[DELIVERY_QUARANTINED + 1] = { 0 };
	struct strbuf out;

	strbuf_init(&out, 1 << 20);
	for (int i = 0; i < N_MUTATIONS; i++) {
		const struct sample *sample = &samples[next_random(&seed) % n_samples];
		size_t max = sample->len + 4096, len = sample->len;
		char *text = xmalloc(max), *exact;
		struct delivery *delivery;

		memcpy(text, sample->text, len);
		for (uint32_t n = next_random(&seed) % 2 + 1; n > 0; n--)
			len = mutate(text, len, max, &seed);
		/* Of its own size, so that the sanitizer sees a read past the end. */
		exact = xmalloc(len + 1);
		memcpy(exact, text, len);
		delivery = decoded(exact, len);
		n_of[delivery->kind]++;
		check(delivery, &out);
		delivery_unref(delivery);
		free(exact);
		free(text);
	}
	print_message("%zu with events, %zu reports, %zu not JSON, %zu set aside\n", n_of[0],
		      n_of[1], n_of[2], n_of[3]);
	assert_true(n_of[DELIVERY_EVENTS] > N_MUTATIONS / 20);
	assert_true(n_of[DELIVERY_NOT_JSON] > N_MUTATIONS / 20);
	strbuf_fini(&out);
}

/* Not a bound that could fail: the figure that a change of the reader is held against. */
static void speed(void **state)
{
	const struct sample *sample = &samples[n_real];
	int64_t start = clock_monotonic_us();
	size_t n_events = 0;

	for (int i = 0; i < 5000; i++) {
		struct delivery *delivery = decoded(sample->text, sample->len);

		n_events += delivery->n_events;
		delivery_unref(delivery);
	}
	print_message("%.1f us a delivery of %zu bytes with %zu events\n",
		      (double)(clock_monotonic_us() - start) / 5000, sample->len, n_events / 5000);
	assert_int_equal(n_events, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_payloads),
		cmocka_unit_test(mutations),
		cmocka_unit_test(speed),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
