/* With the real binaries. Each server takes a second or two to make: few tests, one after another
 * on the same state directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/private_pg.h"
#include "storage/private_pg_setup_priv.h"

#define UP_MS   60000
#define STOP_MS 10000

static char dir[] = "/tmp/private_pg_test.XXXXXX";
static bool have_server; /* or else the tests that need it are skipped */
static struct err err;

static void sleep_ms(int ms)
{
	usleep((useconds_t)ms * 1000);
}

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static int set_up(void **state)
{
	char *no_data, *bin = NULL;
	int version;

	log_set(LOG_WARN, LOG_LOGFMT);
	if (!mkdtemp(dir) || chmod(dir, 0711) < 0)
		return -1;
	no_data = in_dir("none");
	have_server = pg_binaries_find(PG_BINARIES_ROOT, no_data, &bin, &version, &err) == 0 &&
		      (geteuid() != 0 || getpwnam("postgres"));
	free(no_data);
	free(bin);
	return 0;
}

static int tear_down(void **state)
{
	pg_dir_remove(dir);
	return 0;
}

static void need_server(void)
{
	if (have_server)
		return;
	print_message("skipped: no PostgreSQL under " PG_BINARIES_ROOT " (package 'postgresql')\n");
	skip();
}

static struct private_pg *start_in(const char *state_dir)
{
	const struct private_pg_config config = { .state_dir = state_dir };
	struct private_pg *pg = NULL;
	int r = private_pg_start(&config, &pg, &err);

	if (r < 0)
		print_message("%s\n", err.text);
	assert_int_equal(r, 0);
	return pg;
}

/* A connection, as soon as there is one. */
static PGconn *connect_to(const char *url)
{
	int64_t until_us = clock_monotonic_us() + UP_MS * 1000ll;

	for (;;) {
		PGconn *conn = PQconnectdb(url);

		if (PQstatus(conn) == CONNECTION_OK)
			return conn;
		if (clock_monotonic_us() > until_us)
			fail_msg("not up: %s", PQerrorMessage(conn));
		PQfinish(conn);
		sleep_ms(20);
	}
}

/* The first value of a query's answer; new. */
static char *ask(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	char *value;

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	value = xstrdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return value;
}

static void expect(PGconn *conn, const char *sql, const char *answer)
{
	char *value = ask(conn, sql);

	assert_string_equal(value, answer);
	free(value);
}

static pid_t server_pid(void)
{
	char *data_dir = in_dir("postgresql");
	struct pg_postmaster found = { .pid = 0 };

	pg_postmaster_find(data_dir, &found);
	free(data_dir);
	return found.pid;
}

static bool exists(const char *name)
{
	char *path = in_dir(name);
	bool does = access(path, F_OK) == 0;

	free(path);
	return does;
}

/* The folder in "host=… port=…"; new. */
static char *host_of(const char *url)
{
	return xstrndup((struct str){ url + 5, strcspn(url + 5, " ") });
}

/* --- the whole of it -------------------------------------------------------------------------- */

