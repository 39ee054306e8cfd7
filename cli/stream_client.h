/* Stream client: the service's WebSocket, message by message (libwebsockets). */
#ifndef CLI_STREAM_CLIENT_H
#define CLI_STREAM_CLIENT_H

#include <stdbool.h>

#include "base/str.h"

struct cli;

/* Called for each message of the service; false ends the connection. */
typedef bool stream_message_fn(void *ctx, struct str text);

/* Connect, send `first`, hand over messages until either side ends it. Returns 0 when `fn` ended it,
 * CLI_UNREACHABLE when the connection could not be made or broke; *was_open says which. */
int stream_client_run(const struct cli *cli, struct str first, stream_message_fn *fn, void *ctx,
		      bool *was_open);
void stream_client_stop(void); /* from a signal handler: end soon */

#endif
