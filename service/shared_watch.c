#include "service/shared_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/thread.h"
#include "event/source_set.h"
#include "service/first_start.h"
#include "service/keeper.h"
#include "storage/db.h"
#include "storage/shared.h"

#define CHANNEL_MAX_BYTES  256
#define CONNECT_TIMEOUT_MS 1500
#define HOOK_MS		   100
#define RETRY_US	   (250 * INT64_C(1000))
#define LOOK_US		   (10 * CLOCK_US_PER_S) /* in case nobody notifies */
/* A transaction of ours lives 30 s at most: what it writes may carry a time that long ago. */
#define LOOK_BACK_US  (60 * CLOCK_US_PER_S)
#define NEWS_MAX      64		  /* on their way to main's loop; one more waits */
#define NEWS_MAX_BYTES ((size_t)512 << 20) /* of one: all sources of a large site, and room */

/* One piece of news, for main's loop. */
struct news {
	struct mailbox_item item;
	struct arena *arena;
	struct source *sources;
	size_t n_sources, sources_size;
	char *token; /* NULL: nothing said */
	bool current;
	bool refused; /* see the watch's verdict */
};

struct shared_watch {
	struct shared_watch_config config;
	char *url, *key_file;
	pthread_t thread;
	struct mailbox *wake; /* never holds anything */
	struct mailbox *news; /* to main's loop */
	atomic_bool stopping;
	int verdict; /* main's loop */
	struct err why;
	/* the thread's */
	struct uuid node;
	char *token, *fingerprint;
	bool token_is_said, was_current;
	struct db *db; /* NULL: away */
	int64_t next_try_us, next_look_us, since_us;
};

static void *run(void *ctx);
static void on_news(struct mailbox_item *first, void *ctx);

/* --- start and stop ----------------------------------------------------------------------------
 */

static void free_watch(struct shared_watch *watch)
{
	mailbox_free(watch->wake);
	mailbox_free(watch->news);
	free(watch->url);
	free(watch->key_file);
	free(watch->token);
	free(watch->fingerprint);
	free(watch);
}

int shared_watch_start(const struct shared_watch_config *config, struct shared_watch **out,
		       struct err *err)
{
	struct shared_watch *watch = xcalloc(1, sizeof(*watch));
	const char *fingerprint = keeper_key_fingerprint(config->keeper);
	int r;

	watch->config = *config;
	watch->url = xstrdup(config->url);
	watch->key_file = config->key_file ? xstrdup(config->key_file) : NULL;
	watch->node = keeper_node(config->keeper);
	watch->token = xstrndup(keeper_enrolment_token(config->keeper));
	watch->token_is_said = keeper_token_is_said(config->keeper);
	watch->fingerprint = fingerprint ? xstrdup(fingerprint) : NULL;
	watch->wake = mailbox_new(1);
	watch->news = mailbox_new(NEWS_MAX);
	r = mailbox_attach(watch->news, config->loop, on_news, watch);
	if (r < 0) {
		free_watch(watch);
		return err_set(err, r, "cannot watch for news of other replicas");
	}
	r = thread_start(&watch->thread, "shared-watch", run, watch, err);
	if (r < 0) {
		mailbox_detach(watch->news);
		free_watch(watch);
		return r;
	}
	*out = watch;
	return 0;
}

int shared_watch_verdict(const struct shared_watch *watch, struct err *err)
{
	if (!watch || watch->verdict == 0)
		return 0;
	return err_set(err, watch->verdict, "%s", watch->why.text);
}

void shared_watch_stop(struct shared_watch *watch)
{
	if (!watch)
		return;
	atomic_store(&watch->stopping, true);
	mailbox_wake(watch->wake);
	pthread_join(watch->thread, NULL);
	mailbox_detach(watch->news);
	on_news(mailbox_take(watch->news), watch);
	free_watch(watch);
}

/* --- on main's loop ----------------------------------------------------------------------------
 */

static void free_news(struct news *news)
{
	arena_free(news->arena);
	free(news->sources);
	free(news->token);
	free(news);
}

static void tell_keeper(struct shared_watch *watch, const struct news *news)
{
	struct keeper *keeper = watch->config.keeper;

	if (news->refused) {
		watch->verdict = -EKEYREJECTED;
		loop_stop(watch->config.loop);
		return;
	}
	if (news->token)
		keeper_learn_token(keeper, str_of(news->token));
	keeper_learn_sources(keeper, news->sources, news->n_sources);
	/* After the sources: none of them may be refused. */
	keeper_set_current(keeper, news->current);
}

static void on_news(struct mailbox_item *first, void *ctx)
{
	while (first) {
		struct news *news = CONTAINER_OF(first, struct news, item);

		first = first->next;
		tell_keeper(ctx, news);
		free_news(news);
	}
}

/* --- the thread --------------------------------------------------------------------------------
 */

static struct news *make_news(void)
{
	struct news *news = xcalloc(1, sizeof(*news));

	news->arena = arena_new(NEWS_MAX_BYTES);
	return news;
}

/* False when main's loop is behind: it is said again later. */
static bool send_news(struct shared_watch *watch, struct news *news)
{
	if (mailbox_put(watch->news, &news->item))
		return true;
	free_news(news);
	return false;
}

static void set_current(struct shared_watch *watch, bool current)
{
	struct news *news;

	if (watch->was_current == current)
		return;
	news = make_news();
	news->current = current;
	if (send_news(watch, news))
		watch->was_current = current;
}

static void lost(struct shared_watch *watch, const struct err *err)
{
	log_debug("service", "what replicas share cannot be read", LOG_T("err", err->text));
	db_close(watch->db);
	watch->db = NULL;
	watch->next_try_us = clock_monotonic_us() + RETRY_US;
	if (!watch->config.is_private)
		set_current(watch, false);
}

