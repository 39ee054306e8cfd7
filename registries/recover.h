/* Recover: the arguments a sender really put into its text.
 *
 * MessageArgs come reversed, permuted, damaged or too many (spec 5.5), and some firmware says more
 * than the template does. Matching the template against the finished English text gives the
 * arguments in the template's order, good for every other language. Pure; takes no memory; time is
 * bounded by RECOVER_BYTES_PER_BYTE times the length of text and template.
 */
#ifndef REGISTRIES_RECOVER_H
#define REGISTRIES_RECOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "event/limits.h"

struct recovered {
	struct str args[DECODE_MAX_ARGS]; /* views into the text; p NULL: not in the template */
	size_t n_args;                    /* the highest %n of the template */
	struct str before, after;         /* of the text, what stands around the match */
	bool as_given; /* each argument is the one that was given for its place */
};

/* Find `template` in `text`. `given` is what the sender said the arguments are: evidence where the
 * text can be read in several ways, and the only way to tell neighbouring placeholders (%1%2)
 * apart. A reading in which every argument was given comes first, even as a part of the text; then
 * one of the whole text; then a part of it, if the template has words enough to be known by. False
 * when there is none, or the template has no placeholder and is not in the text. */
bool resolve_recover(struct str template, struct str text, const struct str *given, size_t n_given,
		     struct recovered *out);

#endif
