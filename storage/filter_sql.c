#include "storage/filter_sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "event/filter.h"

#define SQL_MAX_BYTES (4u << 20)
#define NUMBER_BYTES  24

#define NO_SOURCE  "'00000000-0000-0000-0000-000000000000'::uuid"
#define FOLD_BEGIN "lower(("
#define FOLD_END                                                                                   \
	") COLLATE \"C\")" /* the C collation folds ASCII alone, as filter_match() does            \
			    */

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,
	COLUMN_TIME,
	COLUMN_SOURCE,    /* id or name: either may pass */
	COLUMN_OF_SOURCE, /* a column of the source table */
};

struct column {
	const char *expression;
	enum column_kind kind;
	bool fold;
	const char *indexed; /* by its bytes; NULL: not */
};

static const struct column columns[] = {
	[FILTER_SEVERITY] = { "NULLIF(e.severity, 0)", COLUMN_NUMBER, false, NULL },
	[FILTER_MESSAGE_ID] = { "e.message_id", COLUMN_TEXT, false, "e.message_id" },
	[FILTER_REGISTRY_PREFIX] = { "COALESCE(e.registry, CASE WHEN strpos(e.message_id, '.') > 0"
				     " THEN split_part(e.message_id, '.', 1) END)",
				     COLUMN_TEXT, true, NULL },
	[FILTER_CATEGORY] = { "e.category", COLUMN_NUMBER, false, NULL },
	[FILTER_EVENT_TYPE] = { "e.event_type", COLUMN_TEXT, false, NULL },
	[FILTER_SOURCE] = { "NULLIF(e.source_id, " NO_SOURCE ")::text", COLUMN_SOURCE, false,
			    NULL },
	[FILTER_SITE] = { "s.site", COLUMN_OF_SOURCE, false, NULL },
	[FILTER_RACK] = { "s.rack", COLUMN_OF_SOURCE, false, NULL },
	[FILTER_ORIGIN] = { "CASE WHEN e.origin LIKE '/%' AND rtrim(e.origin, '/') = '' THEN '/'"
			    " ELSE rtrim(e.origin, '/') END",
			    COLUMN_TEXT, false, "e.origin" },
	[FILTER_MESSAGE] = { "COALESCE((SELECT t.body FROM message_text t"
			     " WHERE t.log_day = e.log_day AND t.id = e.text_id), "
			     "e.sender_message)",
			     COLUMN_TEXT, true, NULL },
	[FILTER_CREATED] = { "e.received", COLUMN_TIME, false, NULL },
	[FILTER_EVENT_TIMESTAMP] = { "e.event_time", COLUMN_TIME, false, NULL },
	[FILTER_EVENT_ID] = { "e.event_id", COLUMN_TEXT, false, NULL },
	[FILTER_EVENT_GROUP_ID] = { "e.event_group_id", COLUMN_NUMBER, false, NULL },
	[FILTER_ID] = { "e.seq", COLUMN_NUMBER, false, NULL },
};

/* --- statements --------------------------------------------------------------------------------
 */

void sql_init(struct sql *sql)
{
	*sql = (struct sql){ .memory = arena_new(SIZE_MAX) };
	strbuf_init(&sql->text, SQL_MAX_BYTES);
}

void sql_fini(struct sql *sql)
{
	strbuf_fini(&sql->text);
	arena_free(sql->memory);
	free(sql->params);
}

static void put(struct sql *sql, const char *text)
{
	strbuf_put_text(&sql->text, text);
}

static void put_param(struct sql *sql, struct db_param param)
{
	if (sql->n_params == sql->size) {
		sql->size = sql->size ? 2 * sql->size : 16;
		sql->params = xrealloc(sql->params, sql->size * sizeof(sql->params[0]));
	}
	sql->params[sql->n_params++] = param;
	strbuf_putf(&sql->text, "$%zu", sql->n_params);
}

void sql_put_text(struct sql *sql, struct str value)
{
	put_param(sql, DB_STR(value));
	put(sql, "::text");
}

void sql_put_i64(struct sql *sql, int64_t value)
{
	put_param(sql, db_i64(value, arena_alloc(sql->memory, NUMBER_BYTES)));
	put(sql, "::bigint");
}

