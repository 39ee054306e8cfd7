/* Category: what sort of event this is, for people who sort (spec section 4). Pure.
 *
 * The sender's EventType when it says something, else the registry and key, else the severity.
 */
#ifndef EVENT_CATEGORY_H
#define EVENT_CATEGORY_H

#include "base/str.h"
#include "event/event.h"

/* Uses event_type, severity and quirks of `event`; `registry_prefix` and `key` are the parts of its
 * MessageId (p NULL: none). Decode calls it, and the resolver again once the severity is known. */
enum category category_of(const struct event *event, struct str registry_prefix, struct str key);

#endif
