/* First start: the secrets of a node that has no snapshot yet, and the key that replicas share.
 *
 * On a database that other replicas use, their enrolment token holds. Thread: main's, before the
 * loop runs; key_check() from any.
 */
#ifndef SERVICE_FIRST_START_H
#define SERVICE_FIRST_START_H

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct err;

struct first_start {
	const char *state_dir;
	const char *url; /* of a database that others may share; NULL: a private one */
	struct uuid node;
	const char *key_file, *key_fingerprint; /* NULL: none configured */
};

/* *token is new; one that is set (by the configuration) stays. -EKEYREJECTED: the key is another one
 * than the database's replicas share. */
int first_start(const struct first_start *first, char **token, struct err *err);

/* The first line of `path`, or a fresh secret written to it, mode 0600. *out is new. */
int secret_file(const char *path, char **out, struct err *err);
/* Put a password file aside, as `path`.old, whose password has not this hash. */
void password_file_check(const char *path, struct str hash);
struct seal_key;
/* The key that secrets in the database are sealed with, from `path`. */
int key_read(const char *path, struct seal_key *out, struct err *err);
/* What may be told of the key in `path`: a digest, in hex. *out is new. */
int key_fingerprint(const char *path, char **out, struct err *err);
/* The first replica with a key says which one it is; -EKEYREJECTED with words when ours (NULL: we
 * have none) is another. */
int key_check(struct db *db, struct uuid node, const char *path, const char *fingerprint,
	      struct err *err);

#endif
