/* The websocket thread: libwebsockets' poll loop, with three things beside its sockets: adopted
 * connections, the stream hub's inbox, and the loop of the tunnels. Only what libwebsockets 4.1.6
 * and 4.3 share is used. */
#include "api/websocket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "api/frame.h"
#include "api/stream_hub.h"
#include "api/stream_limits.h"
#include "api/subscriber.h"
#include "api/websocket_priv.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/thread.h"

#define TOKEN_US        (5 * CLOCK_US_PER_S)
#define STALL_US        (60 * CLOCK_US_PER_S)
#define TICK_US         (1 * CLOCK_US_PER_S)
#define GOODBYE_US      (1 * CLOCK_US_PER_S)
#define PING_S          30
#define SILENCE_S       300 /* without an answer to a ping: a slow reader sees it late */
#define MAX_ADOPTIONS   1024
/* 0 would cut every write at rx_buffer_size. */
#define TX_PACKET_BYTES (1u << 20)
/* Above it libwebsockets takes the limit for a mistake and refuses descriptors from 2560 up. */
#define MAX_OPEN_FILES 10000000

static_assert(FRAME_ROOM >= LWS_PRE, "the header must fit in front of a frame");

static lws_callback_function on_event;

static const struct lws_protocols protocols[] = {
	{ .name = "rfevents.v1",
	  .callback = on_event,
	  .rx_buffer_size = STREAM_MAX_MESSAGE_BYTES,
	  .tx_packet_size = TX_PACKET_BYTES },
	{ .name = "cloudevents.json",
	  .callback = on_event,
	  .rx_buffer_size = STREAM_MAX_MESSAGE_BYTES,
	  .tx_packet_size = TX_PACKET_BYTES },
	{ .name = NULL },
};

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len)
{
	struct client *client = wsi ? lws_get_opaque_user_data(wsi) : NULL;
	struct websocket *websocket;

	switch (reason) {
	case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
		websocket = lws_context_user(lws_get_context(wsi));
		lws_set_opaque_user_data(wsi, websocket->adopting);
		websocket->adopting->wsi = wsi;
		websocket->adopting->fd = -1;
		break;
	case LWS_CALLBACK_ESTABLISHED: client_established(client); break;
	case LWS_CALLBACK_RECEIVE: client_receive(client, (struct str){ in ? in : "", len }); break;
	case LWS_CALLBACK_SERVER_WRITEABLE: return client_write(client);
	case LWS_CALLBACK_TIMER: client_token_late(client); break;
	case LWS_CALLBACK_WSI_DESTROY:
		if (client)
			client_gone(client);
		break;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: client->leaves = true; break;
	/* Only upgrades come here. */
	case LWS_CALLBACK_HTTP: return -1;
	default: break;
	}
	return 0;
}

/* --- adoption ----------------------------------------------------------------------------------
 */

static bool may_enter(const struct websocket *websocket, const struct client *client)
{
	size_t n = 0;

	if (websocket->n_clients >= STREAM_MAX_CLIENTS)
		return false;
	if (client->account)
		return true;
	for (const struct client *c = websocket->clients; c; c = c->next)
		n += client_is_unproved(c) && strcmp(c->peer, client->peer) == 0;
	return n < STREAM_MAX_UNPROVED_PER_PEER;
}

static void adopt(struct websocket *websocket, struct client *client)
{
	int fd = client->fd;

	if (atomic_load(&websocket->stopping) || !may_enter(websocket, client)) {
		client_free(client);
		return;
	}
	client_enter(client);
	websocket->adopting = client;
	/* The handshake may be done, and undone, within the call: the client may be gone after it.
	 */
	if (!lws_adopt_socket_vhost_readbuf(websocket->vhost, fd, client->request.p,
					    client->request.len) &&
	    websocket->clients == client && !client->wsi) {
		client_gone(client); /* closed there */
	}
	websocket->adopting = NULL;
}