void sql_put_time(struct sql *sql, int64_t us)
{
	/* Not as text: PostgreSQL has no year 0. */
	put(sql, "(timestamptz 'epoch' + ");
	sql_put_i64(sql, us);
	put(sql, " * interval '1 microsecond')");
}

void sql_put_table(struct sql *sql, const char *parent, struct str day)
{
	put(sql, parent);
	strbuf_put_char(&sql->text, '_');
	for (size_t i = 0; i < day.len; i++)
		if (day.p[i] >= '0' && day.p[i] <= '9')
			strbuf_put_char(&sql->text, day.p[i]);
}

void sql_put_day_text(struct sql *sql)
{
	put(sql, "(SELECT t.body FROM ");
	sql_put_table(sql, "message_text", sql->day);
	put(sql, " t WHERE t.log_day = ");
	sql_put_text(sql, sql->day);
	put(sql, "::date AND t.id = e.text_id)");
}

/* Under a NOT an unknown comparison must be false; elsewhere WHERE takes it so, and the bare form
 * can use an index. */
static void put_end(struct sql *sql)
{
	put(sql, sql->n_negations > 0 ? ") IS TRUE" : ")");
}

/* --- one comparison -----------------------------------------------------------------------------
 */

static void put_expression(struct sql *sql, const struct column *column)
{
	put(sql, column->fold ? FOLD_BEGIN : "(");
	if (sql->day.p && column == &columns[FILTER_MESSAGE]) {
		put(sql, "COALESCE(");
		sql_put_day_text(sql);
		put(sql, ", e.sender_message)");
	} else {
		put(sql, column->expression);
	}
	put(sql, column->fold ? FOLD_END : ")");
}

static void put_value(struct sql *sql, const struct column *column,
		      const struct filter_value *value)
{
	switch (column->kind) {
	case COLUMN_NUMBER: sql_put_i64(sql, value->number); return;
	case COLUMN_TIME: sql_put_time(sql, value->number); return;
	default: break;
	}
	put(sql, column->fold ? FOLD_BEGIN : "(");
	sql_put_text(sql, value->text);
	put(sql, column->fold ? FOLD_END : ")");
}

/* An index can be asked: nothing stands around that would need a null to be false. */
static bool is_plain(const struct sql *sql)
{
	return sql->n_negations == 0;
}

/* low <= column < high in the order of bytes, which is that of an index: what a comparison cannot
 * but fulfil. The comparison itself follows. */
static void put_range(struct sql *sql, const struct column *column, struct str low, struct str high)
{
	strbuf_putf(&sql->text, "%s COLLATE \"C\" >= ", column->indexed);
	sql_put_text(sql, low);
	strbuf_putf(&sql->text, " AND %s COLLATE \"C\" < ", column->indexed);
	sql_put_text(sql, high);
	put(sql, " AND ");
}

/* Of all that begins with `prefix`. One whose last byte has no successor among characters is left
 * to the comparison. */
static void put_prefix_range(struct sql *sql, const struct column *column, struct str prefix)
{
	char *high;

	if (!column->indexed || !is_plain(sql) || prefix.len == 0 ||
	    (unsigned char)prefix.p[prefix.len - 1] >= 0x7f)
		return;
	high = arena_alloc(sql->memory, prefix.len);
	memcpy(high, prefix.p, prefix.len);
	high[prefix.len - 1]++;
	put_range(sql, column, prefix, (struct str){ high, prefix.len });
}

/* Of an origin that is `value`, and may have slashes at its end or stand below it. */
static void put_origin_range(struct sql *sql, const struct column *column, struct str value)
{
	char *high;

	if (!is_plain(sql))
		return;
	high = arena_alloc(sql->memory, value.len + 1);
	memcpy(high, value.p, value.len);
	high[value.len] = '/' + 1;
	put_range(sql, column, value, (struct str){ high, value.len + 1 });
}

