/* rfevent event export: the log as a file, oldest first, on from where it broke off. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/event_question.h"
#include "cli/records.h"

#define ENTRIES          "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries"
#define RECORD_MAX_BYTES (64u << 20) /* one record */
#define MAX_ATTEMPTS     5           /* without a record between them */
#define AGAIN_S          1

struct export
{
	struct event_question question;
	struct records records;
	const char *path; /* NULL: standard output */
	bool resume;
	FILE *file;
	struct strbuf rest; /* a record that is not whole yet */
	bool header;        /* that of CSV is written already: another is left out */
	bool began;         /* something came at all: a break is worth going on behind */
	int write_errno;
};

/* --- what comes ------------------------------------------------------------------------------- */

/* Whole records alone are written, so that what is there can be gone on from. */
static bool take(void *ctx, struct str bytes)
{
	struct export *export = ctx;
	struct str whole;
	size_t n;

	strbuf_put(&export->rest, bytes);
	if (export->rest.failed)
		return false;
	n = records_take(&export->records, strbuf_str(&export->rest));
	whole = (struct str){ export->rest.p, n };
	if (n > 0 && export->header && str_starts_with(whole, STR("seq,"))) {
		size_t line = str_find_char(whole, '\n') + 1;

		whole = (struct str){ whole.p + line, whole.len - line };
	}
	export->header |= n > 0;
	if (whole.len > 0 && fwrite(whole.p, 1, whole.len, export->file) != whole.len) {
		export->write_errno = errno ? errno : EIO;
		return false;
	}
	memmove(export->rest.p, export->rest.p + n, export->rest.len - n);
	export->rest.len -= n;
	return true;
}

/* --- the file -----------------------------------------------------------------------------------
 */

/* Find the last whole record of what is there already, and cut off what is behind it. */
static int find_end(struct export *export)
{
	char bytes[65536];
	long end = 0;
	size_t n;

	while ((n = fread(bytes, 1, sizeof(bytes), export->file)) > 0) {
		size_t taken;

		strbuf_put(&export->rest, (struct str){ bytes, n });
		if (export->rest.failed)
			return cli_fail(CLI_REFUSED, "%s is not such an export", export->path);
		taken = records_take(&export->records, strbuf_str(&export->rest));
		memmove(export->rest.p, export->rest.p + taken, export->rest.len - taken);
		export->rest.len -= taken;
		end += (long)taken;
	}
	strbuf_reset(&export->rest);
	if (end > 0 && export->records.last_seq == 0 && !export->records.csv)
		return cli_fail(CLI_REFUSED, "%s is not such an export", export->path);
	export->header = end > 0;
	export->records.n = 0;
	if (fseek(export->file, end, SEEK_SET) < 0 || ftruncate(fileno(export->file), end) < 0)
		return cli_fail(CLI_REFUSED, "cannot write to %s: %s", export->path,
				strerror(errno));
	return CLI_OK;
}

static int open_file(struct export *export)
{
	if (!export->path) {
		export->file = stdout;
		return CLI_OK;
	}
	if (export->resume)
		export->file = fopen(export->path, "r+e");
	if (export->file)
		return find_end(export);
	if (!export->resume || errno == ENOENT)
		export->file = fopen(export->path, "we");
	return export->file ? CLI_OK
			    : cli_fail(CLI_REFUSED, "cannot write to %s: %s", export->path,
				       strerror(errno));
}

/* What is written has arrived only when the close says so. */
static int close_file(struct export *export, int r)
{
	bool failed = false;

	if (export->file == stdout)
		failed = fflush(stdout) != 0;
	else if (export->file)
		failed = fclose(export->file) != 0;
	if (failed && r == CLI_OK)
		r = cli_fail(CLI_REFUSED, "cannot write: %s", strerror(errno));
	return r;
}

/* --- asking -------------------------------------------------------------------------------------
 */

