/* rfevent journal status, verify, export: on a folder, without a service and without disturbing
 * one. */
#include <errno.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "event/delivery.h"
#include "storage/journal_look.h"
#include "storage/limits.h"
#include "storage/snapshot.h"

#define DEFAULT_STATE_DIR "/var/lib/rfeventd"
#define LINE_MAX_BYTES    (8u * JOURNAL_MAX_RECORD) /* a control character takes six bytes */

struct journal_args {
	char *dir, *state_dir; /* new */
	struct uuid after;     /* zero: from the first */
	int64_t since_us;
};

/* --- arguments ----------------------------------------------------------------------------------
 */

static void args_fini(struct journal_args *args)
{
	free(args->dir);
	free(args->state_dir);
}

static int parse(const struct cli *cli, const struct cli_verb *verb, int argc, char **argv,
		 struct journal_args *out)
{
	static const struct option known[] = { { "state-dir", required_argument, NULL, 'd' },
					       { "after", required_argument, NULL, 'a' },
					       { "since", required_argument, NULL, 's' },
					       { 0 } };
	const char *dir = cli->state_dir ? cli->state_dir : DEFAULT_STATE_DIR;
	bool exports = verb == &journal_export_verb;
	int c;

	*out = (struct journal_args){ .since_us = INT64_MIN };
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'd')
			dir = optarg;
		else if (c == 'a' && exports && !uuid_parse(str_of(optarg), &out->after))
			return cli_usage(verb, "'%s' is no id of a delivery", optarg);
		else if (c == 's' && exports &&
			 !clock_parse(str_of(optarg), &out->since_us, NULL))
			return cli_usage(verb, "'%s' is no time", optarg);
		else if (!exports || c == '?')
			return cli_usage(verb, "unknown option");
	}
	if (optind < argc)
		return cli_usage(verb, "'%s' is too much", argv[optind]);
	out->state_dir = xstrdup(dir);
	out->dir = xasprintf("%s/journal", dir);
	return CLI_OK;
}

static int look(const struct journal_args *args, struct journal_look **segments, size_t *n)
{
	struct err err;

	if (journal_look(args->dir, segments, n, &err) < 0)
		return cli_fail(CLI_REFUSED, "%s", err.text);
	return CLI_OK;
}

/* --- status -------------------------------------------------------------------------------------
 */

/* When the first record of a segment was received; "" when it has none that can be read. */
static const char *oldest_of(const char *dir, const struct journal_look *segment,
			     char out[CLOCK_TEXT_BYTES])
{
	struct journal_reader *reader = journal_reader_new(dir);
	struct delivery *delivery;
	struct str record;
	uint64_t next;

	out[0] = '\0';
	if (journal_read(reader, &segment->view, 0, &record, &next, NULL) == 1 &&
	    delivery_unpack(record, &delivery, NULL) == 0) {
		clock_format(delivery->received_us, out);
		delivery_unref(delivery);
	}
	journal_reader_free(reader);
	return out;
}

static void print_summary(const struct journal_args *args, const struct journal_look *segments,
			  size_t n)
{
	char *path = xasprintf("%s/snapshot", args->state_dir);
	pid_t owner = journal_look_owner(args->dir);
	uint64_t size = 0, used = 0;
	struct snapshot snapshot;

	for (size_t i = 0; i < n; i++) {
		size += segments[i].size;
		used += segments[i].view.end - segments[i].view.first;
	}
	printf("Journal   %s\nSegments  %zu, %llu bytes on disk, %llu of them records\n", args->dir,
	       n, (unsigned long long)size, (unsigned long long)used);
	if (owner > 0)
		printf("In use    by rfeventd, process %ld\n", (long)owner);
	if (snapshot_load(path, &snapshot, NULL) == 0) {
		printf("Log       up to seq %lld, as this node last saw it\n",
		       (long long)snapshot.last_seq);
		snapshot_fini(&snapshot);
	}
	puts("What of it is in the log, the database knows.\n");
	free(path);
}

