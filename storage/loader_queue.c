#include "storage/loader_queue.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "event/limits.h"
#include "storage/limits.h"

struct waiting_answer {
	struct waiting_answer *next;
	uint64_t segment_number, end;
	struct intake *intake;
};

static struct delivery *of_item(struct mailbox_item *item)
{
	return item ? CONTAINER_OF(item, struct delivery, item) : NULL;
}

static void list_init(struct delivery_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_free(struct delivery_list *list)
{
	while (list->first) {
		struct delivery *delivery = of_item(list->first);

		list->first = list->first->next;
		delivery_unref(delivery);
	}
	list_init(list);
}

void loader_queue_init(struct loader_queue *queue)
{
	pthread_condattr_t monotonic;

	*queue = (struct loader_queue){ 0 };
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&queue->mutex, NULL);
	pthread_cond_init(&queue->filled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	list_init(&queue->inbox);
	list_init(&queue->fetched);
	queue->answers_end = &queue->answers;
}

void loader_queue_fini(struct loader_queue *queue)
{
	list_free(&queue->inbox);
	list_free(&queue->fetched);
	/* Those who still wait for an answer have ended before us: their intakes are theirs. */
	while (queue->answers) {
		struct waiting_answer *answer = queue->answers;

		queue->answers = answer->next;
		free(answer);
	}
	pthread_mutex_destroy(&queue->mutex);
	pthread_cond_destroy(&queue->filled);
}

static void keep_answer(struct loader_queue *queue, struct delivery *delivery)
{
	struct waiting_answer *answer = xcalloc(1, sizeof(*answer));

	answer->segment_number = delivery->segment_number;
	answer->end = delivery->end;
	answer->intake = delivery->intake;
	delivery->intake = NULL;
	*queue->answers_end = answer;
	queue->answers_end = &answer->next;
}

/* False when it does not fit. The caller holds the mutex. */
static bool put(struct loader_queue *queue, struct delivery *delivery)
{
	if (delivery->intake)
		keep_answer(queue, delivery);
	if (queue->n >= LOADER_QUEUE_MAX_ITEMS ||
	    queue->n_bytes + delivery->raw.len > LOADER_QUEUE_MAX_BYTES ||
	    deliveries_bytes() > LOADER_QUEUE_FULL_MEMORY)
		return false;
	delivery->item.next = NULL;
	*queue->inbox.end = &delivery->item;
	queue->inbox.end = &delivery->item.next;
	queue->n++;
	queue->n_bytes += delivery->raw.len;
	return true;
}

void loader_queue_put(struct loader_queue *queue, struct delivery *first)
{
	struct delivery_list left_out;

	list_init(&left_out);
	pthread_mutex_lock(&queue->mutex);
	while (first) {
		struct delivery *delivery = first;

		first = of_item(delivery->item.next);
		if (put(queue, delivery))
			continue;
		delivery->item.next = left_out.first;
		left_out.first = &delivery->item;
	}
	if (queue->is_eager)
		pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->mutex);
	list_free(&left_out);
}

void loader_queue_wait(struct loader_queue *queue, int timeout_ms)
{
	struct timespec until = clock_monotonic_in(timeout_ms);
	int r = 0;

	pthread_mutex_lock(&queue->mutex);
	while (!(queue->is_eager && queue->inbox.first) && !queue->woken && r == 0)
		r = pthread_cond_timedwait(&queue->filled, &queue->mutex, &until);
	queue->woken = false;
	pthread_mutex_unlock(&queue->mutex);
}

/* The caller holds the mutex. */
static bool is_durable(const struct loader_queue *queue, uint64_t segment_number, uint64_t end)
{
	return segment_number < queue->durable_number ||
	       (segment_number == queue->durable_number && end <= queue->durable_end);
}

void loader_queue_durable(struct loader_queue *queue, uint64_t segment_number, uint64_t end)
{
	pthread_mutex_lock(&queue->mutex);
	queue->durable_number = segment_number;
	queue->durable_end = end;
	queue->woken = true;
	pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->mutex);
}

bool loader_queue_is_durable(struct loader_queue *queue, uint64_t segment_number, uint64_t end)
{
	bool done;

	pthread_mutex_lock(&queue->mutex);
	done = is_durable(queue, segment_number, end);
	pthread_mutex_unlock(&queue->mutex);
	return done;
}

bool loader_queue_wait_durable(struct loader_queue *queue, uint64_t segment_number, uint64_t end,
			       int timeout_ms)
{
	struct timespec until = clock_monotonic_in(timeout_ms);
	bool done;
	int r = 0;

	pthread_mutex_lock(&queue->mutex);
	while (!(done = is_durable(queue, segment_number, end)) && r == 0)
		r = pthread_cond_timedwait(&queue->filled, &queue->mutex, &until);
	queue->woken &= !done; /* that was for this */
	pthread_mutex_unlock(&queue->mutex);
	return done;
}

void loader_queue_wake(struct loader_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->woken = true;
	pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->mutex);
}

struct delivery *loader_queue_head(struct loader_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	if (queue->inbox.first) {
		*queue->fetched.end = queue->inbox.first;
		queue->fetched.end = queue->inbox.end;
		list_init(&queue->inbox);
	}
	pthread_mutex_unlock(&queue->mutex);
	return of_item(queue->fetched.first);
}

struct delivery *loader_queue_next(const struct delivery *delivery)
{
	return of_item(delivery->item.next);
}

struct delivery *loader_queue_pop(struct loader_queue *queue)
{
	struct delivery *delivery = of_item(queue->fetched.first);

	queue->fetched.first = delivery->item.next;
	if (!queue->fetched.first)
		queue->fetched.end = &queue->fetched.first;
	pthread_mutex_lock(&queue->mutex);
	queue->n--;
	queue->n_bytes -= delivery->raw.len;
	pthread_mutex_unlock(&queue->mutex);
	return delivery;
}

size_t loader_queue_count(struct loader_queue *queue)
{
	size_t n;

	pthread_mutex_lock(&queue->mutex);
	n = queue->n;
	pthread_mutex_unlock(&queue->mutex);
	return n;
}

bool loader_queue_is_half_full(struct loader_queue *queue)
{
	bool half;

	pthread_mutex_lock(&queue->mutex);
	half = queue->n > LOADER_QUEUE_MAX_ITEMS / 2 ||
	       queue->n_bytes > LOADER_QUEUE_MAX_BYTES / 2 ||
	       deliveries_bytes() > LOADER_QUEUE_HALF_MEMORY;
	pthread_mutex_unlock(&queue->mutex);
	return half;
}

void loader_queue_answer(struct loader_queue *queue, uint64_t segment_number, uint64_t position)
{
	for (;;) {
		struct waiting_answer *answer;

		pthread_mutex_lock(&queue->mutex);
		answer = queue->answers;
		if (answer &&
		    (answer->segment_number < segment_number ||
		     (answer->segment_number == segment_number && answer->end <= position))) {
			queue->answers = answer->next;
			if (!queue->answers)
				queue->answers_end = &queue->answers;
		} else {
			answer = NULL;
		}
		pthread_mutex_unlock(&queue->mutex);
		if (!answer)
			return;
		answer->intake->result = 0;
		/* Reply boxes have no bound: each intake is in one place only. */
		mailbox_put(answer->intake->reply_to, &answer->intake->item);
		free(answer);
	}
}

bool loader_queue_is_before(const struct delivery *delivery, uint64_t segment_number,
			    uint64_t position)
{
	return delivery->segment_number < segment_number ||
	       (delivery->segment_number == segment_number && delivery->end <= position);
}
