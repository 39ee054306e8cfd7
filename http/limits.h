/* Caps and sizes of the front door that nobody configures; the rest is struct http_limits. */
#ifndef HTTP_LIMITS_H
#define HTTP_LIMITS_H

#define HTTP_BLOCK_BYTES        32768 /* a usual input block: two TLS records */
#define HTTP_MAX_SPARE_BLOCKS   64    /* kept by a worker between requests */
#define HTTP_MAX_SPARE_OUTPUTS  256   /* likewise, output buffers: one a connection and turn */
#define HTTP_SPARE_OUTPUT_BYTES 65536 /* a larger output buffer is freed, not kept */
#define HTTP_MAX_SPARE_REQUESTS 1024
#define HTTP_ACCEPT_BATCH       32       /* connections taken from one listener in one turn */
#define HTTP_READ_BUDGET        262144   /* bytes one connection may bring in one turn */
#define HTTP_DRAIN_BYTES        262144   /* of a refused body, read to keep the connection */
#define HTTP_LINGER_BYTES       4194304  /* read and dropped after a closing answer … */
#define HTTP_LINGER_US          2000000  /* … for so long, so that the peer can read it */
#define HTTP_HANDSHAKE_TURN_US  2000     /* of a turn goes to handshakes; requests come first */
#define HTTP_ACCEPT_PAUSE_US    500000   /* without a free descriptor */
#define HTTP_REPORT_US          10000000 /* refused connections are logged once in this time */
#define HTTP_BACKLOG            4096
#define HTTP_MAX_LISTENERS      16
#define HTTP_MAX_CHUNK_LINE     256 /* size, extensions */
#define HTTP_MAX_TRAILER_BYTES  8192
/* HTTP/2, each of one connection. */
#define HTTP2_MAX_STREAMS       128     /* open at once: what other servers take */
#define HTTP2_MAX_REQUESTS      256     /* not answered, with those whose stream was reset */
#define HTTP2_STREAM_WINDOW     262144  /* bytes of a body under way: one turn's reading */
#define HTTP2_CONNECTION_WINDOW 1048576 /* likewise, of all its bodies */
#define HTTP2_MAX_SETTINGS      32      /* entries of one SETTINGS frame */
#define HTTP2_MAX_ACKS          256     /* of PING and SETTINGS floods, not taken by the peer */
#define HTTP2_MAX_CONTINUATIONS 6       /* frames of one head behind its first; 16 KB each */
#define HTTP2_MAX_BLOCK_FACTOR  4       /* a head so much longer than it may be ends it all */
#define HTTP2_RESETS_BURST      500     /* streams a peer may reset at once … */
#define HTTP2_RESETS_PER_S      33      /* … and lastingly */
#define HTTP_STREAM_BYTES       262144  /* of a streamed answer, not taken yet: its writer waits */
#define HTTP_OUTPUT_SLACK       262144 /* taken bytes in front of an output buffer, before it moves */
#define HTTP_TUNNEL_BYTES       16384 /* moved by one step of a tunnel: one TLS record */
#define HTTP_TUNNEL_STEPS       16    /* in one turn, of what nobody listens to any more */
#define HTTP_TUNNEL_END_US      5000000 /* from the inner end's leaving to the end of it */

#endif