static int run_status(const struct cli *cli, int argc, char **argv)
{
	struct journal_args args;
	struct journal_look *segments;
	struct table *table;
	size_t n;
	int r = parse(cli, &journal_status_verb, argc, argv, &args);

	if (r != CLI_OK)
		return r;
	r = look(&args, &segments, &n);
	if (r == CLI_OK) {
		if (cli->output == OUTPUT_TABLE)
			print_summary(&args, segments, n);
		table = table_new("Segment,State,#Bytes,#RecordBytes,Created,Oldest");
		for (size_t i = 0; i < n; i++) {
			const struct journal_segment *view = &segments[i].view;
			char text[CLOCK_TEXT_BYTES];

			table_put(table, str_of(segments[i].name));
			table_put(table, view->sealed ? STR("sealed") : STR("open"));
			table_put_count(table, segments[i].size);
			table_put_count(table, view->end - view->first);
			table_put(table, str_of(clock_format(view->created_us, text)));
			table_put(table, str_of(oldest_of(args.dir, &segments[i], text)));
		}
		table_print(table, cli->output);
		table_free(table);
		free(segments);
	}
	args_fini(&args);
	return r;
}

/* --- verify -------------------------------------------------------------------------------------
 */

struct verifying {
	struct table *table;
	size_t n_damaged;
};

static void put_damage(void *ctx, const struct journal_look *segment,
		       const struct journal_damage *damage)
{
	struct verifying *verifying = ctx;

	verifying->n_damaged++;
	table_put(verifying->table, str_of(segment->name));
	table_put(verifying->table, STR("damaged"));
	table_put_count(verifying->table, damage->from);
	table_put_count(verifying->table, damage->to);
	table_put(verifying->table,
		  damage->is_tail     ? STR("recovery keeps all before it and cuts it off") :
		  damage->from == 0   ? STR("header; recovery reads the records nevertheless") :
					STR("recovery keeps all before and behind it, and sets "
					    "this aside as journal_damaged"));
}

static int run_verify(const struct cli *cli, int argc, char **argv)
{
	struct verifying verifying = { .n_damaged = 0 };
	struct journal_args args;
	struct journal_look *segments = NULL;
	uint64_t n_records = 0;
	struct err err;
	size_t n = 0;
	int r = parse(cli, &journal_verify_verb, argc, argv, &args);

	if (r != CLI_OK)
		return r;
	r = look(&args, &segments, &n);
	verifying.table = table_new("Segment,State,#From,#To,Recovery");
	for (size_t i = 0; r == CLI_OK && i < n; i++) {
		uint64_t whole;
		int failure = journal_look_verify(args.dir, &segments[i], put_damage, &verifying,
						  &whole, &err);

		/* A segment may expire meanwhile: it is in the log. */
		if (failure < 0 && failure != -ENOENT)
			r = cli_fail(CLI_REFUSED, "%s", err.text);
		n_records += whole;
	}
	if (r == CLI_OK && (verifying.n_damaged > 0 || cli->output != OUTPUT_TABLE))
		table_print(verifying.table, cli->output);
	if (r == CLI_OK && cli->output == OUTPUT_TABLE)
		printf("%zu segments, %llu whole records, %zu damaged places\n", n,
		       (unsigned long long)n_records, verifying.n_damaged);
	table_free(verifying.table);
	free(segments);
	args_fini(&args);
	return r == CLI_OK && verifying.n_damaged > 0 ? CLI_REFUSED : r;
}

/* --- export -------------------------------------------------------------------------------------
 */

struct export {
	const struct journal_args *args;
	bool is_found; /* the delivery to begin behind */
	struct strbuf line;
	size_t n_damaged;
};

static void put_base64(struct strbuf *out, struct str bytes)
{
	size_t n = (bytes.len + 2) / 3 * 4;
	char *p = strbuf_reserve(out, n + 1);

	if (!p)
		return;
	EVP_EncodeBlock((unsigned char *)p, (const unsigned char *)bytes.p, (int)bytes.len);
	strbuf_commit(out, n);
}

static void put_text(struct strbuf *out, const char *name, struct str text)
{
	strbuf_putf(out, ",\"%s\":", name);
	strbuf_put_json(out, text);
}

