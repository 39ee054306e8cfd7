/* Caps of what a walk through a source's registries can cost, and of what is kept of it. */
#ifndef SUBSCRIBE_LIMITS_H
#define SUBSCRIBE_LIMITS_H

#define FETCH_MAX_ANSWER_BYTES   (32u << 20)  /* one body, unpacked; the largest known has 2.4 MB */
#define FETCH_MAX_DOCUMENT_BYTES (4u << 20)   /* a resource that is parsed: root, page, member */
#define FETCH_MAX_ALL_BYTES      (256u << 20) /* all bodies of a walk */
#define FETCH_MAX_HEADER_BYTES   65536        /* of one answer, all header lines */
#define FETCH_MAX_URI_BYTES      2048         /* as bmcweb's own limit for an address */
#define FETCH_MAX_TOKEN_BYTES    4096         /* X-Auth-Token; JWTs have a few hundred */
#define FETCH_MAX_ETAG_BYTES     256
#define FETCH_MAX_TEXT_BYTES     256         /* a language, a registry's name, a file's name */
#define FETCH_ARENA_MAX_BYTES    (16u << 20) /* all addresses and names of a walk */

#define FETCH_MAX_PAGES         100  /* of the collection: ends a chain of nextLinks */
#define FETCH_MAX_MEMBERS       1000 /* of all pages; the largest known collection has 18 */
#define FETCH_MAX_LOCATIONS     64   /* of one member: languages */
#define FETCH_MAX_ALL_LOCATIONS 4000

#define FETCH_CONNECT_MS 10000  /* to connect, TLS included */
#define FETCH_REQUEST_MS 60000  /* one request: iDRAC takes that long for its 2.4 MB */
#define FETCH_BUDGET_MS  600000 /* the whole walk */
#define FETCH_GOODBYE_MS 2000   /* ending the session, after stop and budget too */

#define FETCH_MAX_REDIRECTS   3  /* of one request */
#define FETCH_MAX_RETRIES     3  /* of one request that is answered 429 or 503 */
#define FETCH_RETRY_S         2  /* before a retry, where the source does not say */
#define FETCH_RETRY_MAX_S     30 /* … and at most, whatever it says */
#define FETCH_MAX_LOGINS      2  /* sessions of a walk: more could lock the account */
#define FETCH_MAX_UNREACHABLE 3  /* requests in a row without an answer: the source is away */

#define REGISTRY_HOLDINGS_MAX_BYTES  (256u << 20) /* 100,000 sources with 30 registries each */
#define REGISTRY_HOLDINGS_PER_SOURCE 1024 /* registries of one source; the most seen is 60 */
#define REGISTRY_HELD_MAX_BYTES (16u << 20) /* addresses of one walk whose content is known */
#define REGISTRY_MAX_ASKS            64   /* of operators, waiting for a source to be read */

#endif
