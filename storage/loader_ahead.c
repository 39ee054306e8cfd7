#include "storage/loader_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "storage/limits.h"

struct loader_ahead {
	char *journal_dir;
	prepare_fn *prepare;
	void *prepare_ctx;
	pthread_t thread;
	bool started;
	struct journal_reader *reader; /* of the thread */

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stopping;
	uint64_t generation;            /* another one: start anew */
	struct journal_segment segment; /* number 0: nothing to read */
	uint64_t position;              /* of the next record to read */
	bool paused;                    /* its last record was the end, or an error */
	/* Read and not taken, oldest first: circular. */
	struct ahead_record records[AHEAD_MAX_RECORDS];
	size_t head, n;
	size_t n_bytes; /* memory of their deliveries */
};

void ahead_read(struct journal_reader *reader, const struct journal_segment *segment,
		uint64_t position, struct ahead_record *out)
{
	struct str record;
	struct err err;

	*out = (struct ahead_record){ .start = position };
	out->result = journal_read(reader, segment, position, &record, &out->next, &err);
	if (out->result == 1 && delivery_unpack(record, &out->delivery, &err) < 0)
		out->result = -EBADMSG;
	if (out->result < 0)
		out->words = xstrdup(err.text);
	if (out->result != 1)
		return;
	out->delivery->segment = segment->id;
	out->delivery->segment_number = segment->number;
	out->delivery->start = position;
	out->delivery->end = out->next;
}

static void drop(struct ahead_record *record)
{
	delivery_unref(record->delivery);
	free(record->words);
}

static struct ahead_record *at(struct loader_ahead *ahead, size_t i)
{
	return &ahead->records[(ahead->head + i) % AHEAD_MAX_RECORDS];
}

/* The caller holds the mutex, or is alone. */
static void drop_all(struct loader_ahead *ahead)
{
	for (size_t i = 0; i < ahead->n; i++)
		drop(at(ahead, i));
	ahead->head = ahead->n = 0;
	ahead->n_bytes = 0;
}

static bool has_room(const struct loader_ahead *ahead)
{
	return ahead->n < AHEAD_MAX_RECORDS && ahead->n_bytes < AHEAD_MAX_BYTES;
}

static void add(struct loader_ahead *ahead, const struct ahead_record *record)
{
	*at(ahead, ahead->n) = *record;
	ahead->n++;
	if (record->delivery)
		ahead->n_bytes += delivery_bytes(record->delivery);
	ahead->position = record->next;
	ahead->paused = record->result != 1 && record->result != -EBADMSG;
}

static void *run(void *ctx)
{
	struct loader_ahead *ahead = ctx;

	pthread_mutex_lock(&ahead->mutex);
	while (!ahead->stopping) {
		struct journal_segment segment = ahead->segment;
		uint64_t generation = ahead->generation, position = ahead->position;
		struct ahead_record record;

		if (segment.number == 0 || ahead->paused || !has_room(ahead)) {
			pthread_cond_wait(&ahead->changed, &ahead->mutex);
			continue;
		}
		pthread_mutex_unlock(&ahead->mutex);
		ahead_read(ahead->reader, &segment, position, &record);
		if (record.delivery)
			ahead->prepare(ahead->prepare_ctx, record.delivery);
		pthread_mutex_lock(&ahead->mutex);
		if (generation == ahead->generation)
			add(ahead, &record);
		else
			drop(&record);
		pthread_cond_broadcast(&ahead->changed);
	}
	pthread_mutex_unlock(&ahead->mutex);
	return NULL;
}

struct loader_ahead *loader_ahead_new(const char *journal_dir, prepare_fn *prepare,
				      void *prepare_ctx)
{
	struct loader_ahead *ahead = xcalloc(1, sizeof(*ahead));

	ahead->journal_dir = xstrdup(journal_dir);
	ahead->prepare = prepare;
	ahead->prepare_ctx = prepare_ctx;
	pthread_mutex_init(&ahead->mutex, NULL);
	pthread_cond_init(&ahead->changed, NULL);
	return ahead;
}

void loader_ahead_free(struct loader_ahead *ahead)
{
	if (!ahead)
		return;
	if (ahead->started) {
		pthread_mutex_lock(&ahead->mutex);
		ahead->stopping = true;
		pthread_cond_broadcast(&ahead->changed);
		pthread_mutex_unlock(&ahead->mutex);
		pthread_join(ahead->thread, NULL);
	}
	drop_all(ahead);
	journal_reader_free(ahead->reader);
	pthread_cond_destroy(&ahead->changed);
	pthread_mutex_destroy(&ahead->mutex);
	free(ahead->journal_dir);
	free(ahead);
}

static int start(struct loader_ahead *ahead, struct err *err)
{
	int r;

	if (ahead->started)
		return 0;
	ahead->reader = journal_reader_new(ahead->journal_dir);
	r = thread_start(&ahead->thread, "read-ahead", run, ahead, err);
	if (r < 0) {
		journal_reader_free(ahead->reader);
		ahead->reader = NULL;
		return r;
	}
	ahead->started = true;
	return 0;
}

/* Where to read, and how far by now. The caller holds the mutex. */
static void turn_to(struct loader_ahead *ahead, const struct journal_segment *segment,
		    uint64_t position)
{
	uint64_t expected = ahead->n > 0 ? at(ahead, 0)->start : ahead->position;

	if (ahead->segment.number != segment->number || expected != position) {
		drop_all(ahead);
		ahead->generation++;
		ahead->position = position;
		ahead->paused = false;
	}
	if (ahead->n == 0)
		ahead->paused = false;
	ahead->segment = *segment;
	pthread_cond_broadcast(&ahead->changed);
}

static void pop(struct loader_ahead *ahead, struct ahead_record *out)
{
	*out = *at(ahead, 0);
	if (out->delivery)
		ahead->n_bytes -= delivery_bytes(out->delivery);
	ahead->head = (ahead->head + 1) % AHEAD_MAX_RECORDS;
	ahead->n--;
	pthread_cond_broadcast(&ahead->changed);
}

int loader_ahead_take(struct loader_ahead *ahead, const struct journal_segment *segment,
		      uint64_t position, struct ahead_record *out, struct err *err)
{
	int r = start(ahead, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&ahead->mutex);
	do { /* twice when it came to an end that has moved since */
		turn_to(ahead, segment, position);
		while (ahead->n == 0)
			pthread_cond_wait(&ahead->changed, &ahead->mutex);
		pop(ahead, out);
	} while (out->result == 0 && position < segment->end);
	pthread_mutex_unlock(&ahead->mutex);
	return 0;
}

void loader_ahead_drop(struct loader_ahead *ahead)
{
	pthread_mutex_lock(&ahead->mutex);
	drop_all(ahead);
	ahead->generation++;
	ahead->segment.number = 0;
	pthread_mutex_unlock(&ahead->mutex);
}