/* True when the column is one of the values; null is a value as well. Never SQL NULL. */
static void put_equals_any(struct sql *sql, const struct column *column,
			   const struct filter_node *node)
{
	for (size_t i = 0; i < node->n_values; i++) {
		const struct filter_value *value = &node->values[i];

		put(sql, i > 0 ? " OR (" : "((");
		if (value->kind == FILTER_IS_NULL) {
			put_expression(sql, column);
			put(sql, " IS NULL)");
			continue;
		}
		if (node->name == FILTER_ORIGIN)
			put_origin_range(sql, column, value->text);
		if (node->name == FILTER_SEVERITY && is_plain(sql) && value->number != 0)
			put(sql, "(e.severity)"); /* bare, as its index has it */
		else
			put_expression(sql, column);
		put(sql, " = ");
		put_value(sql, column, value);
		if (column->kind == COLUMN_TEXT && !column->fold)
			put(sql, " COLLATE \"C\"");
		put_end(sql);
	}
	put(sql, ")");
}

static const char *order_operator(enum filter_op op)
{
	switch (op) {
	case FILTER_GT: return " > ";
	case FILTER_GE: return " >= ";
	case FILTER_LT: return " < ";
	default: return " <= ";
	}
}

static void put_order(struct sql *sql, const struct column *column, const struct filter_node *node)
{
	bool text = column->kind != COLUMN_NUMBER && column->kind != COLUMN_TIME;

	put(sql, "((");
	put_expression(sql, column);
	put(sql, order_operator(node->op));
	put_value(sql, column, node->values);
	if (text && !column->fold)
		put(sql, " COLLATE \"C\"");
	put_end(sql);
	put(sql, ")");
}

/* A slash at the value's end stands for "and what is below it" too: see filter_match(). */
static void put_origin_starts(struct sql *sql, const struct column *column, struct str value)
{
	struct str bare = value;

	while (bare.len > 0 && bare.p[bare.len - 1] == '/')
		bare.len--;
	put(sql, "(");
	/* What is below '/a/1' is not below '/a/10'. */
	if (bare.len < value.len)
		put_origin_range(sql, column, bare);
	else
		put_prefix_range(sql, column, bare);
	put(sql, "((starts_with(");
	put_expression(sql, column);
	put(sql, ", ");
	sql_put_text(sql, value);
	put(sql, ")");
	put_end(sql);
	if (value.len > 0 && value.p[value.len - 1] == '/') {
		put(sql, " OR (");
		put_expression(sql, column);
		put(sql, " = ");
		sql_put_text(sql, (struct str){ value.p, value.len - 1 });
		put_end(sql);
	}
	put(sql, "))");
}

static void put_part(struct sql *sql, const struct column *column, const struct filter_node *node)
{
	if (node->op == FILTER_STARTSWITH && node->name == FILTER_ORIGIN) {
		put_origin_starts(sql, column, node->values[0].text);
		return;
	}
	put(sql, "(");
	if (node->op == FILTER_STARTSWITH)
		put_prefix_range(sql, column, node->values[0].text);
	put(sql, node->op == FILTER_CONTAINS     ? "((strpos("
		 : node->op == FILTER_STARTSWITH ? "((starts_with("
						 : "((right(");
	put_expression(sql, column);
	put(sql, ", ");
	if (node->op == FILTER_ENDSWITH)
		put(sql, "length(");
	put_value(sql, column, node->values);
	if (node->op == FILTER_ENDSWITH) {
		put(sql, ")) = ");
		put_value(sql, column, node->values);
	} else {
		put(sql, node->op == FILTER_CONTAINS ? ") > 0" : ")");
	}
	put_end(sql);
	put(sql, "))");
}

/* The comparison of one expression; NE is made of EQ by the caller. */
static void put_comparison(struct sql *sql, const struct column *column,
			   const struct filter_node *node)
{
	switch (node->op) {
	case FILTER_EQ:
	case FILTER_NE:
	case FILTER_IN: put_equals_any(sql, column, node); return;
	case FILTER_GT:
	case FILTER_GE:
	case FILTER_LT:
	case FILTER_LE: put_order(sql, column, node); return;
	default: put_part(sql, column, node); return;
	}
}

/* --- the source's texts --------------------------------------------------------------------------
 */

/* The sources that pass are looked up once; the index on (source_id, seq) finds theirs. */
static void put_of_source(struct sql *sql, const struct column *column,
			  const struct filter_node *node)
{
	put(sql, "(e.source_id = ANY (ARRAY(SELECT s.id FROM source s WHERE ");
	put_comparison(sql, column, node);
	put(sql, ")))");
}

static bool has_null(const struct filter_node *node)
{
	for (size_t i = 0; i < node->n_values; i++)
		if (node->values[i].kind == FILTER_IS_NULL)
			return true;
	return false;
}

