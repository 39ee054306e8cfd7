/* Registry fetcher: asks sources for their own registries, when that may help.
 *
 * An event that nobody has words for makes its source be asked, if we have credentials for it: once
 * a day at most, less often while that fails, and by one replica only (registry_store_claim). An
 * operator may ask at any time. What is read goes to the registry store. Threads of its own, since
 * BMCs are slow; few, so that a site full of new BMCs is read gently.
 */
#ifndef SUBSCRIBE_REGISTRY_FETCHER_H
#define SUBSCRIBE_REGISTRY_FETCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mailbox.h"
#include "base/uuid.h"

struct registry_fetcher;

/* How a source is reached. Texts are borrowed. */
struct source_access {
	struct uuid source;
	const char *name; /* for the log */
	const char *url;  /* "https://10.1.2.3" */
	const char *user_name, *password;
	const char *ca; /* file; NULL: its certificate is not checked, see `insecure` */
	bool insecure;
};

/* What an operator asked for. */
struct registry_ask {
	struct mailbox_item *item; /* goes to reply_to when it is done */
	struct mailbox *reply_to;
	struct uuid source;
	/* the answer */
	int result; /* 0, or a negative errno with `why` */
	size_t n_fetched, n_new, n_unchanged, n_failed;
	char why[ERR_MAX_BYTES]; /* of the first failure; "" */
	/* the fetcher's */
	struct registry_ask *next;
};

/* `url` of the database. */
int registry_fetcher_start(const char *url, struct registry_fetcher **out, struct err *err);
/* End what is under way: registry_fetcher_halt() will not have to wait long. NULL is allowed. */
void registry_fetcher_cancel(struct registry_fetcher *fetcher);
/* Its threads end, every ask is answered, later ones get -EAGAIN. NULL is allowed. */
void registry_fetcher_halt(struct registry_fetcher *fetcher);
void registry_fetcher_stop(struct registry_fetcher *fetcher); /* halts it; NULL is allowed */
/* The sources that can be asked, in place of those said before. */
void registry_fetcher_configure(struct registry_fetcher *fetcher, const struct source_access *list,
				size_t n);
/* An event of this source had no words. Cheap; any thread. */
void registry_fetcher_want(struct registry_fetcher *fetcher, struct uuid source);
/* 0: the answer comes; -ENOENT: there are no credentials for this source; -EAGAIN: too many wait. */
int registry_fetcher_ask(struct registry_fetcher *fetcher, struct registry_ask *ask);

#endif
