/* Inside of the WebSocket door: its clients, and how their frames leave.
 *
 * Thread: websocket, but for what its mailbox carries there.
 */
#ifndef API_WEBSOCKET_PRIV_H
#define API_WEBSOCKET_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libwebsockets.h>

#include "api/websocket.h"
#include "base/mailbox.h"

struct frame;
struct loop;
struct subscriber;

struct client {
	struct mailbox_item item; /* to the websocket thread */
	struct websocket *websocket;
	struct client *next, **link; /* among the clients, later among those that leave */
	int fd;                      /* until adopted */
	char *query, *language, *peer;
	char *account; /* NULL: no credentials in the handshake */
	enum stream_form form;
	struct strbuf request;
	bool counted; /* the front door is told when it is closed */

	struct lws *wsi;               /* NULL: not adopted yet, or not any more */
	struct subscriber *subscriber; /* NULL: handshake not done yet, or over */
	struct strbuf message;         /* being put together from fragments */
	int64_t progress_us; /* monotonic: when it last took a byte, or nothing was owed */
	int out_bytes;       /* in the kernel, not taken yet, at the last tick */
	bool wrote;          /* since the last tick */

	/* Behind TLS. */
	bool tunnelled;
	struct http_tunnel *tunnel; /* NULL: its peer is gone */
	struct frame *sending;      /* from sent_bytes; NULL: none is begun */
	size_t sent_bytes;
	struct client *next_ready, **ready_link; /* has something to send */
	bool leaves; /* its peer closes: nothing but what is begun goes out */
};

struct websocket {
	struct websocket_config config;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct stream_hub *hub;
	struct mailbox *adoptions;
	struct loop *loop; /* of the tunnels; libwebsockets watches it */
	lws_retry_bo_t patience;
	pthread_t thread;
	atomic_bool stopping;

	/* websocket thread only */
	struct client *clients, *adopting;
	size_t n_clients;
	struct client *leaving; /* the tunnel still has something to say */
	struct client *ready;
	lws_sorted_usec_list_t tick;
	bool tick_due;
};

/* Among the clients; runs its tunnel. */
void client_enter(struct client *client);
void client_established(struct client *client); /* its handshake is done */
void client_receive(struct client *client, struct str piece);
/* The socket takes bytes. 0, or -1: close. */
int client_write(struct client *client);
void client_wants_write(void *client); /* as the hub says it */
/* Send to those behind TLS what they are owed, a share each. */
void clients_flush(struct websocket *websocket);
void client_token_late(struct client *client);
/* libwebsockets has closed it; freed once its tunnel has ended too. */
void client_gone(struct client *client);
void client_free(struct client *client);
bool client_is_unproved(const struct client *client);
/* Owed data for the configured time without reading a byte of it. Asked once a tick. */
bool client_is_stalled(struct client *client, int64_t now_us);

#endif
