/* Show: entries for people and for programs. Everything a sender wrote is made harmless for a
 * terminal: control characters never reach it. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/cli.h"

/* One Entry as a line of the table, or as one line of JSON. */
void show_entry(json_t *entry, enum cli_output output);
void show_header(void); /* of the table */
/* One Entry, fact by fact. */
void show_whole(json_t *entry);
/* "Name         value", when there is a value. */
void show_fact(const char *name, const char *value);
/* The elements of an array of texts, separated by commas; new. */
char *show_joined(json_t *array);
bool show_in_colour(void); /* a terminal, and NO_COLOR is not set */

#endif