/* A source without a row has none of its columns either. */
static void put_column_of_source(struct sql *sql, const struct column *column,
				 const struct filter_node *node)
{
	put(sql, "(");
	put_of_source(sql, column, node);
	if (has_null(node))
		put(sql, " OR NOT EXISTS (SELECT FROM source s WHERE s.id = e.source_id)");
	put(sql, ")");
}

/* The id: compared as an id where that is the same, so that the index serves. */
static void put_source_ids(struct sql *sql, const struct filter_node *node)
{
	char canonical[UUID_TEXT_BYTES];
	struct uuid id;

	for (size_t i = 0; i < node->n_values; i++) {
		const struct filter_value *value = &node->values[i];

		if (value->kind == FILTER_IS_NULL) {
			put(sql, " OR e.source_id = " NO_SOURCE);
		} else if (uuid_parse(value->text, &id) && !uuid_is_zero(id) &&
			   str_eq(str_of(uuid_format(id, canonical)), value->text)) {
			put(sql, " OR e.source_id = ");
			sql_put_text(sql, value->text);
			put(sql, "::uuid");
		}
	}
}

/* The one source of this name, so that the index gives its events in their order. */
static bool put_only_source(struct sql *sql, const struct filter_node *node)
{
	struct str name = node->values[0].text;
	struct uuid id, named;
	char text[UUID_TEXT_BYTES];
	unsigned n;
	bool is_id;

	if (!sql->sources_named || node->op != FILTER_EQ || !is_plain(sql) ||
	    node->values[0].kind == FILTER_IS_NULL)
		return false;
	is_id = uuid_parse(name, &id) && str_eq(str_of(uuid_format(id, text)), name);
	n = sql->sources_named(sql->ctx, name, &named);
	if (n + is_id != 1)
		return false;
	if (!is_id)
		id = named;
	if (uuid_is_zero(id)) /* nobody's id */
		return false;
	put(sql, "(e.source_id = ");
	sql_put_text(sql, arena_copy(sql->memory, str_of(uuid_format(id, text))));
	put(sql, "::uuid)");
	return true;
}

static void put_source(struct sql *sql, const struct column *id, const struct filter_node *node)
{
	static const struct column name = { .expression = "s.name", .kind = COLUMN_OF_SOURCE };

	if (put_only_source(sql, node))
		return;
	switch (node->op) {
	case FILTER_EQ:
	case FILTER_NE:
	case FILTER_IN:
		put(sql, "(");
		put_of_source(sql, &name, node);
		put_source_ids(sql, node);
		put(sql, ")");
		return;
	case FILTER_CONTAINS:
	case FILTER_STARTSWITH:
	case FILTER_ENDSWITH:
		put(sql, "(");
		put_of_source(sql, &name, node);
		put(sql, " OR ");
		put_comparison(sql, id, node);
		put(sql, ")");
		return;
	default: put_comparison(sql, id, node); return;
	}
}

/* --- the tree ------------------------------------------------------------------------------------
 */

static void put_node(struct sql *sql, const struct filter_node *node)
{
	const struct column *column;

	if (node->op == FILTER_AND || node->op == FILTER_OR) {
		put(sql, "(");
		put_node(sql, node->a);
		put(sql, node->op == FILTER_AND ? " AND " : " OR ");
		put_node(sql, node->b);
		put(sql, ")");
		return;
	}
	if (node->op == FILTER_NOT) {
		sql->n_negations++;
		put(sql, "(NOT ");
		put_node(sql, node->a);
		put(sql, ")");
		sql->n_negations--;
		return;
	}
	column = &columns[node->name];
	sql->n_negations += node->op == FILTER_NE;
	put(sql, node->op == FILTER_NE ? "(NOT " : "(");
	if (column->kind == COLUMN_SOURCE)
		put_source(sql, column, node);
	else if (column->kind == COLUMN_OF_SOURCE)
		put_column_of_source(sql, column, node);
	else
		put_comparison(sql, column, node);
	put(sql, ")");
	sql->n_negations -= node->op == FILTER_NE;
}

void sql_put_filter(struct sql *sql, const struct filter *filter)
{
	if (filter && filter->root)
		put_node(sql, filter->root);
	else
		put(sql, "true");
}
