/* Caps of the operators' door. */
#ifndef API_LIMITS_H
#define API_LIMITS_H

#define API_MAX_CONNECTIONS 16384
#define API_MAX_PER_PEER 4096		       /* a proxy in front of all operators */
#define API_MAX_BODY_BYTES (1u << 20)
#define API_MAX_BODY_TOTAL (96u << 20) /* registries are the large ones: REGISTRY_MAX_BYTES */
#define API_MAX_LOOKING 32 /* sessions of other replicas looked for at once: bad tokens ask for it too */
#define API_PAGE_DEFAULT 1000		       /* entries of a page when $top is absent */
#define API_PAGE_MAX 10000		       /* and at most */
#define API_PAGE_MAX_BYTES (256u << 20)	       /* of one answer */

#endif
