/* Caps of the storage room. */
#ifndef STORAGE_LIMITS_H
#define STORAGE_LIMITS_H

#define JOURNAL_MIN_BYTES (64ull << 20)	     /* smallest storage.journal_max_bytes */
#define JOURNAL_SEGMENT_BYTES (64ull << 20)  /* pre-allocated; less when max_bytes is small */
#define JOURNAL_MAX_RECORD (72u << 20)	     /* DELIVERY_MAX_BYTES and its head */
#define JOURNAL_GROUP_MAX_BYTES (32u << 20)  /* of one fdatasync */
#define INTAKE_MAX_ITEMS 8192		     /* deliveries waiting for the journal: then 503 */
#define LOADER_QUEUE_MAX_ITEMS 16384	     /* durable deliveries kept in memory for the loader */
#define LOADER_QUEUE_MAX_BYTES (128u << 20)  /* the same in bytes; beyond: read back from disk */
/* Memory of all deliveries at which the queue takes no more, and gives up what was shown: */
#define LOADER_QUEUE_FULL_MEMORY (DELIVERIES_MAX_BYTES / 4 * 3)
#define LOADER_QUEUE_HALF_MEMORY (DELIVERIES_MAX_BYTES / 2)
#define LOADER_BATCH_MAX_EVENTS 4096	     /* events of one transaction */
#define LOADER_BATCH_MAX_BYTES (16u << 20)   /* raw bytes of one transaction */
#define LOADER_BATCH_MAX_MEMORY (64u << 20)  /* its deliveries, decoded; one more may be large */
#define LOAD_SMALL_MAX_EVENTS 8		     /* of a transaction in one trip: more are cheaper by COPY */
#define LOAD_SMALL_MAX_BYTES (256u << 10)    /* the same in raw bytes */
#define AHEAD_MIN_BYTES (1u << 20)	     /* of a segment, unread: less is not worth a second thread */
#define AHEAD_MAX_RECORDS 4096		     /* read back and decoded, before the loader takes them */
#define AHEAD_MAX_BYTES (32u << 20)	     /* the same in memory; one more may be large */
#define REPEAT_MAX_ENTRIES (4u << 20)	     /* body hashes remembered; the oldest are forgotten */
#define BACKFILL_MAX_ENTRIES (1u << 18)	     /* of sources' logs, remembered at least; twice that at most */
#define BACKFILL_KEEP_US (24 * INT64_C(3600000000)) /* the same in time: a push comes later at most */
#define QUERY_MAX_JOBS 1024		     /* reads waiting for a connection: then 503 */
#define LOG_PAGE_MAX_EVENTS 10001	     /* of one read: a page, and one that tells of the next */
#define LOG_SORT_ROWS 50000		     /* of a day, within a time: found by it and sorted */
#define LOG_SEARCH_ROWS 2000		     /* of a day, that an index finds: their texts are asked one by one
					      */
#define LOG_FEW_SEQS 20000		     /* of a day: asked in their order, whatever the filter */
#define LOG_PIECE_SEQS 100000		     /* looked at by one question of a reader of all the log */
#define LOG_PAGE_MAX_BYTES (512u << 20)	     /* texts of one read */
#define SEARCH_BLOCK_SEQS 256		     /* of the log, whose texts one row of `search_block` holds */
#define SEARCH_LONG_BYTES 1024		     /* a text beyond it is looked at where it is */
#define SEARCH_TURN_SEQS (16 * SEARCH_BLOCK_SEQS) /* made searchable by one transaction at most, */
#define SEARCH_TURN_MIN_SEQS (4 * SEARCH_BLOCK_SEQS) /* … and at least, of a day under way */
#define SEARCH_FIRST_BLOCKS 4		     /* with the text: whose events the first question looks at */
#define SEARCH_MAX_BLOCKS 64		     /* … and later ones: as many as events are wanted, 16 MiB at most */
#define TEXT_CACHE_MAX 65536		     /* ids of texts known to stand in the day's dictionary */
#define LOG_DAYS_AHEAD 3		     /* partitions attached before they are needed */
#define UPSTREAM_MAX_RANGES_TEXT "1000"     /* of one stream of another rfeventd, which sends in order: it
					      * has one; beyond, no more are noted */
#define SNAPSHOT_MAX_BYTES (512u << 20)	     /* 200,000 sources with long names, and room */

#endif
