/* Table: rows of text in columns as wide as they need, for people and for programs.
 *
 * Cells are made harmless for a terminal; widths are those a terminal shows, so that Japanese and
 * Arabic line up.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/str.h"
#include "cli/cli.h"

struct table;

/* `names`: "Id,Languages,Keys", which are the members of JSON objects; a column whose name begins
 * with '#' holds numbers. */
struct table *table_new(const char *names);
void table_free(struct table *table); /* NULL is allowed */
/* The next cell, row by row; copied. */
void table_put(struct table *table, struct str text);
void table_put_count(struct table *table, size_t value);
/* As a table with the names above it, an array, an object a line, or CSV with a header. */
void table_print(const struct table *table, enum cli_output output);

#endif
