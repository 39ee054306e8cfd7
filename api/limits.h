/* Caps of the operators' door. */
#ifndef API_LIMITS_H
#define API_LIMITS_H

#define API_MAX_CONNECTIONS      16384
#define API_MAX_PER_PEER         4096 /* a proxy in front of all operators */
#define API_MAX_BODY_BYTES       (1u << 20)
#define API_MAX_BODY_TOTAL       (96u << 20) /* registries are the large ones: REGISTRY_MAX_BYTES */
#define API_IMPORT_MAX_BYTES     (32u << 20) /* of a source's log: some 30,000 entries */
#define API_MAX_LOOKING          32 /* sessions of other replicas looked for at once: bad tokens too */
#define API_MAX_FAULTS           32           /* properties of one body told to be wrong */
#define API_PAGE_DEFAULT         1000         /* entries of a page when $top is absent */
#define API_PAGE_MAX             10000        /* and at most */
#define API_EXPORT_BUSY_EVENTS   2000 /* logged a second: from there on exports rest … */
#define API_EXPORT_REST          3    /* … after each piece so many times as long as it took, */
#define API_EXPORT_MAX_REST_US   300000 /* … at most */
#define API_EXPORT_PIECE         256  /* entries encoded in one turn: about 3 ms of the API thread */
#define API_MAX_EXPORTS          16   /* streamed at once: each holds a piece, and asks the pool in turn */
#define API_PAGE_MAX_BYTES       (256u << 20) /* of one answer */
#define API_ALLOW_MAX_BYTES      64           /* "GET, HEAD, POST, PATCH, DELETE" */
#define API_LINK_MAX_BYTES       256          /* the URL of a schema */
#define API_GZIP_MIN_BYTES       4096         /* below, packing saves less than a packet or two */
#define API_GZIP_MAX_BYTES       (8u << 20)   /* above, the one API thread would be busy too long */
#define API_ERROR_MAX_BYTES      65536        /* of an error's body */
#define API_ERROR_ARG_MAX_BYTES  1024         /* of what a peer sent, shown back to it */
#define API_MESSAGE_ID_MAX_BYTES 128
#define TASKS_MAX                256 /* running and ended; ended ones give way, the oldest first */
#define TASK_KEEP_MINUTES        60  /* ended ones, with the answer nobody fetched */
#define TASK_AFTER_US            (10 * INT64_C(1000000)) /* then a request is answered 202 */
#define TASKS_FILE_MAX_BYTES     (1u << 20)
#define API_RETRY_AFTER_TEXT     "5" /* seconds, with 503 */
#define API_PAGE_AIM_US          50000 /* of a page of the log with its count, which has the rest of it: */
#define API_COUNT_MAX_US         25000 /* at most so long; longer: "at least" */
#define API_COUNT_MIN_US         5000  /* … and at least so long, whatever the page took */

#endif
