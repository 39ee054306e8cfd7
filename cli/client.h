/* Client: one HTTP request to the service (libcurl). */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>

#include "base/str.h"

struct cli;

#define CLIENT_MAX_BYTES (512u << 20) /* of an answer */

struct client_answer {
	long status;
	struct strbuf body;
	char *next; /* path of Link rel="next", new, or NULL */
	char *token, *location, *etag; /* X-Auth-Token, Location, ETag: the same */
};

/* GET `path` of the service, logged in. 0, or an exit status with words on stderr; an HTTP status
 * of 400 and above is such a failure, told in the service's own words. */
int client_get(const struct cli *cli, const char *path, const char *accept, const char *language,
	       struct client_answer *out);
/* Where the body of a good answer goes, as it comes. */
struct client_sink {
	bool (*take)(void *ctx, struct str bytes); /* false: breaks off */
	void *ctx;
	bool *began; /* set once something came; then nothing is said of what breaks off */
};
/* GET into a sink, however long it takes while bytes come; CLI_UNREACHABLE when it breaks off. */
int client_download(const struct cli *cli, const char *path, const char *accept,
		    const char *language, const struct client_sink *sink);
/* Another method than GET, with a JSON body (empty: none), logged in; errors as client_get(). Waits
 * for what becomes a task. */
int client_send(const struct cli *cli, const char *method, const char *path, struct str body,
		struct client_answer *out);
/* The same, onto the version `etag` names (NULL: whichever it is). */
int client_change(const struct cli *cli, const char *method, const char *path, const char *etag,
		  struct str body, struct client_answer *out);
/* GET as JSON; *out is new. Errors as client_get(). */
int client_get_json(const struct cli *cli, const char *path, json_t **out);
/* What an answer holds, new; NULL with words on stderr. */
json_t *client_parse(const struct client_answer *answer);
/* A text member of an object; empty when it is none. */
struct str client_text(const json_t *object, const char *name);
/* POST `body` to `url` without login. */
int client_post(const struct cli *cli, const char *url, struct str body, struct client_answer *out);
void client_answer_fini(struct client_answer *answer);
/* `text` percent-encoded for a query, new. */
char *client_escape(const char *text);

#endif
