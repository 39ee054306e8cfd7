/* Export: all that a question finds in the log as JSON Lines or CSV, streamed.
 *
 * API thread only.
 */
#ifndef API_EXPORT_H
#define API_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/log.h"

struct api;
struct filter;
struct http_request;

struct export_question {
	struct log_query query; /* its filter and limit are not looked at */
	struct filter *filter;  /* taken; NULL: all */
	const char *language;
	uint64_t n_left; /* at most so many entries; UINT64_MAX: all */
	bool csv;        /* else JSON Lines */
};

/* Answers the request, over many turns; breaks off when the log cannot be read on. */
void export_start(struct api *api, struct http_request *request,
		  const struct export_question *question);
/* The service stops: what waits for its peer breaks off, what is being read at its next piece. */
void exports_drain(struct api *api);
void exports_free(struct api *api); /* their requests are void */

#endif
