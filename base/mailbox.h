/* Mailbox: a bounded queue into another thread that moves ownership and wakes its loop.
 *
 * Items are intrusive: the sender hands over a struct that holds a `struct mailbox_item`, and
 * does not touch it again. Full is back-pressure, seen by the sender. Many senders, one taker;
 * items of one sender keep their order.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

struct mailbox;
struct loop;

struct mailbox_item {
	struct mailbox_item *next;
};

struct mailbox *mailbox_new(size_t max_items); /* new; never NULL */
void mailbox_free(struct mailbox *mailbox);	 /* NULL is allowed; must be empty */
/* False when full: the item is still the caller's. */
bool mailbox_put(struct mailbox *mailbox, struct mailbox_item *item);
/* Everything in it, oldest first, linked by next; NULL when empty. Taker only. */
struct mailbox_item *mailbox_take(struct mailbox *mailbox);
/* Wait until it holds something, mailbox_wake() was called or `timeout_ms` passed (-1: no limit).
 * True when it holds something. */
bool mailbox_wait(struct mailbox *mailbox, int timeout_ms);
/* Wake the taker without an item (it sees an empty take). */
void mailbox_wake(struct mailbox *mailbox);
size_t mailbox_count(struct mailbox *mailbox);
int mailbox_fd(struct mailbox *mailbox); /* readable while items wait; for poll() */

typedef void mailbox_fn(struct mailbox_item *first, void *ctx);
/* Let `loop` take: `fn` gets each batch on the loop's thread, and NULL for a mailbox_wake() that
 * found it empty. */
int mailbox_attach(struct mailbox *mailbox, struct loop *loop, mailbox_fn *fn, void *ctx);
void mailbox_detach(struct mailbox *mailbox);

#endif
