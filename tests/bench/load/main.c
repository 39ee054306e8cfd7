/* load: options and the report. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "tests/bench/load/load.h"

#define MAX_CONNECTIONS 100000
#define MAX_STREAMS     10000
#define MAX_BODY_BYTES  (16u << 20)

static const char usage[] =
	"Usage: load --target [http|https]://HOST:PORT --path PATH [options]\n"
	"\n"
	"POSTs Redfish events, no two alike, and prints one line of JSON.\n"
	"\n"
	"  --target URL          http://127.0.0.1:8080, https://[::1]:8443 (certificates are not "
	"checked)\n"
	"  --path PATH           /events/TOKEN\n"
	"  --protocol http1|h2   default http1; h2 is by ALPN over TLS, by prior knowledge "
	"without\n"
	"  --connections N       default 64; all stand before the measured time starts\n"
	"  --streams M           requests under way on each (h2 streams, HTTP/1.1 pipelining); "
	"default 1\n"
	"  --per-connection K    close after K requests and connect again; default never\n"
	"  --seconds S           default 2\n"
	"  --requests N          so many requests instead\n"
	"  --rate R              open loop: R a second, evenly spaced, latency from when each was "
	"due\n"
	"  --body-bytes B        default 950; about 700 at least\n"
	"  --record FILE         a line for each request: its event's id and its status (0: no "
	"answer)\n"
	"  --source-addresses N  connect from 127.1.0.1 and on\n"
	"  --tls12               offer no TLS 1.3\n"
	"  --resume              offer the newest session ticket\n"
	"  --cpu C               run on this core\n"
	"  --watch PID[,PID…]    read these processes' CPU over the measured time\n"
	"\n"
	"sent = answered (status) + errors + those still owed at the end; cpu_us_per_request is "
	"the\n"
	"generator's own, watched_cpu_us_per_request that of the processes watched.\n";

static int fail(const char *words, const char *what)
{
	fprintf(stderr, "load: %s%s\n", words, what);
	return -EINVAL;
}

static int parse_target(struct options *options, const char *text)
{
	struct str at = str_of(text);
	size_t colon;

	options->tls = str_starts_with(at, STR("https://"));
	if (!options->tls && !str_starts_with(at, STR("http://")))
		return fail("neither http:// nor https://: ", text);
	at.p += options->tls ? 8 : 7;
	at.len -= options->tls ? 8 : 7;
	for (colon = at.len; colon > 0 && at.p[colon - 1] != ':'; colon--)
		;
	if (colon < 2 || colon == at.len)
		return fail("HOST:PORT is due: ", text);
	options->port = xstrndup((struct str){ at.p + colon, at.len - colon });
	at.len = colon - 1;
	if (at.p[0] == '[' && at.p[at.len - 1] == ']')
		at = (struct str){ at.p + 1, at.len - 2 };
	options->host = xstrndup(at);
	return 0;
}

static int parse_number(const char *text, uint64_t max, uint64_t *out)
{
	if (!str_to_u64(str_of(text), out) || *out > max)
		return fail("not a number in range: ", text);
	return 0;
}

static int parse_size(const char *text, size_t max, size_t *out)
{
	uint64_t n;
	int r = parse_number(text, max, &n);

	if (r == 0)
		*out = (size_t)n;
	return r;
}

static int parse_real(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return *text && !*end && *out > 0 ? 0 : fail("not a number above 0: ", text);
}

static int parse_watched(struct options *options, const char *text)
{
	struct str left = str_of(text);

	while (left.len > 0) {
		size_t n = str_find_char(left, ',');
		uint64_t pid;

		if (!str_to_u64((struct str){ left.p, n }, &pid) || pid > INT32_MAX ||
		    options->n_watched == MAX_WATCHED)
			return fail("not a list of processes: ", text);
		options->watched[options->n_watched++] = (int)pid;
		n += n < left.len;
		left = (struct str){ left.p + n, left.len - n };
	}
	return 0;
}

static int parse_protocol(struct options *options, const char *text)
{
	options->h2 = strcmp(text, "h2") == 0;
	return options->h2 || strcmp(text, "http1") == 0 ? 0 : fail("http1 or h2, not ", text);
}

static int parse_option(struct options *options, int option, const char *text)
{
	size_t cpu;

	switch (option) {
	case 't': return parse_target(options, text);
	case 'p': options->path = text; return 0;
	case 'P': return parse_protocol(options, text);
	case 'c': return parse_size(text, MAX_CONNECTIONS, &options->n_connections);
	case 'm': return parse_size(text, MAX_STREAMS, &options->n_streams);
	case 'k': return parse_number(text, UINT64_MAX, &options->per_connection);
	case 's': return parse_real(text, &options->seconds);
	case 'n': return parse_number(text, UINT64_MAX, &options->n_requests);
	case 'r': return parse_real(text, &options->rate);
	case 'b': return parse_size(text, MAX_BODY_BYTES, &options->body_bytes);
	case 'R': options->record_path = text; return 0;
	case 'S': return parse_size(text, 60000, &options->n_source_addresses);
	case '2': options->tls12 = true; return 0;
	case 'u': options->resume = true; return 0;
	case 'w': return parse_watched(options, text);
	case 'C':
		options->cpu = parse_size(text, CPU_SETSIZE - 1, &cpu) < 0 ? -2 : (int)cpu;
		return options->cpu < 0 ? -EINVAL : 0;
	default: return fail("see --help", "");
	}
}

/* 1: go on; otherwise 0 or a negative errno: end. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = { { "target", required_argument, NULL, 't' },
					       { "path", required_argument, NULL, 'p' },
					       { "protocol", required_argument, NULL, 'P' },
					       { "connections", required_argument, NULL, 'c' },
					       { "streams", required_argument, NULL, 'm' },
					       { "per-connection", required_argument, NULL, 'k' },
					       { "seconds", required_argument, NULL, 's' },
					       { "requests", required_argument, NULL, 'n' },
					       { "rate", required_argument, NULL, 'r' },
					       { "body-bytes", required_argument, NULL, 'b' },
					       { "record", required_argument, NULL, 'R' },
					       { "source-addresses", required_argument, NULL, 'S' },
					       { "tls12", no_argument, NULL, '2' },
					       { "resume", no_argument, NULL, 'u' },
					       { "cpu", required_argument, NULL, 'C' },
					       { "watch", required_argument, NULL, 'w' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (parse_option(options, c, optarg) < 0)
			return -EINVAL;
	}
	if (!options->host || !options->path || optind < argc)
		return fail("--target and --path are due; see --help", "");
	if (options->n_connections == 0 || options->n_streams == 0)
		return fail("at least one connection and one stream", "");
	return 1;
}

static void on_signal(int signal)
{
	(void)signal;
	load_stop();
}

static void prepare_process(const struct options *options)
{
	struct sigaction stop = { .sa_handler = on_signal };
	struct rlimit files;
	cpu_set_t set;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (options->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)options->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fprintf(stderr, "load: cannot run on core %d alone: %s\n", options->cpu,
			strerror(errno));
}

static void report(const struct load *load)
{
	double seconds = (double)(load->end_us - load->start_us) / 1e6;
	double n = load->n_answered > 0 ? (double)load->n_answered : 1;
	uint64_t n_2xx = 0;
	const char *comma = "";

	for (int i = 200; i < 300; i++)
		n_2xx += load->by_status[i];
	printf("{\"sent\": %" PRIu64 ", \"answered_2xx\": %" PRIu64 ", \"status\": {", load->n_sent,
	       n_2xx);
	for (int i = 0; i < MAX_STATUS; i++) {
		if (load->by_status[i] == 0)
			continue;
		printf("%s\"%d\": %" PRIu64, comma, i, load->by_status[i]);
		comma = ", ";
	}
	printf("}, \"errors\": %" PRIu64 ", \"seconds\": %.3f, \"rate\": %.1f, \"latency_us\": {",
	       load->n_lost, seconds, seconds > 0 ? (double)load->n_answered / seconds : 0);
	printf("\"p50\": %" PRId64 ", \"p90\": %" PRId64 ", \"p99\": %" PRId64 ", \"max\": %" PRId64
	       "}",
	       histogram_percentile(load->latency, 0.5), histogram_percentile(load->latency, 0.9),
	       histogram_percentile(load->latency, 0.99), load->latency->max_us);
	printf(", \"cpu_us_per_request\": %.3f", (double)load->self_us / n);
	if (load->options->n_watched > 0)
		printf(", \"watched_cpu_us_per_request\": %.3f",
		       (double)load->watched_ns / 1e3 / n);
	printf(", \"connections_opened\": %" PRIu64 ", \"connection_failures\": %" PRIu64 "}\n",
	       load->n_opened, load->n_failures);
	if (load->n_failures > 0)
		fprintf(stderr, "load: %" PRIu64 " connections failed, the last: %s\n",
			load->n_failures, load->last_error);
}

int main(int argc, char **argv)
{
	struct options options = {
		.n_connections = 64, .n_streams = 1, .seconds = 2, .body_bytes = 950, .cpu = -1
	};
	struct load load;
	struct err err;
	int r = parse_options(argc, argv, &options);

	if (r <= 0) {
		free(options.host);
		free(options.port);
		return r < 0 ? 2 : 0;
	}
	prepare_process(&options);
	r = load_init(&load, &options, &err);
	if (r == 0)
		r = load_run(&load, &err);
	if (r == 0)
		report(&load);
	else
		fprintf(stderr, "load: %s\n", err.text);
	load_fini(&load);
	free(options.host);
	free(options.port);
	return r < 0 ? 1 : 0;
}
