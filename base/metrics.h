/* Metrics: counters, gauges and histograms, listed once in base/metrics_table.h.
 *
 * Counters and histograms are counted per thread and summed when scraped; gauges are set by
 * whoever knows, or read by a callback at scrape time. Names get the prefix `rfeventd_`.
 * Exposition: OpenMetrics 1.0 text. Thread: any.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/str.h"

enum metric {
#define METRIC(id, type, name, label, unit, help) METRIC_##id,
#include "base/metrics_table.h"
#undef METRIC
	METRIC_COUNT
};

/* Add to a counter. `label_value` is a literal or lives for ever; NULL for a metric without a
 * label. Label values are few (METRICS_MAX_CELLS in all; what is beyond is not counted): never
 * hostnames or arguments. A counter without label exists as 0 from the start, a gauge once set. */
void metric_add(enum metric metric, const char *label_value, uint64_t n);
void metric_set(enum metric metric, const char *label_value, double value); /* gauge */
void metric_observe(enum metric metric, double value);			     /* histogram, seconds or count */
/* Sum over all threads now: for tests and for the service's own decisions. A NULL label sums all
 * labels; a histogram gives its count. */
double metric_read(enum metric metric, const char *label_value);
/* The whole page, ending in "# EOF". */
void metrics_write(struct strbuf *out);
/* Call `fn` at the start of every scrape, to set gauges that are cheap to read then. */
typedef void metrics_fn(void *ctx);
void metrics_on_scrape(metrics_fn *fn, void *ctx);

#endif
