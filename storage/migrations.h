/* The schema's SQL, one text per version. Text i brings version i to i + 1; a released text never
 * changes. */
#ifndef STORAGE_MIGRATIONS_H
#define STORAGE_MIGRATIONS_H

#include <stddef.h>

extern const char *const migrations[];
extern const size_t n_migrations;

#endif
