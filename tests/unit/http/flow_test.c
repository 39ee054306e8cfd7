/* Answers that go on: pieces in order, one at a time, and an end that is told once. */
#include "tests/unit/http/door.h"

struct flow {
	struct loop *loop;
	struct http_shared *shared;
	struct http_server *server;
	struct http_request *request; /* of the flow; NULL: none, or over */
	const char *next;             /* what fill() puts, once */
	int n_fills, n_over, n_refused, fd;
};

static void fill(void *ctx, struct strbuf *out)
{
	struct flow *flow = ctx;

	flow->n_fills++;
	if (flow->next)
		strbuf_put_text(out, flow->next);
	flow->next = NULL;
}

static void over(void *ctx)
{
	struct flow *flow = ctx;

	flow->n_over++;
	flow->request = NULL;
}

static const struct http_flow_ops ops = { fill, over };

static void on_request(struct http_request *request, void *ctx)
{
	static const struct http_header header = { { "Content-Type", 12 }, { "text/x", 6 } };
	struct flow *flow = ctx;

	if (http_respond_flow(request, &header, 1, &ops, flow)) {
		flow->request = request;
		return;
	}
	flow->n_refused++;
	http_respond(request, 503, NULL, 0, STR(""));
}

static void flow_open(struct flow *flow)
{
	const struct http_handler handler = { .on_request = on_request, .ctx = flow };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct http_address listen_on = { 0 };
	socklen_t n = sizeof(address);
	int probe = socket(AF_INET, SOCK_STREAM, 0);
	struct err err;
	char text[32];

	*flow = (struct flow){ 0 };
	assert_int_equal(bind(probe, (struct sockaddr *)&address, n), 0);
	getsockname(probe, (struct sockaddr *)&address, &n);
	close(probe);
	snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(address.sin_port));
	listen_on.text = str_of(text);
	assert_int_equal(loop_new(&flow->loop, &err), 0);
	flow->shared = http_shared_new(&http_default_limits, "test");
	assert_int_equal(http_server_new(flow->loop, flow->shared, &handler, &flow->server, &err),
			 0);
	assert_int_equal(http_server_listen(flow->server, &listen_on, &err), 0);
	flow->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(flow->fd, (struct sockaddr *)&address, n), 0);
}

static void flow_close(struct flow *flow)
{
	if (flow->fd >= 0)
		close(flow->fd);
	http_server_free(flow->server);
	http_shared_free(flow->shared);
	loop_free(flow->loop);
}

static void turns(struct flow *flow)
{
	for (int i = 0; i < 10; i++)
		loop_turn(flow->loop, 1);
}

static void say(struct flow *flow, const char *text)
{
	assert_int_equal(send(flow->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turns(flow);
}

/* What came since the last time. */
static const char *heard(struct flow *flow)
{
	static char text[65536];
	ssize_t n = recv(flow->fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void wake(struct flow *flow, const char *text)
{
	flow->next = text;
	http_flow_wake(flow->request);
	turns(flow);
}

static void test_pieces_and_an_end(void **state)
{
	struct flow flow;
	const char *head;
	int n;

	flow_open(&flow);
	say(&flow, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	head = heard(&flow);
	assert_non_null(strstr(head, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(head, "Content-Type: text/x\r\n"));
	assert_non_null(strstr(head, "Transfer-Encoding: chunked\r\n"));
	assert_null(strstr(head, "Content-Length"));
	wake(&flow, "one piece");
	assert_string_equal(heard(&flow), "9\r\none piece\r\n");
	n = flow.n_fills;
	turns(&flow);
	assert_int_equal(flow.n_fills, n); /* nobody asks without a reason */
	wake(&flow, "x");
	assert_string_equal(heard(&flow), "1\r\nx\r\n");
	flow.next = "last";
	http_flow_end(flow.request);
	turns(&flow);
	assert_string_equal(heard(&flow), "4\r\nlast\r\n0\r\n\r\n");
	assert_int_equal(flow.n_over, 1);
	turns(&flow);
	assert_int_equal(recv(flow.fd, &(char){ 0 }, 1, MSG_DONTWAIT), 0);
	flow_close(&flow);
	assert_int_equal(flow.n_over, 1);
}

static void test_of_http_1_0(void **state)
{
	struct flow flow;

	flow_open(&flow);
	say(&flow, "GET / HTTP/1.0\r\n\r\n");
	assert_null(strstr(heard(&flow), "chunked"));
	wake(&flow, "bare");
	assert_string_equal(heard(&flow), "bare");
	http_flow_end(flow.request);
	turns(&flow);
	assert_string_equal(heard(&flow), "");
	assert_int_equal(flow.n_over, 1);
	flow_close(&flow);
}

static void test_a_peer_that_leaves(void **state)
{
	struct flow flow;

	flow_open(&flow);
	say(&flow, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(flow.request);
	close(flow.fd);
	flow.fd = -1;
	turns(&flow);
	assert_int_equal(flow.n_over, 1);
	flow_close(&flow);
	assert_int_equal(flow.n_over, 1);
}

static void test_the_server_ends(void **state)
{
	struct flow flow;

	flow_open(&flow);
	say(&flow, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	flow_close(&flow);
	assert_int_equal(flow.n_over, 1);
}

/* A second request on the connection, before or behind it, waits for nothing. */
static void test_pipelined(void **state)
{
	struct flow flow;

	flow_open(&flow);
	say(&flow, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(flow.n_refused, 0);
	assert_non_null(flow.request);
	wake(&flow, "still");
	assert_non_null(strstr(heard(&flow), "5\r\nstill\r\n"));
	flow_close(&flow);
	assert_int_equal(flow.n_over, 1);
}

/* One that reads nothing is not asked for more than one piece. */
static void test_a_slow_peer(void **state)
{
	static char large[8 << 20];
	struct flow flow;
	int n;

	memset(large, 'x', sizeof(large) - 1);
	flow_open(&flow);
	say(&flow, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	wake(&flow, large);
	n = flow.n_fills;
	wake(&flow, "more");
	assert_int_equal(flow.n_fills, n);
	for (size_t got = 0; got < sizeof(large);) {
		char bytes[65536];
		ssize_t r = recv(flow.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		got += r > 0 ? (size_t)r : 0;
		loop_turn(flow.loop, 0);
	}
	turns(&flow);
	assert_true(flow.n_fills > n);
	flow_close(&flow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_and_an_end),  cmocka_unit_test(test_of_http_1_0),
		cmocka_unit_test(test_a_peer_that_leaves), cmocka_unit_test(test_the_server_ends),
		cmocka_unit_test(test_pipelined),          cmocka_unit_test(test_a_slow_peer),
	};

	return cmocka_run_group_tests_name("http/flow", tests, NULL, NULL);
}
