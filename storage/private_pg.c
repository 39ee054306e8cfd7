/* The supervising thread: adopts or starts the server, looks after it, starts it again.
 *
 * The socket's folder is remembered in the state directory, so that the url stays the same from
 * one start to the next and an orphan can be adopted under it. The cluster is made in a folder of
 * another name and renamed when complete: a kill in between leaves no half of one.
 */
#include "storage/private_pg.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "storage/private_pg_setup_priv.h"

#define POLL_MS       50
#define PAUSE_MIN_MS  200
#define PAUSE_MAX_MS  5000
#define STEADY_US     (30 * CLOCK_US_PER_S) /* lived so long: the next pause is short again */
#define QUIT_MS       5000                  /* for an immediate shutdown, then SIGKILL */
#define OTHER_STOP_MS 10000                 /* for a server that cannot be adopted */

struct private_pg {
	char *data_dir, *log, *memory, *bin_dir, *url;
	char socket_dir[PG_SOCKET_PATH_BYTES];
	int version;
	struct pg_user user;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the two below */
	pthread_cond_t changed;
	bool is_stopping;
	int stop_timeout_ms;
	/* the thread only */
	pid_t pid;                   /* of the server; 0: none */
	bool is_adopted;             /* not our child */
	int status;                  /* of a child that ended */
	char trouble[ERR_MAX_BYTES]; /* logged last */
};

static int prepare(struct private_pg *pg, const struct private_pg_config *config, struct err *err);
static void *run(void *ctx);
static void release(struct private_pg *pg);

/* --- start and stop --------------------------------------------------------------------------- */

int private_pg_start(const struct private_pg_config *config, struct private_pg **out,
		     struct err *err)
{
	struct private_pg *pg = xcalloc(1, sizeof(*pg));
	pthread_condattr_t monotonic;
	int r;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&pg->lock, NULL);
	pthread_cond_init(&pg->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = prepare(pg, config, err);
	if (r == 0)
		r = thread_start(&pg->thread, "private-pg", run, pg, err);
	if (r < 0)
		release(pg);
	else
		*out = pg;
	return r;
}

const char *private_pg_url(const struct private_pg *pg)
{
	return pg->url;
}

void private_pg_stop(struct private_pg *pg, int timeout_ms)
{
	if (!pg)
		return;
	pthread_mutex_lock(&pg->lock);
	pg->is_stopping = true;
	pg->stop_timeout_ms = timeout_ms;
	pthread_cond_signal(&pg->changed);
	pthread_mutex_unlock(&pg->lock);
	pthread_join(pg->thread, NULL);
	release(pg);
}

static void release(struct private_pg *pg)
{
	if (pg->socket_dir[0] != '\0')
		pg_socket_dir_remove(pg->memory, pg->socket_dir);
	pthread_cond_destroy(&pg->changed);
	pthread_mutex_destroy(&pg->lock);
	pg_user_fini(&pg->user);
	free(pg->data_dir);
	free(pg->log);
	free(pg->memory);
	free(pg->bin_dir);
	free(pg->url);
	free(pg);
}

/* What can be known at once. */
static int prepare(struct private_pg *pg, const struct private_pg_config *config, struct err *err)
{
	char state_dir[PATH_MAX];
	int r = file_make_dirs(config->state_dir, 0711, err);

	if (r < 0)
		return r;
	if (!realpath(config->state_dir, state_dir))
		return err_set(err, -errno, "private postgres: cannot find '%s': %s",
			       config->state_dir, strerror(errno));
	pg->data_dir = xasprintf("%s/postgresql", state_dir);
	pg->log = xasprintf("%s/postgresql.log", state_dir);
	pg->memory = xasprintf("%s/postgresql.socket-dir", state_dir);
	r = pg_user_find(config->user, pg->data_dir, &pg->user, err);
	if (r == 0)
		r = pg_binaries_find(PG_BINARIES_ROOT, pg->data_dir, &pg->bin_dir, &pg->version,
				     err);
	if (r == 0)
		r = pg_user_reaches(&pg->user, state_dir, err);
	if (r == 0)
		r = pg_socket_dir_make(pg->memory, &pg->user, pg->socket_dir, err);
	if (r < 0) {
		pg->socket_dir[0] = '\0';
		return r;
	}
	pg->url =
		xasprintf("host=%s port=" PG_PORT " dbname=rfeventd user=rfeventd", pg->socket_dir);
	return 0;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Wait so long, or until a stop is asked for; true when it is. */
static bool pause_for(struct private_pg *pg, int ms)
{
	struct timespec until;
	bool is_stopping;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&pg->lock);
	while (!pg->is_stopping && r == 0)
		r = pthread_cond_timedwait(&pg->changed, &pg->lock, &until);
	is_stopping = pg->is_stopping;
	pthread_mutex_unlock(&pg->lock);
	return is_stopping;
}

