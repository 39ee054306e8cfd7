/* The receiver's bounds, with a journal that answers at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
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
#include "http/server.h"
#include "receiver/receiver.h"

#define MAX_BYTES (1u << 20)

struct post {
	struct slot *sources;
	struct receiver *receiver;
	uint16_t port;
};

static int deliver(void *ctx, struct intake *intake)
{
	delivery_unref(intake->delivery);
	intake->delivery = NULL;
	intake->result = 0;
	mailbox_put(intake->reply_to, &intake->item);
	return 0;
}

static void prepare(void *ctx, struct delivery *delivery)
{
	delivery_set_prepared(delivery);
}

static void enrolled(void *ctx, const struct source *source)
{
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

static void post_open(struct post *post)
{
	char text[32];
	struct http_address address = { .tls = NULL };
	struct receiver_config config = {
		.n_workers = 1,
		.addresses = &address,
		.n_addresses = 1,
		.limits = http_default_limits,
		.unknown_sources = UNKNOWN_ACCEPT,
		.max_sources = 10,
		.reply_status = 200,
		.max_deliveries_bytes = MAX_BYTES,
		.deliver = deliver,
		.prepare = prepare,
		.enrolled = enrolled,
	};
	struct err err = { "" };

	post->sources = slot_new(source_set_new(NULL, 0, STR("abcdefgh"), true),
				 source_set_slot_ref, source_set_slot_unref);
	config.sources = post->sources;
	post->port = free_port();
	snprintf(text, sizeof(text), "127.0.0.1:%u", post->port);
	address.text = str_of(text);
	if (receiver_start(&config, &post->receiver, &err) < 0)
		fail_msg("%s", err.text);
}

static void post_close(struct post *post)
{
	receiver_drain(post->receiver);
	receiver_stop(post->receiver, 2000);
	receiver_free(post->receiver);
	slot_free(post->sources);
}

/* The whole answer to one POST. */
static void post_event(const struct post *post, char *answer, size_t n_bytes)
{
	static const char request[] = "POST /events/abcdefgh HTTP/1.1\r\nHost: x\r\n"
				      "Content-Length: 2\r\nConnection: close\r\n\r\n{}";
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(post->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t have = 0;
	ssize_t n;

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	while (have < n_bytes - 1 && (n = read(fd, answer + have, n_bytes - 1 - have)) > 0)
		have += (size_t)n;
	answer[have] = '\0';
	close(fd);
}

/* What anybody holds counts: the journal's queue, the loader's, the ring. */
static void test_deliveries_in_memory_are_bounded(void **state)
{
	struct delivery *held = delivery_new(uuid_v4(), uuid_v4(), 0, 0, STR("10.0.0.1"), STR(""),
					     STR("http/1.1"), STR("{}"));
	char answer[4096];
	struct post post;

	post_open(&post);
	assert_non_null(arena_alloc(held->arena, MAX_BYTES));
	post_event(&post, answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 "));
	delivery_set_prepared(held);
	post_event(&post, answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 503 "));
	assert_non_null(strstr(answer, "\r\nRetry-After: 5\r\n"));
	delivery_unref(held);
	post_event(&post, answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 "));
	post_close(&post);
	assert_int_equal(deliveries_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deliveries_in_memory_are_bounded),
	};

	return cmocka_run_group_tests_name("receiver/receiver", tests, NULL, NULL);
}
