/* Upkeep: the log's life beside the loading, in the background.
 *
 * On a connection of its own, so that nothing it waits for holds up the loader: days past their
 * retention dropped, days that are over frozen once, old rows of the small tables deleted. Of
 * several replicas one does it at a time (an advisory lock).
 * Thread: its own.
 */
#ifndef STORAGE_UPKEEP_H
#define STORAGE_UPKEEP_H

#include <stdint.h>

struct err;
struct journal;
struct upkeep;

struct upkeep_config {
	const char *url;         /* past any pool of connections: locks belong to the session */
	const char *node;        /* whose positions in segments that are gone are forgotten */
	struct journal *journal; /* borrowed; outlives the upkeep */
	int64_t keep_events_us, keep_metric_reports_us;
	int64_t repeat_window_us;
};

int upkeep_start(const struct upkeep_config *config, struct upkeep **out, struct err *err);
void upkeep_stop(struct upkeep *upkeep); /* gives up what runs; NULL is allowed */

#endif
