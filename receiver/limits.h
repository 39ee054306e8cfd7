/* Caps of the receiver. */
#ifndef RECEIVER_LIMITS_H
#define RECEIVER_LIMITS_H

#define RECEIVER_MAX_CONNECTIONS 131072	    /* a site's BMCs, each with one, and room */
#define RECEIVER_MAX_PER_PEER 256	    /* a NAT in front of a rack */
#define RECEIVER_MAX_BODY_TOTAL (256u << 20) /* bodies held at once, all workers */
#define RECEIVER_MAX_DELIVERIES (448u << 20) /* memory of all deliveries, wherever they are: then 503 */
#define RECEIVER_MAX_UNVERIFIED 100000	    /* deliveries journaled before the source set is current */
#define RECEIVER_TOKEN_MIN_CHARS 8	    /* shorter is no token of ours */
#define RECEIVER_TOKEN_MAX_CHARS 128
#define RECEIVER_RETRY_AFTER_S 5	    /* what a 503 says */

#endif
