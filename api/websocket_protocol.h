/* Protocol rfevents.v1: what clients of /stream may say, and what they are told. Pure. */
#ifndef API_WEBSOCKET_PROTOCOL_H
#define API_WEBSOCKET_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct err;

/* A subscription as a client asks for it. Texts are new: stream_request_fini(). */
struct stream_request {
	char *token, *filter, *language; /* NULL: not given */
	bool has_epoch;
	struct uuid epoch;
	bool has_after; /* `after` was given: else a subscription that stands goes on where it is */
	bool live;      /* from now on; else after `after` */
	int64_t after;  /* >= 0 */
	bool events;    /* included (unless `include` names others only) */
};

/* A text frame of a client. 0; -ENOTSUP for a `type` nobody knows, -EINVAL for what is not a good
 * message at all; both with words. The token of a bad message is not kept. */
int stream_request_parse(struct str json, struct stream_request *out, struct err *err);
/* The query of the URL. *any_out: it asks for a subscription at once. */
int stream_request_parse_query(struct str query, struct stream_request *out, bool *any_out,
			       struct err *err);
void stream_request_fini(struct stream_request *request); /* zeroed is allowed */

/* Messages of the service, appended to `out`. */
void stream_hello(struct strbuf *out, struct uuid epoch, int64_t oldest_seq, int64_t last_seq);
void stream_caught_up(struct strbuf *out, int64_t seq);
/* Not NULL `language`: what follows is as a changed subscription says, with words in it. */
void stream_position(struct strbuf *out, int64_t seq, const char *language);
void stream_gap(struct strbuf *out, int64_t from, int64_t to, const char *reason);
void stream_error(struct strbuf *out, const char *code, const char *message);
/* An events message is its head, the entries with commas between them, and its tail. */
void stream_events_head(struct strbuf *out, bool provisional);
void stream_events_tail(struct strbuf *out);

#endif