static void take_adoptions(struct websocket *websocket)
{
	struct mailbox_item *item = mailbox_take(websocket->adoptions);

	while (item) {
		struct mailbox_item *next = item->next;

		adopt(websocket, CONTAINER_OF(item, struct client, item));
		item = next;
	}
}

int websocket_adopt(struct websocket *websocket, int fd, struct http_tunnel *tunnel,
		    const struct websocket_arrival *arrival, struct err *err)
{
	struct client *client = xcalloc(1, sizeof(*client));

	client->websocket = websocket;
	client->fd = fd;
	client->tunnel = tunnel;
	client->tunnelled = tunnel;
	client->counted = true;
	client->query = xstrndup(arrival->query);
	client->language = xstrndup(arrival->language);
	client->peer = xstrndup(arrival->peer);
	client->account = arrival->account.p ? xstrndup(arrival->account) : NULL;
	client->form = arrival->form;
	strbuf_init(&client->message, STREAM_MAX_MESSAGE_BYTES);
	strbuf_init(&client->request, arrival->request.len);
	strbuf_put(&client->request, arrival->request);
	if (mailbox_put(websocket->adoptions, &client->item))
		return 0;
	client->fd = -1;
	client->tunnel = NULL;
	client->counted = false;
	client_free(client);
	return err_set(err, -EAGAIN, "too many stream connections arrive at once");
}

/* --- thread ------------------------------------------------------------------------------------
 */

static void tick(struct websocket *websocket)
{
	int64_t now_us = clock_monotonic_us();

	websocket->tick_due = false;
	for (struct client *c = websocket->clients; c; c = c->next) {
		if (!c->subscriber || !client_is_stalled(c, now_us))
			continue;
		log_info("api", "stream client reads nothing, closed", LOG_T("peer", c->peer));
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
	}
	stream_hub_tick(websocket->hub);
}

static void on_tick(lws_sorted_usec_list_t *timer)
{
	struct websocket *websocket = CONTAINER_OF(timer, struct websocket, tick);

	websocket->tick_due = true;
	lws_sul_schedule(websocket->context, 0, &websocket->tick, on_tick, TICK_US);
}

static void say_goodbye(struct websocket *websocket)
{
	int64_t until_us = clock_monotonic_us() + GOODBYE_US;

	for (struct client *c = websocket->clients; c; c = c->next)
		if (c->subscriber)
			subscriber_end(c->subscriber, CLOSE_GOING_AWAY);
	while ((websocket->clients || websocket->leaving) && clock_monotonic_us() < until_us) {
		clients_flush(websocket);
		loop_turn(websocket->loop, 0);
		lws_service(websocket->context, 0);
		take_adoptions(websocket);
	}
}

static void *websocket_thread(void *ctx)
{
	struct websocket *websocket = ctx;

	lws_sul_schedule(websocket->context, 0, &websocket->tick, on_tick, TICK_US);
	while (!atomic_load(&websocket->stopping)) {
		lws_service(websocket->context, 0);
		take_adoptions(websocket);
		stream_hub_turn(websocket->hub);
		clients_flush(websocket);
		loop_turn(websocket->loop, 0);
		if (websocket->tick_due)
			tick(websocket);
	}
	say_goodbye(websocket);
	return NULL;
}

/* --- start and stop ----------------------------------------------------------------------------
 */

static void emit(int level, const char *line)
{
	struct str text = str_trim(str_of(line));

	/* Said at error level for every adoption that goes well. */
	if (str_find(text, STR("calling service")) < text.len)
		return;
	if (level == LLL_ERR)
		log_warn("api", "libwebsockets", LOG_S("said", text));
	else
		log_debug("api", "libwebsockets", LOG_S("said", text));
}

/* Its loop watches others through a descriptor of its own, which it will close. */
static int watch(struct websocket *websocket, int fd, struct err *err)
{
	lws_sock_file_fd_type copy = { .filefd = dup(fd) };

	if (copy.filefd < 0)
		return err_set(err, -errno, "stream: no descriptor: %s", strerror(errno));
	if (!lws_adopt_descriptor_vhost(websocket->vhost, LWS_ADOPT_RAW_FILE_DESC, copy,
					protocols[0].name, NULL))
		return err_set(err, -ENOMEM, "stream: libwebsockets does not watch a descriptor");
	return 0;
}

