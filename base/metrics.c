/* A cell is one number: metric × label value, and for a histogram one per bucket and one for the
 * sum. Cells are handed out once and for ever. Each thread adds to its own block of cells, which
 * nobody else writes; a scrape sums the blocks. */
#include "base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define MAX_BUCKETS     15
#define HISTOGRAM_CELLS (MAX_BUCKETS + 2) /* buckets, +Inf, sum */
/* Places in a thread's cache of label look-ups; a power of two. */
#define CACHE_PLACES 64

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct description {
	enum kind kind;
	const char *name, *label, *unit, *help;
};

static const struct description descriptions[METRIC_COUNT] = {
#define METRIC(id, type, name, label, unit, help) { type, name, label, unit, help },
#include "base/metrics_table.h"
#undef METRIC
};

struct bucket {
	double limit;
	const char *text; /* OpenMetrics wants the canonical form of a float */
};

static const struct bucket second_buckets[] = {
	{ 0.0005, "0.0005" }, { 0.001, "0.001" }, { 0.0025, "0.0025" }, { 0.005, "0.005" },
	{ 0.01, "0.01" },     { 0.025, "0.025" }, { 0.05, "0.05" },     { 0.1, "0.1" },
	{ 0.25, "0.25" },     { 0.5, "0.5" },     { 1, "1.0" },         { 2.5, "2.5" },
	{ 5, "5.0" },         { 10, "10.0" },
};

static const struct bucket count_buckets[] = {
	{ 1, "1.0" },     { 4, "4.0" },       { 16, "16.0" },     { 64, "64.0" },
	{ 256, "256.0" }, { 1024, "1024.0" }, { 4096, "4096.0" },
};

_Static_assert(ARRAY_LEN(second_buckets) <= MAX_BUCKETS, "buckets fit their cells");

/* One label value of one metric, or a metric without a label. */
struct cell {
	const char *label; /* NULL: without */
	size_t next;       /* of the same metric; 0: last */
};

struct cached {
	const char *label;
	enum metric metric;
	size_t cell; /* 0: free */
};

struct block {
	_Atomic uint64_t values[METRICS_MAX_CELLS];
	struct cached cache[CACHE_PLACES]; /* the owner's */
	struct block *next;
	bool owned; /* by a living thread; under the lock */
};

