/* How far behind the log is: asked for when metrics are scraped, from any thread. */
#include <stdlib.h>

#include "base/clock.h"
#include "storage/journal.h"
#include "storage/loader_priv.h"

/* Receipt time of the record at `position`; 0 when it cannot be read. */
static int64_t received_at(struct loader *loader, const struct journal_segment *segment,
			   uint64_t position)
{
	struct journal_reader *reader = journal_reader_new(loader->config.journal_dir);
	struct delivery *delivery = NULL;
	int64_t received_us = 0;
	struct str record;
	uint64_t next;

	if (journal_read(reader, segment, position, &record, &next, NULL) == 1 &&
	    delivery_unpack(record, &delivery, NULL) == 0)
		received_us = delivery->received_us;
	delivery_unref(delivery);
	journal_reader_free(reader);
	return received_us;
}

double loader_oldest_seconds(struct loader *loader)
{
	struct journal_segment *segments;
	int64_t received_us = 0;
	struct place loaded;
	size_t n;

	pthread_mutex_lock(&loader->mutex);
	loaded = loader->loaded;
	pthread_mutex_unlock(&loader->mutex);
	journal_segments(loader->config.journal, &segments, &n);
	for (size_t i = 0; i < n && received_us == 0; i++) {
		uint64_t position = segments[i].first;

		if (segments[i].number < loaded.segment_number)
			continue;
		if (segments[i].number == loaded.segment_number)
			position = loaded.position;
		if (position < segments[i].end)
			received_us = received_at(loader, &segments[i], position);
	}
	free(segments);
	return received_us == 0 ? 0 :
				  (double)(clock_time_us() - received_us) / CLOCK_US_PER_S;
}
