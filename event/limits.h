/* Caps of what a sender can make grow in one delivery. */
#ifndef EVENT_LIMITS_H
#define EVENT_LIMITS_H

#define DELIVERY_MAX_BYTES (64u << 20)	     /* raw body; receiver.max_body_bytes is below it */
#define DELIVERY_ARENA_MAX_BYTES (512u << 20) /* raw, decoded texts and structs together */
#define DELIVERIES_MAX_BYTES (384u << 20)    /* of memory, all of them: beyond, decoded when loaded */
#define DECODE_MAX_DEPTH 64		     /* nesting of JSON */
#define DECODE_MAX_VALUES (1u << 20)	     /* JSON values of one body: 64 bytes each while it is decoded */
#define DECODE_MAX_EVENTS 20000		     /* records of one delivery; the rest is quarantined */
#define DECODE_MAX_ARGS 100		     /* MessageArgs kept of one record */
#define DECODE_MAX_TEXT_BYTES (64u << 10)    /* a field that becomes a column; longer is cut, raw stays whole */
#define FILTER_MAX_BYTES 4096		     /* text of a filter */
#define FILTER_MAX_NODES 256		     /* comparisons and connectives in it */
#define FILTER_MAX_DEPTH 32		     /* parentheses */

#endif
