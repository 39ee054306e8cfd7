#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metrics.h"

#define N_THREADS 4
#define N_ADDS    50000

static const char *page(void)
{
	static struct strbuf out;

	if (!out.p)
		strbuf_init(&out, 1 << 20);
	strbuf_reset(&out);
	metrics_write(&out);
	assert_false(out.failed);
	return out.p;
}

static bool has_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	return at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void test_from_the_start(void **state)
{
	const char *text = page();

	assert_true(has_line(text, "rfeventd_events_logged_total 0"));
	assert_true(has_line(text, "rfeventd_acknowledge_seconds_count 0"));
	assert_null(strstr(text, "\nrfeventd_log_last_seq ")); /* nobody has said yet */
	assert_true(has_line(text, "# TYPE rfeventd_log_last_seq gauge"));
	assert_null(strstr(text, "\nrfeventd_quirks_total"));
}

static void test_counter(void **state)
{
	char copied[] = "origin_string"; /* another address, the same label */

	metric_add(METRIC_REPEATS, NULL, 2);
	metric_add(METRIC_REPEATS, NULL, 3);
	metric_add(METRIC_QUIRKS, "origin_string", 1);
	metric_add(METRIC_QUIRKS, "event_time", 10);
	metric_add(METRIC_QUIRKS, copied, 1);
	assert_true(metric_read(METRIC_REPEATS, NULL) == 5);
	assert_true(metric_read(METRIC_QUIRKS, "origin_string") == 2);
	assert_true(metric_read(METRIC_QUIRKS, NULL) == 12);
	assert_true(metric_read(METRIC_QUIRKS, "unheard_of") == 0);
	assert_true(has_line(page(), "rfeventd_repeats_total 5"));
	assert_true(has_line(page(), "rfeventd_quirks_total{quirk=\"origin_string\"} 2"));
	assert_true(has_line(page(), "rfeventd_quirks_total{quirk=\"event_time\"} 10"));
}

static void test_gauge(void **state)
{
	metric_set(METRIC_LOG_LAST_SEQ, NULL, 123456789012.0);
	metric_set(METRIC_STREAM_CLIENTS, "websocket", 3);
	metric_set(METRIC_STREAM_CLIENTS, "websocket", 2);
	metric_set(METRIC_JOURNAL_OLDEST, NULL, 0.5);
	assert_true(has_line(page(), "rfeventd_log_last_seq 123456789012"));
	assert_true(has_line(page(), "rfeventd_stream_clients{kind=\"websocket\"} 2"));
	assert_true(has_line(page(), "rfeventd_journal_oldest_seconds 0.5"));
	assert_true(metric_read(METRIC_STREAM_CLIENTS, "websocket") == 2);
}

static void test_histogram(void **state)
{
	metric_observe(METRIC_ACKNOWLEDGE, 0.0005); /* a limit belongs to its bucket */
	metric_observe(METRIC_ACKNOWLEDGE, 0.0006);
	metric_observe(METRIC_ACKNOWLEDGE, 99);
	metric_observe(METRIC_LOADER_BATCH, 0);
	metric_observe(METRIC_LOADER_BATCH, 65);
	assert_true(metric_read(METRIC_ACKNOWLEDGE, NULL) == 3);
	assert_true(has_line(page(), "rfeventd_acknowledge_seconds_bucket{le=\"0.0005\"} 1"));
	assert_true(has_line(page(), "rfeventd_acknowledge_seconds_bucket{le=\"0.001\"} 2"));
	assert_true(has_line(page(), "rfeventd_acknowledge_seconds_bucket{le=\"10.0\"} 2"));
	assert_true(has_line(page(), "rfeventd_acknowledge_seconds_bucket{le=\"+Inf\"} 3"));
	assert_true(has_line(page(), "rfeventd_acknowledge_seconds_count 3"));
	assert_true(has_line(page(), "rfeventd_acknowledge_seconds_sum 99.0011"));
	assert_true(has_line(page(), "rfeventd_loader_batch_events_bucket{le=\"1.0\"} 1"));
	assert_true(has_line(page(), "rfeventd_loader_batch_events_bucket{le=\"64.0\"} 1"));
	assert_true(has_line(page(), "rfeventd_loader_batch_events_bucket{le=\"256.0\"} 2"));
	assert_true(has_line(page(), "rfeventd_loader_batch_events_bucket{le=\"+Inf\"} 2"));
}

