/* Caps of the stream room. */
#ifndef STREAM_LIMITS_H
#define STREAM_LIMITS_H

#define FEED_MAX_WAITING      64   /* own batches that wait for lower seqs of other replicas */
#define FEED_HOLE_PAGE_EVENTS 1024 /* read from the log at once to close a hole */
#define WORDS_MAX_BYTES       (1u << 20) /* one rendered text */

#endif