static void print_delivery(struct export *export, const struct delivery *delivery)
{
	struct strbuf *line = &export->line;
	char id[UUID_TEXT_BYTES], time[CLOCK_TEXT_BYTES];

	strbuf_reset(line);
	strbuf_putf(line, "{\"id\":\"%s\",\"received\":\"%s\"", uuid_format(delivery->id, id),
		    clock_format(delivery->received_us, time));
	if (!uuid_is_zero(delivery->source))
		strbuf_putf(line, ",\"source\":\"%s\"", uuid_format(delivery->source, id));
	put_text(line, "peer", delivery->peer);
	put_text(line, "protocol", delivery->protocol);
	if (str_is_utf8(delivery->raw)) {
		put_text(line, "body", delivery->raw);
	} else {
		strbuf_put_text(line, ",\"body_base64\":\"");
		put_base64(line, delivery->raw);
		strbuf_put_char(line, '"');
	}
	strbuf_put_text(line, "}\n");
	fwrite(line->p, 1, line->failed ? 0 : line->len, stdout);
}

static void export_record(struct export *export, struct str record)
{
	struct delivery *delivery;

	if (delivery_unpack(record, &delivery, NULL) < 0) {
		export->n_damaged++;
		return;
	}
	if (export->is_found && delivery->received_us >= export->args->since_us)
		print_delivery(export, delivery);
	else if (!export->is_found)
		export->is_found = uuid_eq(delivery->id, export->args->after);
	delivery_unref(delivery);
}

/* 0, or a negative errno when the disk fails. */
static int export_segment(struct export *export, const struct journal_look *segment, struct err *err)
{
	struct journal_reader *reader = journal_reader_new(export->args->dir);
	uint64_t next = segment->view.first;
	struct str record;
	int r = 0;

	for (uint64_t at = next; r >= 0 && at < segment->view.end; at = next) {
		r = journal_read(reader, &segment->view, at, &record, &next, err);
		if (r == 1)
			export_record(export, record);
		if (r == -EBADMSG) {
			export->n_damaged++;
			r = 0;
		}
	}
	journal_reader_free(reader);
	return r == -ENOENT ? 0 : r;
}

static int run_export(const struct cli *cli, int argc, char **argv)
{
	struct journal_args args;
	struct export export = { .args = &args };
	struct journal_look *segments = NULL;
	struct err err;
	size_t n = 0;
	int r = parse(cli, &journal_export_verb, argc, argv, &args);

	if (r != CLI_OK)
		return r;
	export.is_found = uuid_is_zero(args.after);
	strbuf_init(&export.line, LINE_MAX_BYTES);
	r = look(&args, &segments, &n);
	for (size_t i = 0; r == CLI_OK && i < n; i++)
		if (export_segment(&export, &segments[i], &err) < 0)
			r = cli_fail(CLI_REFUSED, "%s", err.text);
	if (r == CLI_OK && (fflush(stdout) != 0 || ferror(stdout)))
		r = cli_fail(CLI_REFUSED, "cannot write: %s", strerror(errno));
	if (r == CLI_OK && export.n_damaged > 0)
		r = cli_fail(CLI_REFUSED, "%zu records are damaged and were left out: rfevent journal "
					  "verify", export.n_damaged);
	if (r == CLI_OK && !export.is_found)
		r = cli_fail(CLI_REFUSED, "the journal does not have the delivery of --after");
	strbuf_fini(&export.line);
	free(segments);
	args_fini(&args);
	return r;
}

#define STATE_DIR_HELP                                                                             \
	"  --state-dir D  of the service; else that of the service on this machine\n"              \
	"Needs no service, and disturbs none: nothing is locked or changed.\n"

const struct cli_verb journal_status_verb = {
	"journal", "status", "[--state-dir D]",
	"the journal's segments, what they take, and how old they are\n" STATE_DIR_HELP, run_status
};

const struct cli_verb journal_verify_verb = {
	"journal", "verify", "[--state-dir D]",
	"check the sums of every record\n" STATE_DIR_HELP
	"Damage is shown by file and offset, with what recovery makes of it; the exit status is 1.\n",
	run_verify
};

const struct cli_verb journal_export_verb = {
	"journal", "export", "[--after ID] [--since TIME] [--state-dir D]",
	"every delivery the journal has, as a line of JSON\n"
	"  --after ID     those behind the delivery with this id\n"
	"  --since TIME   those received from then on, as 2026-11-20T09:00:00Z\n" STATE_DIR_HELP
	"A line has id, received, source, peer, protocol, and body, or body_base64 when it is not\n"
	"UTF-8. Loaded deliveries are among them: the journal keeps them for a while.\n",
	run_export
};
