/* Words for a failure that a person will read.
 *
 * A function that can fail returns a negative errno; where a person needs words it also takes a
 * `struct err *` last, filled only on failure. Say what failed, where, and what cures it.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_MAX_BYTES 1024

struct err {
	char text[ERR_MAX_BYTES]; /* NUL-terminated; cut when longer */
};

/* Fill `err` (NULL is allowed) and return `code`, so that `return err_set(err, -EINVAL, …)`. */
int err_set(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Put "prefix: " in front of the words already there; returns `code`. */
int err_prefix(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
