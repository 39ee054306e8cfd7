/* Reach: how each source is asked, for those who ask: what the configuration says, and what operators
 * said (their passwords opened here).
 *
 * Follows the keeper's source set. Thread: main's loop.
 */
#ifndef SERVICE_REACH_H
#define SERVICE_REACH_H

struct config;
struct keeper;
struct reach;
struct registry_fetcher;

/* All are borrowed, `config` until the next one comes. */
struct reach *reach_new(struct keeper *keeper, struct registry_fetcher *fetcher,
			const struct config *config);
void reach_reconfigure(struct reach *reach, const struct config *config);
void reach_free(struct reach *reach); /* NULL is allowed */

#endif
