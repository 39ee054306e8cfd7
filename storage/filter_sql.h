/* Filter -> SQL: the same passing as filter_match(), as a condition over `event e`.
 *
 * Values travel as parameters, never as pasted text. Pure. Thread: any.
 */
#ifndef STORAGE_FILTER_SQL_H
#define STORAGE_FILTER_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "storage/db.h"

struct arena;
struct filter;

/* A statement being put together, with its parameters. */
struct sql {
	struct strbuf text;
	struct db_param *params;
	size_t n_params, size;
	struct arena *memory; /* of the parameters' texts */
	unsigned n_negations; /* NOTs around what is being written */
	/* The day, "2026-11-21", whose tables are asked by name; p NULL: the whole log is asked. */
	struct str day;
	/* How many sources have this name (2: some), one of them in *out: an index can give the
	 * events of one in their order. NULL: names are left to the statement. */
	unsigned (*sources_named)(void *ctx, struct str name, struct uuid *out);
	void *ctx;
};

void sql_init(struct sql *sql);
void sql_fini(struct sql *sql);
/* Append a parameter; writes its "$n" into the text. Texts are borrowed. */
void sql_put_text(struct sql *sql, struct str value);
void sql_put_i64(struct sql *sql, int64_t value); /* "$n::bigint" */
void sql_put_time(struct sql *sql, int64_t us);   /* as a timestamptz */
/* Append "event_20261121", of a day; the parent may be message_text too. */
void sql_put_table(struct sql *sql, const char *parent, struct str day);
/* Append the text of an event `e` of sql->day, in words of its own table. */
void sql_put_day_text(struct sql *sql);
/* Append "(condition)"; "true" for NULL and for the empty filter. */
void sql_put_filter(struct sql *sql, const struct filter *filter);

#endif
