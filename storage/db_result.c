/* Rows that came, value by value. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "storage/db.h"
#include "storage/db_priv.h"

#define TIME_TEXT_BYTES 48

size_t db_rows(const struct db_result *result)
{
	return (size_t)PQntuples(result->rows);
}

bool db_is_null(const struct db_result *result, size_t row, int column)
{
	return PQgetisnull(result->rows, (int)row, column);
}

struct str db_str(const struct db_result *result, size_t row, int column)
{
	if (db_is_null(result, row, column))
		return (struct str){ NULL, 0 };
	return (struct str){ PQgetvalue(result->rows, (int)row, column),
			     (size_t)PQgetlength(result->rows, (int)row, column) };
}

int64_t db_int(const struct db_result *result, size_t row, int column)
{
	int64_t value;

	return str_to_i64(db_str(result, row, column), &value) ? value : 0;
}

struct uuid db_get_uuid(const struct db_result *result, size_t row, int column)
{
	struct uuid id = { { 0 } };

	uuid_parse(db_str(result, row, column), &id);
	return id;
}

int64_t db_time_us(const struct db_result *result, size_t row, int column)
{
	/* "2026-11-20 09:12:44.120931+00": the session's zone is UTC. */
	struct str text = db_str(result, row, column);
	char buffer[TIME_TEXT_BYTES];
	int64_t time_us = 0;
	int n;

	text.len = str_find_char(text, '+');
	n = snprintf(buffer, sizeof(buffer), "%.*sZ", STR_ARG(text));
	if (n >= (int)sizeof(buffer) ||
	    !clock_parse((struct str){ buffer, (size_t)n }, &time_us, NULL))
		return 0;
	return time_us;
}

static int hex_value(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

void db_bytes(const struct db_result *result, size_t row, int column, struct strbuf *out)
{
	struct str hex = db_str(result, row, column);
	size_t n = hex.len >= 2 ? (hex.len - 2) / 2 : 0; /* behind "\x" */
	char *to = strbuf_reserve(out, n);

	if (!to)
		return;
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(hex_value(hex.p[2 + 2 * i]) << 4 | hex_value(hex.p[3 + 2 * i]));
	strbuf_commit(out, n);
}

void db_result_free(struct db_result *result)
{
	if (!result)
		return;
	PQclear(result->rows);
	free(result);
}
