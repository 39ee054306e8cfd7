/* Token: the secret in a Destination's path. Pure. */
#ifndef RECEIVER_TOKEN_H
#define RECEIVER_TOKEN_H

#include <stdbool.h>

#include "base/str.h"
#include "receiver/limits.h"

/* Whether `path` is the events door ("/events", "/events/…"). */
bool token_is_events_path(struct str path);
/* The token of an events path, in lower case, into `out`: from behind "/events/" to the first byte
 * outside a-z A-Z 2-7, since vendors append to the path (iDRAC10: ":8001/redfish/events").
 * Returns its length, 0 when there is none or it is too short or too long to be one of ours. */
size_t token_of_path(struct str path, char out[RECEIVER_TOKEN_MAX_CHARS + 1]);

#endif