static void on_wait(void *ctx)
{
	struct shared_watch *watch = ctx;

	if (atomic_load(&watch->stopping))
		db_give_up(watch->db);
}

static void on_source(void *ctx, const struct source *row)
{
	struct news *news = ctx;
	struct source *source;

	if (news->n_sources == news->sources_size) {
		news->sources_size = news->sources_size ? 2 * news->sources_size : 64;
		news->sources = xrealloc(news->sources, news->sources_size * sizeof(*source));
	}
	source = &news->sources[news->n_sources++];
	*source = *row;
	source->name = arena_copy(news->arena, row->name);
	source->address = row->address.p ? arena_copy(news->arena, row->address) : row->address;
	source->token = row->token.p ? arena_copy(news->arena, row->token) : row->token;
	source->certificate =
		row->certificate.p ? arena_copy(news->arena, row->certificate) : row->certificate;
	source->site = row->site.p ? arena_copy(news->arena, row->site) : row->site;
	source->rack = row->rack.p ? arena_copy(news->arena, row->rack) : row->rack;
	source->owner = row->owner.p ? arena_copy(news->arena, row->owner) : row->owner;
	source->details = row->details.p ? arena_copy(news->arena, row->details) : row->details;
}

/* Say ours or learn theirs; *news_text is new when it is another one than *ours. */
static int agree(struct shared_watch *watch, const char *name, char **ours, char **news_text,
		 struct err *err)
{
	char *holds = NULL;
	int r = fact_claim(watch->db, name, str_of(*ours), watch->node, &holds, err);

	if (r < 0)
		return r;
	if (str_eq(str_of(holds), str_of(*ours))) {
		free(holds);
		return 0;
	}
	free(*ours);
	*ours = holds;
	*news_text = xstrdup(holds);
	return 0;
}

static int read_all(struct shared_watch *watch, struct news *news, struct err *err)
{
	int64_t since_us = watch->since_us > LOOK_BACK_US ? watch->since_us - LOOK_BACK_US : 0;
	int r = 0;

	if (watch->token_is_said)
		r = fact_set(watch->db, FACT_ENROLMENT_TOKEN, str_of(watch->token), watch->node, err);
	watch->token_is_said &= r < 0; /* once: then another replica may say something else */
	if (r == 0)
		r = agree(watch, FACT_ENROLMENT_TOKEN, &watch->token, &news->token, err);
	if (r == 0)
		r = sources_read(watch->db, since_us, on_source, news, &watch->since_us, err);
	return r;
}

static void look(struct shared_watch *watch)
{
	struct news *news = make_news();
	struct err err = { "" };
	int r;

	watch->next_look_us = clock_monotonic_us() + LOOK_US;
	news->current = true;
	r = read_all(watch, news, &err);
	if (r < 0) {
		free_news(news);
		lost(watch, &err);
	} else if (send_news(watch, news)) {
		watch->was_current = true;
	} else {
		watch->next_look_us = clock_monotonic_us() + RETRY_US;
		watch->since_us = 0;
	}
}

/* The key first: a replica that cannot read what the others stored must touch nothing. */
static void refuse(struct shared_watch *watch, const struct err *err)
{
	struct news *news = make_news();

	watch->why = *err;
	news->refused = true;
	send_news(watch, news);
	watch->next_try_us = clock_monotonic_us() + LOOK_US;
}

static void connect_if_due(struct shared_watch *watch)
{
	struct err err = { "" };
	int r;

	if (watch->db || clock_monotonic_us() < watch->next_try_us)
		return;
	r = db_open(watch->url, "rfeventd shared", CONNECT_TIMEOUT_MS, &watch->db, &err);
	if (r == 0) {
		db_on_wait(watch->db, on_wait, watch, HOOK_MS);
		r = db_exec(watch->db, "LISTEN " SHARED_CHANNEL, &err);
	}
	if (r == 0)
		r = key_check(watch->db, watch->node, watch->key_file, watch->fingerprint, &err);
	if (r < 0)
		lost(watch, &err);
	if (r == -EKEYREJECTED)
		refuse(watch, &err);
	watch->next_look_us = 0;
	watch->since_us = 0;
}

static void take_notifications(struct shared_watch *watch)
{
	struct strbuf channel, payload;

	strbuf_init(&channel, CHANNEL_MAX_BYTES);
	strbuf_init(&payload, CHANNEL_MAX_BYTES);
	while (db_next_notification(watch->db, &channel, &payload))
		watch->next_look_us = 0;
	strbuf_fini(&channel);
	strbuf_fini(&payload);
}

static void wait_for_work(struct shared_watch *watch)
{
	struct pollfd fds[2] = { { .fd = mailbox_fd(watch->wake), .events = POLLIN }, { .fd = -1 } };
	int64_t due_us = watch->db ? watch->next_look_us : watch->next_try_us;
	int64_t now_us = clock_monotonic_us();

	if (watch->db)
		fds[1] = (struct pollfd){ .fd = db_fd(watch->db), .events = POLLIN };
	poll(fds, 2, due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0);
	if (fds[1].revents && !db_check(watch->db)) {
		const struct err err = { "the server closed the connection" };

		lost(watch, &err);
	}
}

static void *run(void *ctx)
{
	struct shared_watch *watch = ctx;

	while (!atomic_load(&watch->stopping)) {
		connect_if_due(watch);
		if (watch->db && clock_monotonic_us() >= watch->next_look_us)
			look(watch);
		/* Also those that came in between the answers: nothing else wakes us for them. */
		if (watch->db)
			take_notifications(watch);
		wait_for_work(watch);
	}
	db_close(watch->db);
	return NULL;
}
