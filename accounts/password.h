/* Passwords as the system's crypt library keeps them: slow to check, on purpose. Thread: any, but
 * never one that serves others meanwhile. */
#ifndef ACCOUNTS_PASSWORD_H
#define ACCOUNTS_PASSWORD_H

#include <stdbool.h>

#include "base/str.h"

struct err;

/* crypt(3) form of `password` by the library's strongest method; *out is new. -EINVAL: it holds a
 * NUL or is longer than PASSWORD_MAX_BYTES. */
int password_hash(struct str password, char **out, struct err *err);
/* Whether `password` is the one of `hash`; what cannot be a password takes as long as a wrong one. */
bool password_matches(struct str password, struct str hash);

#endif
