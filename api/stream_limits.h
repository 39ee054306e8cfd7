/* Caps of the WebSocket stream: what a client or a peer can make grow. */
#ifndef API_STREAM_LIMITS_H
#define API_STREAM_LIMITS_H

#define STREAM_MAX_CLIENTS           16384 /* of one service */
#define STREAM_MAX_PER_ACCOUNT       4096  /* of them one account: others find room */
#define STREAM_MAX_UNPROVED_PER_PEER 64    /* sockets of one peer that have not shown a token yet */
#define SSE_MAX_CLIENTS              1024 /* server-sent events, which the API thread writes */
#define SSE_PIECE_BYTES              (64u << 10) /* put at once, and taken before the next */
#define STREAM_MAX_MESSAGE_BYTES     8192  /* one client message: a filter of 4096 and room */
#define STREAM_FRAME_EVENTS          256   /* events of one message */
#define STREAM_FRAME_BYTES                                                                         \
	(32u << 10) /* and bytes, but for one larger event; a slow client costs one,               \
		     * and what libwebsockets copies of another */
#define STREAM_EVENT_MAX_BYTES                                                                     \
	(64u << 20)                 /* one event as JSON: 100 arguments of 64 KB, escaped          \
				     */
#define STREAM_QUEUE_FRAMES      64 /* not yet taken by a live client; then it reads by itself */
#define STREAM_QUEUE_BYTES       (1u << 20)
#define STREAM_PAGE_EVENTS       256  /* of the log, for a client that is behind the ring */
#define STREAM_MAX_PAGES         256  /* held and asked for, all clients; others wait in line */
#define STREAM_PAGE_HELD_S       5    /* then one that was not used up makes room for another */
#define STREAM_SCAN_EVENTS       4096 /* looked at for one client before others have a turn */
#define STREAM_CACHE_ENTRIES     2048 /* kept as JSON, all languages: what eight frames hold */
#define STREAM_CACHE_ENTRY_BYTES 8192 /* longer ones are written for each audience */

#endif
