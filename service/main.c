/* rfeventd: arguments, signals, the main loop. What the service does is in pipeline.c. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "service/config.h"
#include "service/env_file.h"
#include "service/pipeline.h"

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct options {
	const char *config_path; /* NULL: defaults and --set only */
	const char **sets;	 /* new */
	size_t n_sets;
	bool check, print, reference;
};

struct service {
	struct options options;
	struct config config;
	struct loop *loop;
	struct pipeline *pipeline;
	struct loop_fd signals;
};

static const char usage[] =
	"Usage: rfeventd [--config FILE] [--set KEY=VALUE]... [--check-config] [--print-config]\n"
	"\n"
	"Receives Redfish events, says in words what they mean, keeps and streams them.\n"
	"\n"
	"  --config FILE      configuration (YAML); without it the defaults hold\n"
	"  --set KEY=VALUE    one key over the file; VALUE is YAML, or a,b for a list\n"
	"  --check-config     check the configuration and end: 0 good, 1 with the place and the cure\n"
	"  --print-config     print the whole configuration as it would be used, and end\n"
	"  --print-reference  print every key, its default and meaning (Markdown), and end\n"
	"  --version          print the version and end\n"
	"  --help             this text\n"
	"\n"
	"Signals: TERM or INT finish what was accepted and end; HUP reads configuration,\n"
	"certificates and registries again, and keeps the old state when they are bad.\n";

static int fail(const struct err *err)
{
	fprintf(stderr, "rfeventd: %s\n", err->text);
	return EXIT_REFUSED;
}

/* -1: go on; otherwise the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	enum { CONFIG = 256, SET, CHECK, PRINT, REFERENCE, SHOW_VERSION, SHOW_HELP };
	static const struct option known[] = {
		{ "config", required_argument, NULL, CONFIG },
		{ "set", required_argument, NULL, SET },
		{ "check-config", no_argument, NULL, CHECK },
		{ "print-config", no_argument, NULL, PRINT },
		{ "print-reference", no_argument, NULL, REFERENCE },
		{ "version", no_argument, NULL, SHOW_VERSION },
		{ "help", no_argument, NULL, SHOW_HELP },
		{ 0 }
	};
	int c;

	options->sets = xcalloc((size_t)argc, sizeof(*options->sets));
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case CONFIG: options->config_path = optarg; break;
		case SET: options->sets[options->n_sets++] = optarg; break;
		case CHECK: options->check = true; break;
		case PRINT: options->print = true; break;
		case REFERENCE: options->reference = true; break;
		case SHOW_VERSION: puts("rfeventd " RFEVENTD_VERSION); return EXIT_OK;
		case SHOW_HELP: fputs(usage, stdout); return EXIT_OK;
		default: fputs("Try rfeventd --help.\n", stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "rfeventd: '%s' is not an option. Try rfeventd --help.\n", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

static int print_and_end(const struct options *options, const struct config *config)
{
	struct strbuf text;

	strbuf_init(&text, 1 << 20);
	if (options->reference)
		config_print_reference(config_keys, &text);
	else if (options->print)
		config_print(config_keys, config, &text);
	else
		strbuf_put_text(&text, "configuration is good\n");
	fwrite(text.p, 1, text.len, stdout);
	strbuf_fini(&text);
	return EXIT_OK;
}

/* Each BMC keeps a connection. Not more than are of use: libwebsockets holds some bytes for every
 * descriptor there could be. */
#define MAX_DESCRIPTORS 262144

static void raise_limits(void)
{
	struct rlimit limit;
	rlim_t wanted;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	wanted = limit.rlim_max < MAX_DESCRIPTORS ? limit.rlim_max : MAX_DESCRIPTORS;
	if (limit.rlim_cur != wanted) {
		limit.rlim_cur = wanted;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void reload(struct service *service)
{
	const struct options *options = &service->options;
	struct config fresh;
	struct err err;

	if (config_load(options->config_path, options->sets, options->n_sets, &fresh, &err) < 0) {
		log_error("service", "configuration refused, the old one stays", LOG_T("err", err.text));
		pipeline_reload_refused(service->pipeline, err.text);
		return;
	}
	log_set((enum log_level)fresh.log_level, (enum log_format)fresh.log_format);
	pipeline_reload(service->pipeline, &fresh);
	/* Keys that need a restart keep their old value in the running parts. */
	config_free(config_keys, &service->config);
	service->config = fresh;
	log_info("service", "configuration reloaded");
}

static void on_signal(struct loop_fd *watch, uint32_t events)
{
	struct service *service = watch->ctx;
	struct signalfd_siginfo info;

	while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reload(service);
			continue;
		}
		log_info("service", "ending", LOG_I("signal", info.ssi_signo));
		loop_stop(service->loop);
	}
}

/* Blocked before any thread starts, so that all of them inherit it. */
static int watch_signals(struct service *service, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	service->signals = (struct loop_fd){ .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC),
					     .events = EPOLLIN,
					     .fn = on_signal,
					     .ctx = service };
	if (service->signals.fd < 0)
		return err_set(err, -errno, "cannot watch signals: %s", strerror(errno));
	return loop_fd_add(service->loop, &service->signals);
}

static int serve(struct service *service, struct err *err)
{
	const struct config *config = &service->config;
	int r;

	/* The private PostgreSQL runs as another user when we are root: it must get through. */
	r = file_make_dirs(config->state_dir, 0711, err);
	if (r == 0)
		r = loop_new(&service->loop, err);
	if (r == 0)
		r = watch_signals(service, err);
	if (r == 0)
		r = pipeline_start(config, service->loop, &service->pipeline, err);
	if (r == 0)
		r = env_file_write(config, err);
	if (r == 0) {
		loop_run(service->loop);
		r = pipeline_verdict(service->pipeline, err);
	}
	pipeline_stop(service->pipeline);
	if (service->signals.fd > 0) {
		loop_fd_remove(service->loop, &service->signals);
		close(service->signals.fd);
	}
	loop_free(service->loop);
	return r;
}

int main(int argc, char **argv)
{
	struct service service = { 0 };
	struct err err = { "" };
	int status = parse_options(argc, argv, &service.options);
	int r;

	if (status >= 0)
		goto out;
	r = config_load(service.options.config_path, service.options.sets, service.options.n_sets,
			&service.config, &err);
	if (r < 0) {
		status = fail(&err);
		goto out;
	}
	if (service.options.check || service.options.print || service.options.reference) {
		status = print_and_end(&service.options, &service.config);
	} else {
		log_set((enum log_level)service.config.log_level,
			(enum log_format)service.config.log_format);
		raise_limits();
		log_info("service", "starting", LOG_T("version", RFEVENTD_VERSION),
			 LOG_T("state_dir", service.config.state_dir));
		status = serve(&service, &err) < 0 ? fail(&err) : EXIT_OK;
		if (status == EXIT_OK)
			log_info("service", "ended");
	}
	config_free(config_keys, &service.config);
out:
	free(service.options.sets);
	return status;
}
