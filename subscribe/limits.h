/* Caps of what is read from sources, and kept of it. */
#ifndef SUBSCRIBE_LIMITS_H
#define SUBSCRIBE_LIMITS_H

#define REGISTRY_HOLDINGS_MAX_BYTES  (256u << 20) /* 100,000 sources with 30 registries each */
#define REGISTRY_HOLDINGS_PER_SOURCE 1024 /* registries of one source; the most seen is 60 */

#endif