static void test_first_start(void **state)
{
	struct private_pg *pg;
	PGconn *conn;
	int64_t start_us;
	char *host;

	need_server();
	start_us = clock_monotonic_us();
	pg = start_in(dir);
	/* initdb takes a second; the caller does not wait for it. */
	assert_true(clock_monotonic_us() - start_us < 200000);
	assert_false(exists("postgresql"));
	conn = connect_to(private_pg_url(pg));
	expect(conn, "SHOW server_encoding", "UTF8");
	expect(conn, "SHOW data_checksums", "on");
	expect(conn, "SHOW listen_addresses", "");
	expect(conn, "SHOW fsync", "on");
	expect(conn, "SHOW timezone", "UTC");
	expect(conn, "SELECT current_user", "rfeventd");
	expect(conn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", "t");
	expect(conn, "CREATE TABLE kept (n int)", "");
	expect(conn, "INSERT INTO kept VALUES (42)", "");
	PQfinish(conn);
	host = host_of(private_pg_url(pg));
	assert_int_equal(access(host, F_OK), 0);
	private_pg_stop(pg, STOP_MS);
	assert_int_equal(server_pid(), 0);
	/* Nothing stays behind but the data and the log. */
	assert_int_equal(access(host, F_OK), -1);
	assert_false(exists("postgresql.socket-dir"));
	assert_false(exists("postgresql/postmaster.pid"));
	free(host);
}

static void test_refuses_other_users(void **state)
{
	struct private_pg *pg;
	char *url;
	PGconn *conn;

	need_server();
	pg = start_in(dir);
	PQfinish(connect_to(private_pg_url(pg)));
	/* Another role, and a user who is none of ours: the door is the folder's mode. */
	url = host_of(private_pg_url(pg));
	conn = PQsetdbLogin(url, PG_PORT, NULL, NULL, "rfeventd", "postgres", NULL);
	assert_int_equal(PQstatus(conn), CONNECTION_BAD);
	PQfinish(conn);
	if (geteuid() == 0) {
		struct stat st;

		assert_int_equal(stat(url, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0700);
		assert_int_equal(st.st_uid, getpwnam("postgres")->pw_uid);
	}
	free(url);
	private_pg_stop(pg, STOP_MS);
}

static void test_killed_server_comes_back(void **state)
{
	struct private_pg *pg;
	PGconn *conn;
	pid_t first;

	need_server();
	pg = start_in(dir);
	PQfinish(connect_to(private_pg_url(pg)));
	first = server_pid();
	assert_true(first > 0);
	kill(first, SIGKILL);
	sleep_ms(100);
	conn = connect_to(private_pg_url(pg));
	assert_int_not_equal(server_pid(), first);
	expect(conn, "SELECT n FROM kept", "42");
	PQfinish(conn);
	private_pg_stop(pg, STOP_MS);
	assert_int_equal(server_pid(), 0);
}

/* A process that starts it, waits until it is up, and is killed. */
static void leave_orphan(void)
{
	int up[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		const struct private_pg_config config = { .state_dir = dir };
		struct private_pg *pg;
		PGconn *conn = NULL;

		if (private_pg_start(&config, &pg, &err) < 0)
			_exit(1);
		do {
			PQfinish(conn);
			sleep_ms(20);
			conn = PQconnectdb(private_pg_url(pg));
		} while (PQstatus(conn) != CONNECTION_OK);
		if (write(up[1], "u", 1) == 1)
			pause();
		_exit(1);
	}
	close(up[1]);
	assert_int_equal(read(up[0], &byte, 1), 1);
	close(up[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_orphan_is_adopted(void **state)
{
	struct private_pg *pg;
	PGconn *conn;
	pid_t orphan;

	need_server();
	leave_orphan();
	orphan = server_pid();
	assert_true(orphan > 0);
	pg = start_in(dir);
	conn = connect_to(private_pg_url(pg));
	assert_int_equal(server_pid(), orphan);
	expect(conn, "SELECT n FROM kept", "42");
	PQfinish(conn);
	/* Looked after like our own … */
	kill(orphan, SIGKILL);
	sleep_ms(100);
	PQfinish(connect_to(private_pg_url(pg)));
	assert_int_not_equal(server_pid(), orphan);
	private_pg_stop(pg, STOP_MS);
	assert_int_equal(server_pid(), 0);
	/* … and stopped like our own. */
	leave_orphan();
	pg = start_in(dir);
	PQfinish(connect_to(private_pg_url(pg)));
	private_pg_stop(pg, STOP_MS);
	assert_int_equal(server_pid(), 0);
}

/* Its socket's folder is gone (a cleaner of /tmp): no one can reach it, so it is replaced. */
static void test_unreachable_orphan_is_replaced(void **state)
{
	struct private_pg *pg;
	char *memory, *content;
	PGconn *conn;
	pid_t orphan;
	size_t n;

	need_server();
	leave_orphan();
	orphan = server_pid();
	memory = in_dir("postgresql.socket-dir");
	assert_int_equal(file_read(memory, 200, &content, &n, &err), 0);
	content[strcspn(content, "\n")] = '\0';
	pg_dir_remove(content);
	assert_int_equal(access(content, F_OK), -1);
	pg = start_in(dir);
	conn = connect_to(private_pg_url(pg));
	assert_int_not_equal(server_pid(), orphan);
	expect(conn, "SELECT n FROM kept", "42");
	PQfinish(conn);
	private_pg_stop(pg, STOP_MS);
	free(content);
	free(memory);
}

/* Stopped, or killed, while initdb runs: the next start makes a whole cluster. */
static void test_stop_within_initdb(void **state)
{
	char *state_dir = in_dir("early");
	struct private_pg *pg;
	int64_t start_us;
	pid_t pid;

	need_server();
	pg = start_in(state_dir);
	sleep_ms(150);
	start_us = clock_monotonic_us();
	private_pg_stop(pg, STOP_MS);
	assert_true(clock_monotonic_us() - start_us < 2000000);
	pid = fork();
	if (pid == 0) {
		const struct private_pg_config config = { .state_dir = state_dir };

		if (private_pg_start(&config, &pg, &err) == 0)
			sleep_ms(150);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	assert_false(exists("early/postgresql"));
	pg = start_in(state_dir);
	PQfinish(connect_to(private_pg_url(pg)));
	private_pg_stop(pg, STOP_MS);
	free(state_dir);
}

/* --- words ------------------------------------------------------------------------------------ */

static void test_closed_folder_is_named(void **state)
{
	const struct private_pg_config config = { .state_dir = in_dir("closed/inner/state") };
	char *closed = in_dir("closed");
	struct private_pg *pg = NULL;

	need_server();
	if (geteuid() != 0) {
		print_message("skipped: only root starts it as another user\n");
		skip();
	}
	assert_int_equal(file_make_dirs(config.state_dir, 0755, &err), 0);
	assert_int_equal(chmod(closed, 0700), 0);
	assert_int_equal(private_pg_start(&config, &pg, &err), -EACCES);
	assert_null(pg);
	assert_non_null(strstr(err.text, "user 'postgres' cannot pass"));
	assert_non_null(strstr(err.text, "/closed' on the way"));
	assert_non_null(strstr(err.text, "chmod o+x"));
	/* The last folder itself. */
	assert_int_equal(chmod(closed, 0711), 0);
	assert_int_equal(chmod(config.state_dir, 0700), 0);
	assert_int_equal(private_pg_start(&config, &pg, &err), -EACCES);
	assert_non_null(strstr(err.text, "inner/state'; open it"));
	free(closed);
	free((void *)(uintptr_t)config.state_dir);
}

static void test_users(void **state)
{
	static const struct {
		const char *name, *user;
		int r;
		const char *words;
	} cases[] = {
		{ "root", "root", -EINVAL, "never runs as root" },
		{ "no such user", "nobody-of-that-name", -ENOENT, "there is no user" },
	};
	char *data_dir = in_dir("none");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pg_user user;

		assert_int_equal(pg_user_find(cases[i].user, data_dir, &user, &err), cases[i].r);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s: %s", cases[i].name, err.text);
	}
	free(data_dir);
}

static void make_binaries(const char *root, const char *version)
{
	char *bin = xasprintf("%s/%s/bin", root, version);
	char *initdb = xasprintf("%s/initdb", bin), *postgres = xasprintf("%s/postgres", bin);

	assert_int_equal(file_make_dirs(bin, 0755, &err), 0);
	assert_int_equal(file_replace(initdb, STR("x"), 0755, &err), 0);
	assert_int_equal(file_replace(postgres, STR("x"), 0755, &err), 0);
	free(postgres);
	free(initdb);
	free(bin);
}

static void test_binaries(void **state)
{
	static const struct {
		const char *name, *data_version;
		int r;
		const char *words; /* end of the path, or of the error */
	} cases[] = {
		{ "newest, by number", NULL, 0, "/15/bin" },
		{ "the one that made the data", "9.6\n", 0, "/9.6/bin" },
		{ "one that is missing", "14\n", -ENOENT, "'postgresql-14'" },
		{ "not a version", "../../x\n", -ENOENT, "'postgresql-../../x'" },
	};
	char *root = in_dir("binaries"), *data_dir = in_dir("some-data");
	char *version_path = in_dir("some-data/PG_VERSION"), *no_root = in_dir("nothing"), *bin;
	char *without_server = in_dir("binaries/16/bin");
	int version;

	make_binaries(root, "9.6");
	make_binaries(root, "15");
	/* A client package alone. */
	assert_int_equal(file_make_dirs(without_server, 0755, &err), 0);
	assert_int_equal(file_make_dirs(data_dir, 0755, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *words;

		if (cases[i].data_version)
			assert_int_equal(file_replace(version_path, str_of(cases[i].data_version),
						      0644, &err),
					 0);
		bin = NULL;
		assert_int_equal(pg_binaries_find(root, data_dir, &bin, &version, &err),
				 cases[i].r);
		words = cases[i].r == 0 ? bin : err.text;
		if (!str_ends_with(str_of(words), str_of(cases[i].words)))
			fail_msg("%s: %s", cases[i].name, words);
		free(bin);
	}
	unlink(version_path);
	assert_int_equal(pg_binaries_find(no_root, data_dir, &bin, &version, &err), -ENOENT);
	assert_non_null(strstr(err.text, "install the Debian package 'postgresql'"));
	free(without_server);
	free(no_root);
	free(version_path);
	free(data_dir);
	free(root);
}

/* A number in postmaster.pid that some other process has by now. */
static void test_stale_pid_file(void **state)
{
	char *data_dir = in_dir("stale"), *path = in_dir("stale/postmaster.pid");
	char *content =
		xasprintf("%d\n%s\n1\n5432\n/tmp\n\n1 2\nready   \n", (int)getpid(), data_dir);
	struct pg_postmaster found;

	assert_int_equal(file_make_dirs(data_dir, 0755, &err), 0);
	assert_false(pg_postmaster_find(data_dir, &found));
	assert_int_equal(file_replace(path, str_of(content), 0600, &err), 0);
	assert_false(pg_postmaster_find(data_dir, &found));
	assert_int_equal(file_replace(path, STR("99999999999999999999\n"), 0600, &err), 0);
	assert_false(pg_postmaster_find(data_dir, &found));
	assert_int_equal(file_replace(path, STR(""), 0600, &err), 0);
	assert_false(pg_postmaster_find(data_dir, &found));
	free(content);
	free(path);
	free(data_dir);
}

static void *wait_on_pipe(void *ctx)
{
	int *pipe_fds = ctx;
	pid_t tid = gettid();
	char byte;

	if (write(pipe_fds[3], &tid, sizeof(tid)) != sizeof(tid))
		return NULL;
	return read(pipe_fds[0], &byte, 1) == 1 ? ctx : NULL;
}

/* … and when that is a thread of ours, as in a container that was started anew. */
static void test_pid_file_with_a_thread_of_ours(void **state)
{
	char *data_dir = in_dir("thread"), *path = in_dir("thread/postmaster.pid");
	char *content, *expect;
	pid_t tid, others = getppid();
	pthread_t thread;
	int fds[4];
	size_t n;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(fds + 2), 0);
	assert_int_equal(mkdir(data_dir, 0755), 0);
	pg_lock_file_free(path); /* without a file: nothing */
	assert_int_equal(pthread_create(&thread, NULL, wait_on_pipe, fds), 0);
	assert_int_equal(read(fds[2], &tid, sizeof(tid)), sizeof(tid));
	for (int i = 0; i < 2; i++) {
		content = xasprintf("%d\n%s\n1700000000\n5432\n", (int)(i == 0 ? tid : others),
				    data_dir);
		expect = xasprintf("%d\n%s\n1700000000\n5432\n", (int)(i == 0 ? getpid() : others),
				   data_dir);
		assert_int_equal(file_replace(path, str_of(content), 0600, &err), 0);
		free(content);
		pg_lock_file_free(path);
		assert_int_equal(file_read(path, 4096, &content, &n, &err), 0);
		assert_string_equal(content, expect);
		free(content);
		free(expect);
	}
	assert_int_equal(write(fds[1], "x", 1), 1);
	pthread_join(thread, NULL);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	free(path);
	free(data_dir);
}

static void test_stop_null(void **state)
{
	private_pg_stop(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_start),
		cmocka_unit_test(test_refuses_other_users),
		cmocka_unit_test(test_killed_server_comes_back),
		cmocka_unit_test(test_orphan_is_adopted),
		cmocka_unit_test(test_unreachable_orphan_is_replaced),
		cmocka_unit_test(test_stop_within_initdb),
		cmocka_unit_test(test_closed_folder_is_named),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_binaries),
		cmocka_unit_test(test_stale_pid_file),
		cmocka_unit_test(test_pid_file_with_a_thread_of_ours),
		cmocka_unit_test(test_stop_null),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
