/* Answers: what the receiver says to a sender, always with a Redfish body. */
#ifndef RECEIVER_ANSWER_H
#define RECEIVER_ANSWER_H

#include "base/str.h"

struct delivery;
struct http_request;

/* Stored: `status` with "{}", or with the reason when the body was set aside. */
void answer_stored(struct http_request *request, int status, const struct delivery *delivery);
/* Refused: an error body in `message`, counted as rejected for `reason` (a literal). */
void answer_refused(struct http_request *request, int status, const char *reason,
		    const char *message);
void answer_healthy(struct http_request *request);

#endif
