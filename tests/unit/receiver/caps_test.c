/* Every bound of the receiver: reached, it says 503 and when to come again; gone, it is as before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/delivery.h"
#include "event/source_set.h"
#include "receiver/receiver.h"

#define TOKEN  "abcdefghijklmnop"
#define ENROL  "enrolmenttoken22"
#define BODY   "{\"Events\":[]}"
#define MEMORY (1u << 20) /* of all deliveries */
#define QUEUED INT_MIN    /* the queue takes nothing */

struct house {
	struct receiver *receiver;
	struct slot *sources;
	uint16_t port;
	atomic_int result; /* of the next deliveries: 0, a negative errno, or QUEUED */
	atomic_int n_enrolled;
};

static int deliver(void *ctx, struct intake *intake)
{
	struct house *house = ctx;
	int result = atomic_load(&house->result);

	if (result == QUEUED)
		return -EAGAIN;
	intake->result = result;
	delivery_unref(intake->delivery);
	mailbox_put(intake->reply_to, &intake->item);
	return 0;
}

static void prepare(void *ctx, struct delivery *delivery)
{
	delivery_set_prepared(delivery);
}

static void enrolled(void *ctx, const struct source *source)
{
	struct house *house = ctx;

	atomic_fetch_add(&house->n_enrolled, 1);
}

static uint16_t free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static void put_sources(struct house *house, bool current)
{
	const struct source known = { .id = { { 1 } },
				      .name = STR("known"),
				      .token = STR(TOKEN),
				      .state = SOURCE_CONFIGURED };

	slot_put(house->sources, source_set_new(&known, 1, STR(ENROL), current));
}

static void open_house(struct house *house, enum receiver_unknown unknown, size_t max_sources,
		       size_t max_unverified)
{
	struct http_address address = { .tls = NULL };
	struct receiver_config config = {
		.n_workers = 1,
		.addresses = &address,
		.n_addresses = 1,
		.limits = http_default_limits,
		.unknown_sources = unknown,
		.max_sources = max_sources,
		.reply_status = 200,
		.max_unverified = max_unverified,
		.max_deliveries_bytes = MEMORY,
		.deliver = deliver,
		.deliver_ctx = house,
		.prepare = prepare,
		.enrolled = enrolled,
		.enrolled_ctx = house,
	};
	struct err err = { "" };
	char text[32];

	*house = (struct house){ .port = free_port() };
	house->sources = slot_new(NULL, source_set_slot_ref, source_set_slot_unref);
	put_sources(house, true);
	config.sources = house->sources;
	snprintf(text, sizeof(text), "127.0.0.1:%u", house->port);
	address.text = str_of(text);
	if (receiver_start(&config, &house->receiver, &err) < 0)
		fail_msg("%s", err.text);
}

static void close_house(struct house *house)
{
	receiver_drain(house->receiver);
	receiver_stop(house->receiver, 2000);
	receiver_free(house->receiver);
	slot_free(house->sources);
}

/* One POST on a connection of its own: its status; a 503 must say when to come again, in a Redfish
 * error. */
static int post(const struct house *house, const char *token)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(house->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[4096] = "";
	size_t n = 0;
	ssize_t r;
	int status;

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	dprintf(fd,
		"POST /events/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		token, strlen(BODY), BODY);
	while (n < sizeof(answer) - 1 && (r = recv(fd, answer + n, sizeof(answer) - 1 - n, 0)) > 0)
		n += (size_t)r;
	close(fd);
	answer[n] = '\0';
	status = (int)strtol(answer + 9, NULL, 10);
	if (status == 503) {
		assert_non_null(strstr(answer, "\r\nRetry-After: "));
		assert_non_null(strstr(answer, "@Message.ExtendedInfo"));
	}
	return status;
}

/* What the journal says of a delivery: each refusal ends with its cause. */
static void journal_bounds(void **state)
{
	static const int results[] = { QUEUED, -ENOSPC, -EIO };
	struct house house;

	open_house(&house, UNKNOWN_REJECT, 10, 10);
	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		atomic_store(&house.result, results[i]);
		assert_int_equal(post(&house, TOKEN), 503);
		assert_int_equal(post(&house, TOKEN), 503);
		atomic_store(&house.result, 0);
		assert_int_equal(post(&house, TOKEN), 200);
	}
	close_house(&house);
}

static void as_many_sources_as_may_be(void **state)
{
	struct house house;

	open_house(&house, UNKNOWN_REJECT, 1, 10);
	assert_int_equal(post(&house, ENROL), 503); /* there is one already */
	assert_int_equal(atomic_load(&house.n_enrolled), 0);
	assert_int_equal(post(&house, TOKEN), 200);
	/* One was removed. */
	slot_put(house.sources, source_set_new(NULL, 0, STR(ENROL), true));
	assert_int_equal(post(&house, ENROL), 200);
	assert_int_equal(atomic_load(&house.n_enrolled), 1);
	close_house(&house);
}

static void as_many_unverified_as_may_be(void **state)
{
	struct house house;

	open_house(&house, UNKNOWN_REJECT, 10, 2);
	put_sources(&house, false); /* not known to be all */
	assert_int_equal(post(&house, "someothertoken22"), 200);
	assert_int_equal(post(&house, "someothertoken23"), 200);
	assert_int_equal(post(&house, "someothertoken24"), 503);
	assert_int_equal(post(&house, TOKEN), 200);
	/* The whole list is there: what is not in it is refused outright. */
	put_sources(&house, true);
	assert_int_equal(post(&house, "someothertoken24"), 401);
	close_house(&house);
}

/* What anybody holds counts: the journal's queue, the loader's, the ring. */
static void as_much_memory_as_may_be(void **state)
{
	struct delivery *held = delivery_new(uuid_v4(), uuid_v4(), 0, 0, STR("10.0.0.1"), STR(""),
					     STR("http/1.1"), STR("{}"));
	struct house house;

	open_house(&house, UNKNOWN_REJECT, 10, 10);
	assert_non_null(arena_alloc(held->arena, MEMORY));
	assert_int_equal(post(&house, TOKEN), 200); /* not reckoned yet */
	delivery_set_prepared(held);
	assert_int_equal(post(&house, TOKEN), 503);
	delivery_unref(held);
	assert_int_equal(post(&house, TOKEN), 200);
	close_house(&house);
	assert_int_equal(deliveries_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(journal_bounds),
		cmocka_unit_test(as_many_sources_as_may_be),
		cmocka_unit_test(as_many_unverified_as_may_be),
		cmocka_unit_test(as_much_memory_as_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
