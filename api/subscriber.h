/* Subscriber: one client of the stream: what it asked for, where it is, what it is owed next.
 *
 * rfevents.v1 behind its messages: hello, subscribe, catching up, live, positions, errors. Knows
 * no sockets. Thread: its hub's.
 */
#ifndef API_SUBSCRIBER_H
#define API_SUBSCRIBER_H

#include <stdbool.h>

#include "api/stream_hub.h"
#include "base/str.h"

struct frame;
struct subscriber;

#define CLOSE_GOING_AWAY   1001
#define CLOSE_UNSUPPORTED  1003
#define CLOSE_TOO_BIG      1009
#define CLOSE_TRY_AGAIN    1013
#define CLOSE_UNAUTHORIZED 4401

/* New. `account`: whose credentials the handshake carried; p NULL: none, the first message must
 * carry a token. `language`: Accept-Language. Both are copied. `ctx` goes to the hub's wants_write.
 */
struct subscriber *subscriber_new(struct stream_hub *hub, struct str language, struct str account,
				  enum stream_form form, void *ctx);
void subscriber_free(struct subscriber *subscriber); /* NULL is allowed */
/* The socket is open: hello, and a subscription when the URL's query asks for one (a reader of
 * CloudEvents says nothing: it is subscribed in any case). */
void subscriber_start(struct subscriber *subscriber, struct str query);
/* The same for one whose request says it elsewise (server-sent events). */
struct stream_request;
/* Events before `seq` are missing. */
void subscriber_tell_gap(struct subscriber *subscriber, int64_t seq);
void subscriber_begin(struct subscriber *subscriber, const struct stream_request *request);
void subscriber_receive(struct subscriber *subscriber,
			struct str message); /* a whole text message */
bool subscriber_is_proved(const struct subscriber *subscriber);
/* Refuse: an error message, then the close code. */
void subscriber_refuse(struct subscriber *subscriber, int close_code, const char *code,
		       const char *message);
/* End without another word than the close code. */
void subscriber_end(struct subscriber *subscriber, int close_code);
/* The next message to write (a reference of the caller's), or NULL: nothing now. */
struct frame *subscriber_next(struct subscriber *subscriber);
bool subscriber_is_owed(const struct subscriber *subscriber); /* messages wait for its socket */
/* Not 0: close with it once subscriber_next() gives NULL. */
int subscriber_close_code(const struct subscriber *subscriber);

#endif
