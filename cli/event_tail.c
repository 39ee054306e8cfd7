/* rfevent event tail: events as they come. Reconnects by itself and misses nothing. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/map.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/show.h"
#include "cli/stream_client.h"

#define SUBSCRIBE_MAX_BYTES 65536
#define SHOWN_MAX 100000 /* provisional events remembered, so that none is shown twice */
#define PAUSE_MAX_MS 5000

struct tail {
	enum cli_output output;
	const char *filter, *language;
	int64_t after; /* -1: live */
	char epoch[40];
	struct map *shown; /* ids shown as provisional; keys owned */
	int status;	   /* of a refusal */
	bool told;	   /* the connection broke, and we said so */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
	stream_client_stop();
}

static void forget_shown(struct tail *tail)
{
	size_t cursor = 0;
	struct str key;
	void *value;

	while (map_next(tail->shown, &cursor, &key, &value))
		free(value);
	map_free(tail->shown);
	tail->shown = map_new(64);
}

/* Whether the final event was shown before it had a number. */
static bool was_shown(struct tail *tail, json_t *entry)
{
	char *key = map_remove(tail->shown, str_of(json_string_value(json_object_get(entry, "id"))));

	free(key);
	return key != NULL;
}

static void take_events(struct tail *tail, json_t *events, bool provisional)
{
	json_t *entry;
	size_t i;

	json_array_foreach(events, i, entry) {
		const char *id = json_string_value(json_object_get(entry, "id"));

		if (!provisional) {
			tail->after = json_integer_value(json_object_get(entry, "seq"));
			if (tail->output == OUTPUT_TABLE && id && was_shown(tail, entry))
				continue;
		} else if (id) {
			char *key = xstrdup(id);

			if (map_count(tail->shown) >= SHOWN_MAX)
				forget_shown(tail);
			free(map_put(tail->shown, str_of(key), key));
		}
		show_entry(entry, tail->output);
	}
}

static bool take_error(struct tail *tail, json_t *message)
{
	const char *code = json_string_value(json_object_get(message, "code"));
	const char *words = json_string_value(json_object_get(message, "message"));

	cli_fail(CLI_REFUSED, "%s", words ? words : "the service refused");
	if (code && strcmp(code, "epoch_changed") == 0) {
		/* Another log than the one we followed: begin with what it has. */
		tail->after = 0;
		tail->epoch[0] = '\0';
	} else {
		tail->status = CLI_REFUSED;
	}
	return false;
}

static void take_gap(json_t *message)
{
	cli_fail(CLI_OK, "events %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT " are no longer kept (%s)",
		 json_integer_value(json_object_get(message, "from")),
		 json_integer_value(json_object_get(message, "to")),
		 json_string_value(json_object_get(message, "reason")));
}

static bool on_message(void *ctx, struct str text)
{
	struct tail *tail = ctx;
	json_t *message = json_loadb(text.p, text.len, 0, NULL);
	const char *type = json_string_value(json_object_get(message, "type"));
	bool go_on = true;

	if (!type) {
		go_on = true;
	} else if (strcmp(type, "events") == 0) {
		take_events(tail, json_object_get(message, "events"), false);
	} else if (strcmp(type, "provisional") == 0) {
		take_events(tail, json_object_get(message, "events"), true);
	} else if (strcmp(type, "caught_up") == 0 || strcmp(type, "position") == 0) {
		tail->after = json_integer_value(json_object_get(message, "seq"));
	} else if (strcmp(type, "hello") == 0) {
		const char *epoch = json_string_value(json_object_get(message, "epoch"));

		if (tail->told)
			cli_fail(CLI_OK, "connected again");
		tail->told = false;
		if (epoch && !tail->epoch[0])
			snprintf(tail->epoch, sizeof(tail->epoch), "%s", epoch);
	} else if (strcmp(type, "gap") == 0) {
		take_gap(message);
	} else if (strcmp(type, "error") == 0) {
		go_on = take_error(tail, message);
	}
	json_decref(message);
	return go_on;
}

static void write_subscribe(const struct tail *tail, struct strbuf *out)
{
	strbuf_reset(out);
	strbuf_put_text(out, "{\"type\":\"subscribe\"");
	if (tail->after >= 0)
		strbuf_putf(out, ",\"after\":%" PRId64, tail->after);
	else
		strbuf_put_text(out, ",\"after\":\"live\"");
	if (tail->after > 0 && tail->epoch[0])
		strbuf_putf(out, ",\"epoch\":\"%s\"", tail->epoch);
	if (tail->filter) {
		strbuf_put_text(out, ",\"filter\":");
		strbuf_put_json(out, str_of(tail->filter));
	}
	if (tail->language) {
		strbuf_put_text(out, ",\"language\":");
		strbuf_put_json(out, str_of(tail->language));
	}
	strbuf_put_char(out, '}');
}

static void pause_ms(long ms)
{
	const struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int follow(const struct cli *cli, struct tail *tail)
{
	struct strbuf first;
	long pause = 100;

	strbuf_init(&first, SUBSCRIBE_MAX_BYTES);
	while (!interrupted && tail->status == CLI_OK) {
		bool was_open;

		write_subscribe(tail, &first);
		stream_client_run(cli, strbuf_str(&first), on_message, tail, &was_open);
		if (interrupted || tail->status != CLI_OK)
			break;
		if (was_open)
			pause = 100;
		if (!tail->told)
			cli_fail(CLI_OK, "the stream broke off; trying again, nothing is missed");
		tail->told = true;
		pause_ms(pause);
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	strbuf_fini(&first);
	return tail->status;
}

/* Ask once by plain HTTP: what is wrong is then said in plain words. */
static int check_service(const struct cli *cli)
{
	struct client_answer answer;
	int r = client_get(cli, "/redfish/v1/Managers/rfeventd/LogServices/Events", "application/json",
			   NULL, &answer);

	client_answer_fini(&answer);
	return r;
}

static int run_tail(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "filter", required_argument, NULL, 'f' },
					       { "after", required_argument, NULL, 'a' },
					       { "language", required_argument, NULL, 'l' },
					       { 0 } };
	struct tail tail = { .output = cli->output, .after = -1 };
	struct sigaction action = { .sa_handler = on_signal };
	int c, r;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'f')
			tail.filter = optarg;
		else if (c == 'l')
			tail.language = optarg;
		else if (c != 'a' || !str_to_i64(str_of(optarg), &tail.after) || tail.after < 0)
			return cli_usage(&event_tail_verb, "--after takes a sequence number");
	}
	if (optind < argc)
		return cli_usage(&event_tail_verb, "'%s' is too much", argv[optind]);
	if (cli->output == OUTPUT_CSV)
		return cli_usage(&event_tail_verb, "tail speaks table, json and jsonl");
	r = check_service(cli);
	if (r != CLI_OK)
		return r;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	tail.shown = map_new(64);
	if (tail.output == OUTPUT_TABLE)
		show_header();
	fflush(stdout);
	r = follow(cli, &tail);
	forget_shown(&tail);
	map_free(tail.shown);
	return r;
}

const struct cli_verb event_tail_verb = {
	"event", "tail", "[--filter F] [--language L] [--after SEQ]",
	"events as they come, until Ctrl-C; reconnects by itself and misses nothing\n"
	"  --filter F    only those that match, as \"Severity eq 'Critical'\"\n"
	"  --language L  language of the words, as de or ja\n"
	"  --after SEQ   begin behind this sequence number (0: the oldest), not live\n"
	"  A line without SEQ is stored, but not in the log yet: the database is away.\n",
	run_tail
};