static void test_escapes(void **state)
{
	metric_add(METRIC_DELIVERIES_REJECTED, "a\"b\\c\nd", 1);
	assert_true(has_line(page(),
			     "rfeventd_deliveries_rejected_total{reason=\"a\\\"b\\\\c\\nd\"} 1"));
}

static void set_journal_bytes(void *ctx)
{
	metric_set(METRIC_JOURNAL_BYTES, NULL, ++*(int *)ctx);
}

static void test_on_scrape(void **state)
{
	static int n_bytes = 41;

	metrics_on_scrape(set_journal_bytes, &n_bytes);
	assert_true(has_line(page(), "rfeventd_journal_bytes 42"));
	assert_true(has_line(page(), "rfeventd_journal_bytes 43"));
}

/* OpenMetrics 1.0: families in one piece, each sample below its TYPE, the unit as the name's end,
 * "# EOF" last. */
static void test_format(void **state)
{
	char *text = xstrdup(page()), *rest = text, *line;
	char family[100] = "", unit[100];
	bool ended = false;

	while ((line = strsep(&rest, "\n")) && *line) {
		assert_false(ended);
		if (strcmp(line, "# EOF") == 0) {
			ended = true;
		} else if (sscanf(line, "# TYPE %99s", family) == 1) {
			char *again = xasprintf("# TYPE %s ", family);

			assert_memory_equal(family, "rfeventd_", 9);
			assert_null(rest ? strstr(rest, again) : NULL);
			free(again);
		} else if (line[0] == '#') {
			assert_true(strncmp(line + 7, family, strlen(family)) == 0);
			if (sscanf(line, "# UNIT %*s %99s", unit) == 1)
				assert_string_equal(family + strlen(family) - strlen(unit), unit);
		} else {
			assert_true(strncmp(line, family, strlen(family)) == 0);
			assert_non_null(strchr("{_ ", line[strlen(family)]));
		}
	}
	assert_true(ended);
	free(text);
}

static void *count(void *ctx)
{
	for (int i = 0; i < N_ADDS; i++) {
		metric_add(METRIC_EVENTS_LOGGED, NULL, 1);
		metric_add(METRIC_RESOLVE, i % 2 ? "exact" : "sender", 1);
		metric_observe(METRIC_LOADER_COMMIT, 0.25);
	}
	return NULL;
}

static void count_on_threads(void)
{
	pthread_t threads[N_THREADS];

	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	page(); /* while they count */
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* Counts outlive their threads, and those that come later go on from them. */
static void test_threads(void **state)
{
	for (int round = 1; round <= 3; round++) {
		double n = (double)round * N_THREADS * N_ADDS;

		count_on_threads();
		assert_true(metric_read(METRIC_EVENTS_LOGGED, NULL) == n);
		assert_true(metric_read(METRIC_RESOLVE, "exact") == n / 2);
		assert_true(metric_read(METRIC_LOADER_COMMIT, NULL) == n);
	}
	assert_true(has_line(page(), "rfeventd_loader_commit_seconds_sum 150000"));
}

/* Last, as it takes every cell: labels beyond the cap are dropped, those before still count. */
static void test_too_many_labels(void **state)
{
	static char labels[METRICS_MAX_CELLS + 10][16]; /* labels live for ever */

	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		snprintf(labels[i], sizeof(labels[i]), "reason-%zu", i);
		metric_add(METRIC_QUARANTINED, labels[i], 1);
	}
	assert_true(metric_read(METRIC_QUARANTINED, "reason-0") == 1);
	metric_add(METRIC_QUARANTINED, "reason-0", 1);
	assert_true(metric_read(METRIC_QUARANTINED, "reason-0") == 2);
	assert_in_range((int)metric_read(METRIC_QUARANTINED, NULL), METRICS_MAX_CELLS / 2,
			METRICS_MAX_CELLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_the_start),  cmocka_unit_test(test_counter),
		cmocka_unit_test(test_gauge),           cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_escapes),         cmocka_unit_test(test_on_scrape),
		cmocka_unit_test(test_threads),         cmocka_unit_test(test_format),
		cmocka_unit_test(test_too_many_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
