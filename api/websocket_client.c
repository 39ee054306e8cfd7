/* Clients of the stream: what they say goes to their subscriber, what it has for them to their
 * socket, or past libwebsockets to their tunnel. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "api/frame.h"
#include "api/stream_hub.h"
#include "api/stream_limits.h"
#include "api/subscriber.h"
#include "api/websocket_priv.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "http/tunnel.h"

#define WRITES_PER_TURN 8 /* of one client, before others have a turn */

/* --- coming and going --------------------------------------------------------------------------
 */

static void link_to(struct client **list, struct client *client)
{
	client->next = *list;
	client->link = list;
	if (client->next)
		client->next->link = &client->next;
	*list = client;
}

static void unlink_from(struct client *client)
{
	if (!client->link)
		return;
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	client->link = NULL;
}

static void not_ready(struct client *client)
{
	if (!client->ready_link)
		return;
	*client->ready_link = client->next_ready;
	if (client->next_ready)
		client->next_ready->ready_link = client->ready_link;
	client->ready_link = NULL;
}

static void make_ready(struct client *client)
{
	struct websocket *websocket = client->websocket;

	if (client->ready_link)
		return;
	client->next_ready = websocket->ready;
	client->ready_link = &websocket->ready;
	if (client->next_ready)
		client->next_ready->ready_link = &client->next_ready;
	websocket->ready = client;
}

static void count(struct websocket *websocket, size_t n)
{
	websocket->n_clients = n;
	metric_set(METRIC_STREAM_CLIENTS, "websocket", (double)n);
}

void client_free(struct client *client)
{
	struct websocket *websocket = client->websocket;

	unlink_from(client);
	not_ready(client);
	subscriber_free(client->subscriber);
	frame_unref(client->sending);
	if (client->fd >= 0)
		close(client->fd);
	http_tunnel_free(client->tunnel);
	if (client->counted && websocket->config.closed)
		websocket->config.closed(websocket->config.closed_ctx, str_of(client->peer));
	strbuf_fini(&client->request);
	strbuf_fini(&client->message);
	free(client->query);
	free(client->language);
	free(client->peer);
	free(client->account);
	free(client);
}

void client_gone(struct client *client)
{
	struct websocket *websocket = client->websocket;

	unlink_from(client);
	count(websocket, websocket->n_clients - 1);
	client->wsi = NULL;
	client->fd = -1;
	subscriber_free(client->subscriber);
	client->subscriber = NULL;
	if (client->tunnel)
		link_to(&websocket->leaving, client);
	else
		client_free(client);
}

static void client_send(struct client *client);

static void on_room(void *ctx)
{
	client_send(ctx);
}

/* Its peer is gone, or has heard all: libwebsockets sees the end of the pair, unless it closed it.
 */
static void on_end(void *ctx)
{
	struct client *client = ctx;

	client->tunnel = NULL;
	if (!client->wsi)
		client_free(client);
}

void client_enter(struct client *client)
{
	struct websocket *websocket = client->websocket;

	link_to(&websocket->clients, client);
	count(websocket, websocket->n_clients + 1);
	if (client->tunnel)
		http_tunnel_run(client->tunnel, websocket->loop, on_room, on_end, client);
}

void client_established(struct client *client)
{
	struct websocket *websocket = client->websocket;
	struct str account = { client->account, client->account ? strlen(client->account) : 0 };

	if (client->tunnel)
		http_tunnel_drain(client->tunnel); /* the answer of the handshake comes first */
	client->subscriber = subscriber_new(websocket->hub, str_of(client->language), account,
					    client->form, client);
	client->progress_us = clock_monotonic_us();
	if (!client->account)
		lws_set_timer_usecs(client->wsi, websocket->config.token_us);
	subscriber_start(client->subscriber, str_of(client->query));
}

bool client_is_unproved(const struct client *client)
{
	return client->subscriber ? !subscriber_is_proved(client->subscriber) : !client->account;
}

void client_token_late(struct client *client)
{
	if (!subscriber_is_proved(client->subscriber))
		subscriber_refuse(client->subscriber, CLOSE_UNAUTHORIZED, "unauthorized",
				  "No token came in time.");
}

/* --- from them ---------------------------------------------------------------------------------
 */

