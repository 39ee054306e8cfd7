/* Pipeline: the whole path of an event, wired. Start here to read the house.
 *
 *	receiver ── deliver() ──> journal thread ── durable() ──> loader ── publish() ──> feed
 *	   │  decodes and resolves while the journal syncs          │                      │
 *	   <───── intake back: 200 ─────                        PostgreSQL            WebSocket
 */
#ifndef SERVICE_PIPELINE_H
#define SERVICE_PIPELINE_H

#include <stdbool.h>

struct config;
struct err;
struct loop;
struct pipeline;

/* Everything but the main loop, in the order that lets the receiver accept first: the journal (its
 * lock keeps a second service off this state), the keeper on `loop`, loader and feed (the database
 * may come later), receiver; then the registries are read and the operators' door opens. */
int pipeline_start(const struct config *config, struct loop *loop, struct pipeline **out,
		   struct err *err);
/* After the main loop ended: why by itself, as a negative errno with words; 0: it was told to. */
int pipeline_verdict(const struct pipeline *pipeline, struct err *err);
/* SIGHUP: sources, certificates, registries. What cannot be read keeps its old state, and is
 * logged. */
void pipeline_reload(struct pipeline *pipeline, const struct config *config);
/* SIGHUP with a configuration that is refused: `words` say why. */
void pipeline_reload_refused(struct pipeline *pipeline, const char *words);
/* SIGTERM: stop accepting, finish what was accepted, stop the private PostgreSQL; within 10 s.
 * NULL is allowed. */
void pipeline_stop(struct pipeline *pipeline);

#endif