/* Whether our child `pid` has ended; then it is reaped, and its status kept. */
static bool child_ended(struct private_pg *pg, pid_t pid)
{
	int status = 0;
	pid_t r = waitpid(pid, &status, WNOHANG);

	if (r == 0 || (r < 0 && errno == EINTR))
		return false;
	pg->status = status;
	return true;
}

static bool server_ended(struct private_pg *pg)
{
	return pg->is_adopted ? !pg_postmaster_is_alive(pg->pid, pg->data_dir)
			      : child_ended(pg, pg->pid);
}

/* Wait for the server's end, stop asked for or not; false when it lives on after `ms`. */
static bool wait_for_end(struct private_pg *pg, int ms)
{
	const struct timespec step = { .tv_nsec = 10 * 1000000 };
	int64_t until_us = clock_monotonic_us() + (int64_t)ms * 1000;

	while (!server_ended(pg)) {
		if (clock_monotonic_us() >= until_us)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

static void shut_down(struct private_pg *pg, int timeout_ms)
{
	if (pg->pid == 0)
		return;
	kill(pg->pid, SIGINT);
	if (!wait_for_end(pg, timeout_ms)) {
		log_warn("storage", "private postgres does not stop, stopping it at once");
		kill(pg->pid, SIGQUIT);
		if (!wait_for_end(pg, QUIT_MS)) {
			kill(pg->pid, SIGKILL);
			wait_for_end(pg, QUIT_MS);
		}
	}
	pg->pid = 0;
}

/* --- making the cluster ----------------------------------------------------------------------- */

static int ended_badly(struct private_pg *pg, const char *what, struct err *err)
{
	char line[256];

	pg_last_line(pg->log, line, sizeof(line));
	if (WIFSIGNALED(pg->status))
		return err_set(err, -EIO, "private postgres: %s was ended by signal %d; see '%s'",
			       what, WTERMSIG(pg->status), pg->log);
	return err_set(err, -EIO, "private postgres: %s ended with status %d: %s; see '%s'", what,
		       WEXITSTATUS(pg->status), line, pg->log);
}

/* Run a program to its end. -ECANCELED when a stop is asked for meanwhile. */
static int run_tool(struct private_pg *pg, const struct pg_argv *argv, const char *input,
		    const char *what, struct err *err)
{
	const struct pg_command command = {
		.argv = argv->words,
		.user = &pg->user,
		.input = input,
		.log = pg->log,
		.dies_with_us = true,
	};
	pid_t pid = pg_spawn(&command, err);

	if (pid < 0)
		return pid;
	while (!child_ended(pg, pid)) {
		if (!pause_for(pg, POLL_MS))
			continue;
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL); /* before it has its own session */
		waitpid(pid, &pg->status, 0);
		return err_set(err, -ECANCELED, "private postgres: %s was stopped", what);
	}
	if (WIFEXITED(pg->status) && WEXITSTATUS(pg->status) == 0)
		return 0;
	return ended_badly(pg, what, err);
}

static int fill_cluster(struct private_pg *pg, const char *dir, struct err *err)
{
	struct pg_argv argv;
	int r;

	pg_argv_initdb(&argv, pg->bin_dir, dir);
	r = run_tool(pg, &argv, NULL, "initdb", err);
	pg_argv_fini(&argv);
	if (r < 0)
		return r;
	pg_argv_single(&argv, pg->bin_dir, dir);
	r = run_tool(pg, &argv, "CREATE DATABASE rfeventd;\n", "CREATE DATABASE", err);
	pg_argv_fini(&argv);
	return r;
}

static int make_cluster(struct private_pg *pg, struct err *err)
{
	int64_t start_us = clock_monotonic_us();
	char *dir = NULL;
	char *parent = NULL;
	int r = pg_new_dir_make(pg->data_dir, &pg->user, &dir, err);

	if (r < 0)
		return r;
	r = fill_cluster(pg, dir, err);
	if (r == 0 && rename(dir, pg->data_dir) < 0)
		r = err_set(err, -errno,
			    "private postgres: cannot put the new cluster at '%s': %s; move away "
			    "what is there",
			    pg->data_dir, strerror(errno));
	if (r < 0) {
		pg_dir_remove(dir);
	} else {
		parent = xstrndup((struct str){
			pg->data_dir, (size_t)(strrchr(pg->data_dir, '/') - pg->data_dir) });
		r = file_sync_dir(parent, err);
		log_info("storage", "private postgres: cluster made", LOG_T("dir", pg->data_dir),
			 LOG_I("version", pg->version),
			 LOG_D("seconds", (double)(clock_monotonic_us() - start_us) / 1e6));
	}
	free(parent);
	free(dir);
	return r;
}

static bool has_cluster(const struct private_pg *pg)
{
	char *path = xasprintf("%s/PG_VERSION", pg->data_dir);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

/* --- adopting and starting -------------------------------------------------------------------- */

/* Take over a server that an earlier process of ours left; false when there is none to take. */
static bool adopt(struct private_pg *pg)
{
	struct pg_postmaster found;

	if (!pg_postmaster_find(pg->data_dir, &found))
		return false;
	pg->pid = found.pid;
	pg->is_adopted = true;
	if (!found.is_stopping && strcmp(found.socket_dir, pg->socket_dir) == 0) {
		log_info("storage", "private postgres: adopted, it was running",
			 LOG_I("pid", found.pid));
		return true;
	}
	log_info("storage", "private postgres: stopping one that runs elsewhere",
		 LOG_I("pid", found.pid), LOG_T("socket_dir", found.socket_dir));
	shut_down(pg, OTHER_STOP_MS);
	return false;
}

static void free_locks(const struct private_pg *pg)
{
	char *pid_file = xasprintf("%s/postmaster.pid", pg->data_dir);
	char *socket_lock = xasprintf("%s/.s.PGSQL." PG_PORT ".lock", pg->socket_dir);

	pg_lock_file_free(pid_file);
	pg_lock_file_free(socket_lock);
	free(socket_lock);
	free(pid_file);
}

static int start_server(struct private_pg *pg, struct err *err)
{
	struct pg_argv argv;
	struct pg_command command = { .argv = argv.words, .user = &pg->user, .log = pg->log };
	int r = has_cluster(pg) ? 0 : make_cluster(pg, err);

	if (r == 0)
		r = pg_access_write(pg->data_dir, &pg->user, err);
	if (r < 0)
		return r;
	if (!pg->user.is_other) /* another user's threads are nothing to it */
		free_locks(pg);
	pg_argv_server(&argv, pg->bin_dir, pg->version, pg->data_dir, pg->socket_dir);
	r = pg_spawn(&command, err);
	pg_argv_fini(&argv);
	if (r < 0)
		return r;
	pg->pid = r;
	pg->is_adopted = false;
	log_info("storage", "private postgres: started", LOG_I("pid", pg->pid));
	return 0;
}

/* --- looking after it ------------------------------------------------------------------------- */

/* The same trouble is told once. */
static void tell(struct private_pg *pg, const struct err *err)
{
	if (strcmp(pg->trouble, err->text) == 0)
		return;
	log_error("storage", "private postgres is not running, trying again",
		  LOG_T("err", err->text));
	memcpy(pg->trouble, err->text, sizeof(pg->trouble));
}

/* Until it ends or a stop is asked for; true when it ended. */
static bool watch(struct private_pg *pg, struct err *err)
{
	while (!server_ended(pg)) {
		if (pause_for(pg, POLL_MS))
			return false;
	}
	if (pg->is_adopted)
		err_set(err, -EIO, "private postgres: the adopted server ended; see '%s'", pg->log);
	else
		ended_badly(pg, "the server", err);
	pg->pid = 0;
	return true;
}

static int longer(int pause_ms)
{
	if (pause_ms == 0)
		return PAUSE_MIN_MS;
	return pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause_ms * 2;
}

static void *run(void *ctx)
{
	struct private_pg *pg = ctx;
	int pause_ms = 0;
	struct err err;

	do {
		int64_t start_us = clock_monotonic_us();
		int r = adopt(pg) ? 0 : start_server(pg, &err);

		if (r == -ECANCELED || (r == 0 && !watch(pg, &err)))
			break;
		if (clock_monotonic_us() - start_us > STEADY_US) {
			pause_ms = 0;
			pg->trouble[0] = '\0';
		}
		tell(pg, &err);
		pause_ms = longer(pause_ms);
	} while (!pause_for(pg, pause_ms));
	shut_down(pg, pg->stop_timeout_ms);
	return NULL;
}