/* One request from behind the last record. */
static int ask(const struct cli *cli, struct export *export)
{
	char *filter = event_question_query(&export->question);
	char *path = xasprintf("%s?$orderby=Id%%20asc&$skiptoken=%" PRId64 "%s", ENTRIES,
			       export->records.last_seq, filter);
	const struct client_sink sink = { .take = take, .ctx = export, .began = &export->began };
	int r = client_download(cli, path,
				export->records.csv ? "text/csv" : "application/x-ndjson",
				export->question.language, &sink);

	free(path);
	free(filter);
	return r;
}

/* A service that was there a moment ago: it is away, or its database is. */
static bool may_go_on(const struct export *export, int r)
{
	return r == CLI_UNREACHABLE && export->began;
}

static int run(const struct cli *cli, struct export *export)
{
	int attempts = 0, r;

	for (;;) {
		uint64_t before = export->records.n;
		r = ask(cli, export);
		if (export->write_errno)
			return cli_fail(CLI_REFUSED, "cannot write: %s",
					strerror(export->write_errno));
		attempts = export->records.n > before ? 0 : attempts + 1;
		if (!may_go_on(export, r) || attempts == MAX_ATTEMPTS)
			break;
		strbuf_reset(&export->rest);
		sleep(AGAIN_S);
	}
	if (may_go_on(export, r))
		cli_fail(r, "%s broke off and is gone", cli->url);
	if (r != CLI_OK && export->records.last_seq > 0)
		fprintf(stderr, "rfevent: the last event written has seq %" PRId64 "\n",
			export->records.last_seq);
	else if (export->path)
		fprintf(stderr, "rfevent: %" PRIu64 " events, the last one has seq %" PRId64 "\n",
			export->records.n, export->records.last_seq);
	return r;
}

static bool take_option(struct export *export, int option, const char *value, const char **why)
{
	switch (option) {
	case 'F':
		export->records.csv = strcmp(value, "csv") == 0;
		*why = "--format takes jsonl or csv";
		return export->records.csv || strcmp(value, "jsonl") == 0;
	case 'a':
		*why = "--after takes a sequence number";
		return str_to_i64(str_of(value), &export->records.last_seq) &&
		       export->records.last_seq >= 0;
	case 'o': export->path = value; return true;
	case 'r': export->resume = true; return true;
	default: return event_question_take(&export->question, option, value, why) == 0;
	}
}

static int run_export(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { EVENT_QUESTION_OPTIONS,
					       { "format", required_argument, NULL, 'F' },
					       { "after", required_argument, NULL, 'a' },
					       { "output", required_argument, NULL, 'o' },
					       { "resume", no_argument, NULL, 'r' },
					       { 0 } };
	struct export export = { .records.csv = cli->output == OUTPUT_CSV };
	const char *why = "unknown option";
	bool good = true;
	int c, r;

	strbuf_init(&export.rest, RECORD_MAX_BYTES);
	while (good && (c = getopt_long(argc, argv, "o:", known, NULL)) != -1)
		good = take_option(&export, c, optarg, &why);
	if (good && optind < argc)
		r = cli_usage(&event_export_verb, "'%s' is too much", argv[optind]);
	else if (good && export.resume && !export.path)
		r = cli_usage(&event_export_verb, "--resume needs the file of -o");
	else if (!good)
		r = cli_usage(&event_export_verb, "%s", why);
	else
		r = open_file(&export);
	if (r == CLI_OK)
		r = run(cli, &export);
	r = close_file(&export, r);
	strbuf_fini(&export.rest);
	event_question_fini(&export.question);
	return r;
}

const struct cli_verb event_export_verb = {
	"event", "export",
	"[--format jsonl|csv] [--after SEQ] [-o FILE [--resume]]\n"
	"  " EVENT_QUESTION_ARGUMENTS,
	"the whole log, or what matches of it, oldest first\n"
	"  --format F    jsonl (one event a line) or csv\n"
	"  --after SEQ   only events with a greater sequence number\n"
	"  -o FILE       write to FILE\n"
	"  --resume      go on behind the last event in FILE\n" EVENT_QUESTION_HELP
	"Whole records alone are written. What breaks off is gone on with by itself; given up, "
	"the\n"
	"sequence number to go on from is said.\n",
	run_export
};