static int open_context(struct websocket *websocket, struct err *err)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.options = LWS_SERVER_OPTION_VALIDATE_UTF8,
		.user = websocket,
		.retry_and_idle_policy = &websocket->patience,
		.vhost_name = "stream",
	};

	if (sysconf(_SC_OPEN_MAX) > MAX_OPEN_FILES)
		log_warn("api", "limit of open files is too high for the stream: set it below",
			 LOG_I("limit", MAX_OPEN_FILES));
	lws_set_log_level(LLL_ERR | LLL_WARN, emit);
	websocket->context = lws_create_context(&info);
	if (!websocket->context)
		return err_set(err, -ENOMEM, "stream: libwebsockets did not start");
	websocket->vhost = lws_get_vhost_by_name(websocket->context, "stream");
	if (!websocket->vhost)
		return err_set(err, -ENOMEM, "stream: libwebsockets has no host");
	return 0;
}

/* What is left after the thread, or of a start that failed. */
static void websocket_free(struct websocket *websocket)
{
	struct mailbox_item *item = mailbox_take(websocket->adoptions);

	if (websocket->context)
		lws_context_destroy(websocket->context);
	while (item) {
		struct mailbox_item *next = item->next;

		client_free(CONTAINER_OF(item, struct client, item));
		item = next;
	}
	while (websocket->clients)
		client_free(websocket->clients);
	while (websocket->leaving)
		client_free(websocket->leaving);
	loop_free(websocket->loop);
	stream_hub_free(websocket->hub);
	mailbox_free(websocket->adoptions);
	free(websocket);
}

int websocket_start(const struct websocket_config *config, struct websocket **out, struct err *err)
{
	struct websocket *websocket = xcalloc(1, sizeof(*websocket));
	struct stream_hub_config hub = {
		.feed = config->feed,
		.sources = config->sources,
		.registries = config->registries,
		.catalogs = config->catalogs,
		.default_language = config->default_language,
		.whose_token = config->whose_token,
		.may_follow = config->may_follow,
		.auth_ctx = config->auth_ctx,
		.wants_write = client_wants_write,
		.position_us = config->position_us,
		.max_per_account = config->max_per_account,
	};
	int r;

	websocket->config = *config;
	if (!config->token_us)
		websocket->config.token_us = TOKEN_US;
	if (!config->stall_us)
		websocket->config.stall_us = STALL_US;
	websocket->patience.secs_since_valid_ping =
		(uint16_t)(config->ping_s ? config->ping_s : PING_S);
	websocket->patience.secs_since_valid_hangup =
		(uint16_t)(config->silence_s ? config->silence_s : SILENCE_S);
	websocket->adoptions = mailbox_new(MAX_ADOPTIONS);
	websocket->hub = stream_hub_new(&hub);
	r = loop_new(&websocket->loop, err);
	if (r == 0)
		r = open_context(websocket, err);
	if (r == 0)
		r = watch(websocket, loop_poll_fd(websocket->loop), err);
	if (r == 0)
		r = watch(websocket, mailbox_fd(websocket->adoptions), err);
	if (r == 0)
		r = watch(websocket, stream_hub_fd(websocket->hub), err);
	if (r == 0)
		r = thread_start(&websocket->thread, "websocket", websocket_thread, websocket, err);
	if (r < 0) {
		websocket_free(websocket);
		return r;
	}
	*out = websocket;
	return 0;
}

void websocket_halt(struct websocket *websocket)
{
	if (!websocket || atomic_load(&websocket->stopping))
		return;
	atomic_store(&websocket->stopping, true);
	mailbox_wake(websocket->adoptions);
	pthread_join(websocket->thread, NULL);
}

void websocket_stop(struct websocket *websocket)
{
	if (!websocket)
		return;
	websocket_halt(websocket);
	websocket_free(websocket);
}
