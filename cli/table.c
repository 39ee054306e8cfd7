#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/terminal.h"

#define TABLE_MAX_COLUMNS 16
#define LINE_MAX_BYTES    (1u << 20)
#define TEXT_MAX_BYTES    (512u << 20)

struct table {
	char *names; /* cut into columns */
	struct str columns[TABLE_MAX_COLUMNS];
	bool numbers[TABLE_MAX_COLUMNS];
	size_t n_columns;
	struct strbuf text; /* of all cells */
	struct cell {
		size_t at, len;
	} * cells;
	size_t n, room;
};

struct table *table_new(const char *names)
{
	struct table *table = xcalloc(1, sizeof(*table));
	char *rest = NULL, *name;

	table->names = xstrdup(names);
	strbuf_init(&table->text, TEXT_MAX_BYTES);
	for (name = strtok_r(table->names, ",", &rest);
	     name && table->n_columns < TABLE_MAX_COLUMNS; name = strtok_r(NULL, ",", &rest)) {
		table->numbers[table->n_columns] = name[0] == '#';
		table->columns[table->n_columns++] = str_of(name + (name[0] == '#'));
	}
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	strbuf_fini(&table->text);
	free(table->cells);
	free(table->names);
	free(table);
}

void table_put(struct table *table, struct str text)
{
	if (table->n == table->room) {
		table->room = table->room > 0 ? table->room * 2 : 256;
		table->cells = xrealloc(table->cells, table->room * sizeof(*table->cells));
	}
	table->cells[table->n++] = (struct cell){ table->text.len, text.len };
	strbuf_put(&table->text, text);
}

void table_put_count(struct table *table, size_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", value);
	table_put(table, str_of(text));
}

static struct str cell_at(const struct table *table, size_t row, size_t column)
{
	const struct cell *cell = &table->cells[row * table->n_columns + column];

	return (struct str){ table->text.p ? table->text.p + cell->at : "", cell->len };
}

static size_t n_rows(const struct table *table)
{
	return table->text.failed ? 0 : table->n / table->n_columns;
}

/* --- for people ----------------------------------------------------------------------------------
 */

static void put_aligned(struct strbuf *line, struct str text, size_t width, bool number, bool last)
{
	size_t n = terminal_width(text);

	for (; number && n < width; n++)
		strbuf_put_char(line, ' ');
	terminal_put_column(line, text, last || number ? 0 : width);
	strbuf_put_text(line, last ? "\n" : "  ");
}

static void print_columns(const struct table *table)
{
	size_t widths[TABLE_MAX_COLUMNS];
	struct strbuf line;

	strbuf_init(&line, LINE_MAX_BYTES);
	for (size_t c = 0; c < table->n_columns; c++) {
		widths[c] = terminal_width(table->columns[c]);
		for (size_t r = 0; r < n_rows(table); r++) {
			size_t width = terminal_width(cell_at(table, r, c));

			widths[c] = width > widths[c] ? width : widths[c];
		}
		put_aligned(&line, table->columns[c], widths[c], table->numbers[c],
			    c + 1 == table->n_columns);
	}
	fwrite(line.p, 1, line.len, stdout);
	for (size_t r = 0; r < n_rows(table); r++) {
		strbuf_reset(&line);
		for (size_t c = 0; c < table->n_columns; c++)
			put_aligned(&line, cell_at(table, r, c), widths[c], table->numbers[c],
				    c + 1 == table->n_columns);
		fwrite(line.p ? line.p : "", 1, line.len, stdout);
	}
	strbuf_fini(&line);
}

/* --- for programs --------------------------------------------------------------------------------
 */

static void put_object(struct strbuf *out, const struct table *table, size_t row)
{
	for (size_t c = 0; c < table->n_columns; c++) {
		struct str text = cell_at(table, row, c);

		strbuf_put_text(out, c > 0 ? "," : "{");
		strbuf_put_json(out, table->columns[c]);
		strbuf_put_char(out, ':');
		if (!table->numbers[c])
			strbuf_put_json(out, text);
		else
			strbuf_put(out, text.len > 0 ? text : STR("null"));
	}
	strbuf_put_char(out, '}');
}

/* RFC 4180. */
static void put_csv(struct strbuf *out, struct str text, bool last)
{
	strbuf_put_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '"')
			strbuf_put_char(out, '"');
		strbuf_put_char(out, text.p[i]);
	}
	strbuf_put_text(out, last ? "\"\r\n" : "\",");
}

static void print_row(const struct table *table, size_t row, enum cli_output output,
		      struct strbuf *line)
{
	strbuf_reset(line);
	if (output == OUTPUT_CSV) {
		for (size_t c = 0; c < table->n_columns; c++)
			put_csv(line, cell_at(table, row, c), c + 1 == table->n_columns);
	} else {
		put_object(line, table, row);
		strbuf_put_text(line,
				output == OUTPUT_JSON && row + 1 < n_rows(table) ? ",\n" : "\n");
	}
	fwrite(line->p, 1, line->len, stdout);
}

void table_print(const struct table *table, enum cli_output output)
{
	struct strbuf line;

	if (output == OUTPUT_TABLE) {
		print_columns(table);
		return;
	}
	strbuf_init(&line, LINE_MAX_BYTES);
	for (size_t c = 0; output == OUTPUT_CSV && c < table->n_columns; c++)
		printf("%.*s%s", STR_ARG(table->columns[c]),
		       c + 1 < table->n_columns ? "," : "\r\n");
	if (output == OUTPUT_JSON)
		puts("[");
	for (size_t r = 0; r < n_rows(table); r++)
		print_row(table, r, output, &line);
	if (output == OUTPUT_JSON)
		puts("]");
	strbuf_fini(&line);
}
