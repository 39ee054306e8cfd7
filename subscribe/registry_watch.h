/* Registry watch: keeps this node's registry mirror what the store is.
 *
 * A thread with one connection hears of changes by LISTEN, looks again each half minute in case
 * nobody notifies, and calls `changed` after the folder did. Changes that come close together are
 * told once. Without a database the mirror stays as it is.
 */
#ifndef SUBSCRIBE_REGISTRY_WATCH_H
#define SUBSCRIBE_REGISTRY_WATCH_H

struct err;
struct registry_watch;

typedef void registry_changed_fn(void *ctx); /* on the watch's thread */

/* `url` must reach the server itself: LISTEN does not pass a transaction pooler. */
int registry_watch_start(const char *url, const char *dir, registry_changed_fn *changed, void *ctx,
			 struct registry_watch **out, struct err *err);
void registry_watch_stop(struct registry_watch *watch); /* NULL is allowed */

#endif
