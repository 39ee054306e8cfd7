/* Caps of what is sent to subscribers, and of what they say. */
#ifndef FORWARD_LIMITS_H
#define FORWARD_LIMITS_H

#define FORWARD_MAX_DESTINATIONS                                                                   \
	256                            /* subscriptions; each costs a lane's body and a connection \
					*/
#define FORWARD_MAX_LIST          64   /* names of one filter list of a subscription */
#define FORWARD_MAX_TEXT_BYTES    1024 /* of one of them, of a Context, of a header's value */
#define FORWARD_MAX_URL_BYTES     2048 /* of a Destination, as bmcweb's own */
#define FORWARD_MAX_HEADERS       16   /* HttpHeaders of one subscription */
#define FORWARD_MAX_CONFIG_BYTES  (256u << 10) /* of a subscription as JSON */
#define FORWARD_BATCH_EVENTS      256          /* records of one delivery */
#define FORWARD_BATCH_BYTES       (256u << 10) /* and bytes, but for one larger record */
#define FORWARD_BODY_MAX_BYTES    (64u << 20)  /* one record that large: as the receiver takes */
#define FORWARD_SCAN_EVENTS       4096         /* looked at for one subscription in a turn */
#define FORWARD_MAX_ANSWER_BYTES  65536        /* of an answer's body and head; more breaks off */
#define FORWARD_CONNECT_MS        5000
#define FORWARD_REQUEST_MS        30000 /* a receiver is to answer within a second (spec 2.1) */
#define FORWARD_RETRY_AFTER_MAX_S 3600  /* whatever a 503 says */
#define FORWARD_BACKOFF_MAX_S     300   /* between two tries of RetryForeverWithBackoff */
#define FORWARD_DB_TIMEOUT_MS     3000

#endif