struct scrape {
	metrics_fn *fn;
	void *ctx;
	struct scrape *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static _Thread_local struct block *mine;

/* Under the lock. Cell 0 is nobody's, so that 0 means none. */
static struct cell cells[METRICS_MAX_CELLS];
static size_t n_cells = 1;
static size_t first_cell[METRIC_COUNT];
static struct block *blocks; /* never freed: counts outlive their thread */
static struct scrape *scrapes, **scrapes_end = &scrapes;

/* Gauges are set from anywhere, the last one wins; doubles by their bits. */
static _Atomic uint64_t gauges[METRICS_MAX_CELLS];
static atomic_bool gauge_is_set[METRICS_MAX_CELLS];

static bool in_seconds(enum metric metric)
{
	return descriptions[metric].unit && strcmp(descriptions[metric].unit, "seconds") == 0;
}

static const struct bucket *buckets_of(enum metric metric, size_t *n_out)
{
	*n_out = in_seconds(metric) ? ARRAY_LEN(second_buckets) : ARRAY_LEN(count_buckets);
	return in_seconds(metric) ? second_buckets : count_buckets;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* --- cells -------------------------------------------------------------------------------------
 */

/* Under the lock, or before there are threads; 0 when all are taken. */
static size_t add_cell(enum metric metric, const char *label)
{
	size_t n = descriptions[metric].kind == HISTOGRAM ? HISTOGRAM_CELLS : 1;
	size_t *link = &first_cell[metric];
	size_t cell = n_cells;

	if (n > METRICS_MAX_CELLS - n_cells)
		return 0;
	while (*link != 0)
		link = &cells[*link].next;
	*link = cell;
	cells[cell].label = label;
	n_cells += n;
	return cell;
}

static size_t find_cell(enum metric metric, const char *label)
{
	size_t cell = first_cell[metric];

	while (cell != 0 && label && strcmp(cells[cell].label, label) != 0)
		cell = cells[cell].next;
	return cell;
}

static void thread_ended(void *ctx)
{
	struct block *block = ctx;

	pthread_mutex_lock(&lock);
	block->owned = false;
	pthread_mutex_unlock(&lock);
}

static void init(void)
{
	pthread_key_create(&exit_key, thread_ended);
	for (int metric = 0; metric < METRIC_COUNT; metric++)
		if (!descriptions[metric].label)
			add_cell(metric, NULL);
}

/* The cell of a labelled metric, made at its first use. */
static size_t labelled_cell(enum metric metric, const char *label)
{
	size_t cell;

	pthread_mutex_lock(&lock);
	cell = find_cell(metric, label);
	if (cell == 0)
		cell = add_cell(metric, label);
	pthread_mutex_unlock(&lock);
	if (cell == 0)
		log_error("base", "too many metric labels, one is not counted",
			  LOG_T("metric", descriptions[metric].name), LOG_T("label", label));
	return cell;
}

/* --- the thread's block ------------------------------------------------------------------------
 */

static struct block *own_block(void)
{
	struct block *block;

	if (mine)
		return mine;
	pthread_once(&once, init);
	pthread_mutex_lock(&lock);
	for (block = blocks; block && block->owned; block = block->next)
		;
	if (!block) {
		block = xcalloc(1, sizeof(*block));
		block->next = blocks;
		blocks = block;
	}
	block->owned = true;
	pthread_mutex_unlock(&lock);
	pthread_setspecific(exit_key, block);
	mine = block;
	return block;
}

/* Labels are literals, so that the address finds them; two literals of one text share a cell. */
static size_t cell_of(struct block *block, enum metric metric, const char *label)
{
	struct cached *cached;
	uintptr_t mixed;

	if (!descriptions[metric].label)
		return first_cell[metric];
	if (!label)
		label = "";
	mixed = ((uintptr_t)label ^ (uintptr_t)metric << 7) * UINT64_C(0x9e3779b97f4a7c15);
	cached = &block->cache[mixed >> 32 & (CACHE_PLACES - 1)];
	if (cached->cell == 0 || cached->label != label || cached->metric != metric)
		*cached = (struct cached){ label, metric, labelled_cell(metric, label) };
	return cached->cell;
}

/* One writer, so that no locked instruction is needed. */
static void add(struct block *block, size_t cell, uint64_t n)
{
	uint64_t value = atomic_load_explicit(&block->values[cell], memory_order_relaxed);

	atomic_store_explicit(&block->values[cell], value + n, memory_order_relaxed);
}

void metric_add(enum metric metric, const char *label_value, uint64_t n)
{
	struct block *block = own_block();

	add(block, cell_of(block, metric, label_value), n);
}

void metric_set(enum metric metric, const char *label_value, double value)
{
	size_t cell = cell_of(own_block(), metric, label_value);

	atomic_store_explicit(&gauges[cell], bits_of(value), memory_order_relaxed);
	atomic_store_explicit(&gauge_is_set[cell], true, memory_order_release);
}

void metric_observe(enum metric metric, double value)
{
	struct block *block = own_block();
	size_t cell = first_cell[metric];
	size_t n, i = 0;
	const struct bucket *buckets = buckets_of(metric, &n);
	uint64_t sum;

	while (i < n && value > buckets[i].limit)
		i++;
	add(block, cell + i, 1);
	cell += HISTOGRAM_CELLS - 1;
	sum = atomic_load_explicit(&block->values[cell], memory_order_relaxed);
	atomic_store_explicit(&block->values[cell], bits_of(double_of(sum) + value),
			      memory_order_relaxed);
}

/* --- reading, under the lock ------------------------------------------------------------------ */

static uint64_t total(size_t cell)
{
	uint64_t sum = 0;

	for (const struct block *block = blocks; block; block = block->next)
		sum += atomic_load_explicit(&block->values[cell], memory_order_relaxed);
	return sum;
}

static double total_double(size_t cell)
{
	double sum = 0;

	for (const struct block *block = blocks; block; block = block->next)
		sum += double_of(atomic_load_explicit(&block->values[cell], memory_order_relaxed));
	return sum;
}

static double gauge(size_t cell)
{
	return double_of(atomic_load_explicit(&gauges[cell], memory_order_relaxed));
}

static double read_cell(enum metric metric, size_t cell)
{
	uint64_t count = 0;
	size_t n;

	switch (descriptions[metric].kind) {
	case COUNTER: return (double)total(cell);
	case GAUGE: return gauge(cell);
	case HISTOGRAM: break;
	}
	buckets_of(metric, &n);
	for (size_t i = 0; i <= n; i++)
		count += total(cell + i);
	return (double)count;
}

double metric_read(enum metric metric, const char *label_value)
{
	double sum = 0;

	pthread_once(&once, init);
	pthread_mutex_lock(&lock);
	for (size_t cell = first_cell[metric]; cell != 0; cell = cells[cell].next)
		if (!label_value || !cells[cell].label ||
		    strcmp(cells[cell].label, label_value) == 0)
			sum += read_cell(metric, cell);
	pthread_mutex_unlock(&lock);
	return sum;
}

/* --- exposition --------------------------------------------------------------------------------
 */

/* A label value or a help text, by the escapes of the text format. */
static void put_escaped(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			strbuf_put_text(out, "\\n");
			continue;
		}
		if (*text == '\\' || *text == '"')
			strbuf_put_char(out, '\\');
		strbuf_put_char(out, *text);
	}
}