void client_receive(struct client *client, struct str piece)
{
	if (lws_is_first_fragment(client->wsi))
		strbuf_reset(&client->message);
	if (lws_frame_is_binary(client->wsi)) {
		subscriber_refuse(client->subscriber, CLOSE_UNSUPPORTED, "bad_request",
				  "Messages are text, not binary.");
		return;
	}
	strbuf_put(&client->message, piece);
	if (client->message.failed) {
		subscriber_refuse(client->subscriber, CLOSE_TOO_BIG, "too_big",
				  "A message has at most 8192 bytes.");
		return;
	}
	if (!lws_is_final_fragment(client->wsi) || lws_remaining_packet_payload(client->wsi) > 0)
		return;
	subscriber_receive(client->subscriber, strbuf_str(&client->message));
	strbuf_fini(&client->message);
	strbuf_init(&client->message, STREAM_MAX_MESSAGE_BYTES);
}

/* --- to them -----------------------------------------------------------------------------------
 */

void client_wants_write(void *ctx)
{
	struct client *client = ctx;

	if (client->tunnelled)
		make_ready(client);
	else
		lws_callback_on_writable(client->wsi);
}

/* 0, or -1: nothing more is owed, and it is to be closed. */
static int close_if_over(struct client *client)
{
	int code = subscriber_close_code(client->subscriber);

	if (code)
		lws_close_reason(client->wsi, (enum lws_close_status)code, NULL, 0);
	return code ? -1 : 0;
}

int client_write(struct client *client)
{
	/* Of a tunnel libwebsockets writes the last words alone. */
	if (client->tunnelled)
		return client->sending ? 0 : close_if_over(client);
	for (int i = 0; i < WRITES_PER_TURN && !lws_partial_buffered(client->wsi); i++) {
		struct frame *frame = subscriber_next(client->subscriber);
		int n;

		if (!frame)
			return close_if_over(client);
		n = lws_write(client->wsi, (unsigned char *)frame_text(frame), frame->n_bytes,
			      LWS_WRITE_TEXT);
		client->wrote = true;
		frame_unref(frame);
		if (n < 0)
			return -1;
	}
	lws_callback_on_writable(client->wsi);
	return 0;
}

/* False when there is nothing to send, which may be that it is to be closed. */
static bool begin_frame(struct client *client)
{
	if (!client->wsi || !client->subscriber || client->leaves)
		return false;
	client->sending = subscriber_next(client->subscriber);
	client->sent_bytes = 0;
	if (!client->sending && subscriber_close_code(client->subscriber))
		lws_callback_on_writable(client->wsi);
	return client->sending;
}

/* False when the tunnel takes no more for now; it tells when it does. */
static bool send_frame(struct client *client)
{
	struct str bytes = frame_message(client->sending);
	size_t n = http_tunnel_send(client->tunnel, bytes.p + client->sent_bytes,
				    bytes.len - client->sent_bytes);

	client->sent_bytes += n;
	client->wrote |= n > 0;
	if (client->sent_bytes < bytes.len)
		return false;
	frame_unref(client->sending);
	client->sending = NULL;
	return true;
}

static void client_send(struct client *client)
{
	for (int i = 0; i < WRITES_PER_TURN && client->tunnel; i++)
		if ((!client->sending && !begin_frame(client)) || !send_frame(client))
			return;
	if (client->tunnel)
		make_ready(client);
}

void clients_flush(struct websocket *websocket)
{
	struct client *ready = websocket->ready;

	/* Who is ready again meanwhile has to wait for the next turn. */
	websocket->ready = NULL;
	if (ready)
		ready->ready_link = &ready;
	while (ready) {
		struct client *client = ready;

		not_ready(client);
		client_send(client);
	}
	if (websocket->ready)
		mailbox_wake(websocket->adoptions);
}

bool client_is_stalled(struct client *client, int64_t now_us)
{
	int fd = client->tunnel ? http_tunnel_fd(client->tunnel) : lws_get_socket_fd(client->wsi);
	int out_bytes = 0;
	bool owed;

	/* What the peer has not taken stays in the socket's queue; a change of it, or room to
	 * write, is a byte read. */
	if (ioctl(fd, SIOCOUTQ, &out_bytes) < 0)
		out_bytes = 0;
	owed = out_bytes > 0 || client->sending || subscriber_is_owed(client->subscriber) ||
	       lws_partial_buffered(client->wsi);
	if (!owed || client->wrote || out_bytes != client->out_bytes)
		client->progress_us = now_us;
	client->wrote = false;
	client->out_bytes = out_bytes;
	return now_us - client->progress_us >= client->websocket->config.stall_us;
}
