#include "storage/sources.h"

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/source_set.h"
#include "storage/array_text.h"
#include "storage/db.h"
#include "storage/id_set.h"

#define AT_ONCE 2000 /* sources of one statement */

enum {
	IDS,
	NAMES,
	ADDRESSES,
	TOKENS,
	CERTIFICATES,
	SITES,
	RACKS,
	OWNERS,
	DETAILS,
	STATES,
	STATUSES,
	CREATED,
	N_COLUMNS
};

/* The columns of a statement, side by side. */
struct columns {
	struct strbuf arrays[N_COLUMNS];
	size_t n;
};

static void columns_begin(struct columns *c)
{
	c->n = 0;
	for (size_t i = 0; i < N_COLUMNS; i++)
		array_text_begin(&c->arrays[i]);
}

static void columns_init(struct columns *c)
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		strbuf_init(&c->arrays[i], SIZE_MAX);
	columns_begin(c);
}

static void columns_fini(struct columns *c)
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		strbuf_fini(&c->arrays[i]);
}

static void columns_put(struct columns *c, const struct source *source)
{
	array_text_put_uuid(&c->arrays[IDS], source->id);
	array_text_put(&c->arrays[NAMES], source->name.p ? source->name : STR(""));
	array_text_put(&c->arrays[ADDRESSES], source->address);
	array_text_put(&c->arrays[TOKENS], source->token);
	array_text_put(&c->arrays[CERTIFICATES], source->certificate);
	array_text_put(&c->arrays[SITES], source->site);
	array_text_put(&c->arrays[RACKS], source->rack);
	array_text_put(&c->arrays[OWNERS], source->owner);
	array_text_put(&c->arrays[DETAILS], source->details);
	array_text_put_i64(&c->arrays[STATES], source->state);
	array_text_put_i64(&c->arrays[STATUSES], source->reply_status);
	array_text_put_i64(&c->arrays[CREATED], source->created_us);
	c->n++;
}

/* By id, so that replicas that write the same ones wait for each other and not in a ring. */
#define INSERT                                                                                     \
	"INSERT INTO source AS s (id, name, address, token, certificate, site, rack, owner,"       \
	" details, state, reply_status, created) SELECT id, name, address, token, certificate,"    \
	" site, rack, owner, details, state, reply_status,"                                        \
	" timestamptz 'epoch' + created * interval '1 microsecond'"                                \
	" FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"     \
	" $7::text[], $8::text[], $9::text[], $10::smallint[], $11::int[], $12::bigint[])"         \
	" AS t (id, name, address, token, certificate, site, rack, owner, details, state,"         \
	" reply_status, created) ORDER BY id ON CONFLICT (id) DO "

#define NAMES_OF_FACTS                                                                             \
	"name, address, token, certificate, site, rack, owner, details, state, reply_status"
#define FACTS(row)                                                                                 \
	row ".name, " row ".address, " row ".token, " row ".certificate, " row ".site, " row       \
	    ".rack, " row ".owner, " row ".details, " row ".state, " row ".reply_status"
#define OVERWRITE                                                                                  \
	"UPDATE SET (" NAMES_OF_FACTS ", changed) = (" FACTS("excluded") ", now()) WHERE "

/* A source that enrols after it was removed is there again; who only has not heard of the removal
 * knows it from before. */
static const char insert_sql[] = INSERT OVERWRITE
	"s.state = 2 AND excluded.state = 0 AND excluded.created > s.changed";
static const char write_sql[] = INSERT OVERWRITE
	"(" FACTS("s") ") IS DISTINCT FROM (" FACTS("excluded") ")";

static int columns_send(struct columns *c, struct db *db, const char *sql, struct err *err)
{
	struct db_param params[N_COLUMNS];
	int r = 0;

	if (c->n == 0)
		return 0;
	for (size_t i = 0; i < N_COLUMNS; i++) {
		array_text_end(&c->arrays[i]);
		params[i] = DB_STR(strbuf_str(&c->arrays[i]));
		if (c->arrays[i].failed)
			r = err_set(err, -ENOMEM, "sources: no memory");
	}
	if (r == 0)
		r = db_query(db, sql, params, ARRAY_LEN(params), NULL, err);
	columns_begin(c);
	return r;
}

/* What the configuration declares is written over the row; of the rest the row may know more. */
static int put_and_send(struct columns columns[2], struct db *db, const struct source *source,
			struct err *err)
{
	struct columns *c = &columns[source->is_declared];

	columns_put(c, source);
	if (c->n < AT_ONCE)
		return 0;
	return columns_send(c, db, source->is_declared ? write_sql : insert_sql, err);
}

int sources_write(struct db *db, const struct source_set *set, const struct source_set *before,
		  struct id_set *known, struct err *err)
{
	struct columns columns[2];
	int r = 0;

	columns_init(&columns[0]);
	columns_init(&columns[1]);
	for (size_t i = 0; i < source_set_count(set) && r == 0; i++) {
		const struct source *source = source_set_at(set, i);
		const struct source *old = before ? source_set_by_id(before, source->id) : NULL;

		id_set_add(known, source->id);
		/* One that was removed and is there again may look as before: it was made anew. */
		if (!old || !source_is_same(old, source) || old->created_us != source->created_us)
			r = put_and_send(columns, db, source, err);
	}
	if (r == 0)
		r = columns_send(&columns[0], db, insert_sql, err);
	if (r == 0)
		r = columns_send(&columns[1], db, write_sql, err);
	columns_fini(&columns[0]);
	columns_fini(&columns[1]);
	return r;
}

int sources_insert(struct db *db, const struct source *sources, size_t n, struct err *err)
{
	struct columns columns;
	int r;

	columns_init(&columns);
	for (size_t i = 0; i < n; i++)
		columns_put(&columns, &sources[i]);
	r = columns_send(&columns, db, insert_sql, err);
	columns_fini(&columns);
	return r;
}

int sources_find_token(struct db *db, struct str token, struct uuid *out, struct err *err)
{
	const struct db_param params[] = { DB_STR(token) };
	struct db_result *result;
	int r;

	if (!token.p)
		return 0;
	r = db_query(db, "SELECT id FROM source WHERE token = lower($1) LIMIT 1", params, 1,
		     &result, err);
	if (r < 0)
		return r;
	r = db_rows(result) == 1;
	if (r == 1)
		*out = db_get_uuid(result, 0, 0);
	db_result_free(result);
	return r;
}
