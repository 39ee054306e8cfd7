/* Sessions: logging in for a token (DSP0266, session login). API thread only. */
#ifndef API_SESSIONS_H
#define API_SESSIONS_H

#include "base/str.h"

struct auth;
struct http_request;

void sessions_open(struct auth *auth, struct http_request *request);
void sessions_close(struct auth *auth, struct http_request *request, struct str id);

#endif