/* `rfeventd_name<suffix>{label="…",le="…"} ` */
static void put_sample_name(struct strbuf *out, enum metric metric, const char *suffix,
			    const char *label, const char *le)
{
	strbuf_putf(out, "rfeventd_%s%s", descriptions[metric].name, suffix);
	if (label || le)
		strbuf_put_char(out, '{');
	if (label) {
		strbuf_putf(out, "%s=\"", descriptions[metric].label);
		put_escaped(out, label);
		strbuf_put_char(out, '"');
	}
	if (le)
		strbuf_putf(out, "%sle=\"%s\"", label ? "," : "", le);
	strbuf_put_text(out, label || le ? "} " : " ");
}

static void put_histogram(struct strbuf *out, enum metric metric, size_t cell)
{
	size_t n;
	const struct bucket *buckets = buckets_of(metric, &n);
	const char *label = cells[cell].label;
	uint64_t count = 0;

	for (size_t i = 0; i <= n; i++) {
		count += total(cell + i);
		put_sample_name(out, metric, "_bucket", label, i < n ? buckets[i].text : "+Inf");
		strbuf_putf(out, "%llu\n", (unsigned long long)count);
	}
	put_sample_name(out, metric, "_sum", label, NULL);
	strbuf_putf(out, "%.9g\n", total_double(cell + HISTOGRAM_CELLS - 1));
	put_sample_name(out, metric, "_count", label, NULL);
	strbuf_putf(out, "%llu\n", (unsigned long long)count);
}

static void put_cell(struct strbuf *out, enum metric metric, size_t cell)
{
	switch (descriptions[metric].kind) {
	case COUNTER:
		put_sample_name(out, metric, "_total", cells[cell].label, NULL);
		strbuf_putf(out, "%llu\n", (unsigned long long)total(cell));
		break;
	case GAUGE:
		/* One that nobody set is unknown, not 0. */
		if (!atomic_load_explicit(&gauge_is_set[cell], memory_order_acquire))
			break;
		put_sample_name(out, metric, "", cells[cell].label, NULL);
		strbuf_putf(out, "%.15g\n", gauge(cell));
		break;
	case HISTOGRAM: put_histogram(out, metric, cell); break;
	}
}

static void put_family(struct strbuf *out, enum metric metric)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	const struct description *d = &descriptions[metric];

	strbuf_putf(out, "# TYPE rfeventd_%s %s\n", d->name, kinds[d->kind]);
	if (d->unit)
		strbuf_putf(out, "# UNIT rfeventd_%s %s\n", d->name, d->unit);
	strbuf_putf(out, "# HELP rfeventd_%s ", d->name);
	put_escaped(out, d->help);
	strbuf_put_char(out, '\n');
	for (size_t cell = first_cell[metric]; cell != 0; cell = cells[cell].next)
		put_cell(out, metric, cell);
}

void metrics_write(struct strbuf *out)
{
	struct scrape *scrape;

	pthread_once(&once, init);
	pthread_mutex_lock(&lock);
	scrape = scrapes;
	pthread_mutex_unlock(&lock);
	/* They set gauges, which may take the lock. The list only grows at its end. */
	while (scrape) {
		scrape->fn(scrape->ctx);
		pthread_mutex_lock(&lock);
		scrape = scrape->next;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	for (int metric = 0; metric < METRIC_COUNT; metric++)
		put_family(out, metric);
	pthread_mutex_unlock(&lock);
	strbuf_put_text(out, "# EOF\n");
}

void metrics_on_scrape(metrics_fn *fn, void *ctx)
{
	struct scrape *scrape = xcalloc(1, sizeof(*scrape));

	scrape->fn = fn;
	scrape->ctx = ctx;
	pthread_mutex_lock(&lock);
	*scrapes_end = scrape;
	scrapes_end = &scrape->next;
	pthread_mutex_unlock(&lock);
}
