/* A throw-away PostgreSQL for tests: one cluster per program, a fresh database per test.
 *
 * Unix socket in a temporary folder, fsync off. As root the server runs as user postgres. Where
 * there are no server binaries pg_is_there() says so and the tests skip.
 */
#ifndef TESTS_UNIT_STORAGE_PG_H
#define TESTS_UNIT_STORAGE_PG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/db.h"

struct pg {
	char dir[64]; /* of the cluster and the socket; empty: there is none */
	char bin[256];
	unsigned n_databases;
};

static struct pg pg_cluster;

static bool pg_find_binaries(char *out, size_t size)
{
	glob_t found;
	bool ok = false;

	/* The last is the newest: two digits each. */
	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0) {
		snprintf(out, size, "%.*s",
			 (int)(strlen(found.gl_pathv[found.gl_pathc - 1]) - strlen("/initdb")),
			 found.gl_pathv[found.gl_pathc - 1]);
		ok = true;
		globfree(&found);
	}
	return ok;
}

__attribute__((format(printf, 1, 2))) static int pg_run(const char *format, ...)
{
	char command[1024];
	int n = snprintf(command, sizeof(command), "%s",
			 geteuid() == 0 ? "cd / && runuser -u postgres -- " : "cd / && ");
	va_list args;

	va_start(args, format);
	n += vsnprintf(command + n, sizeof(command) - (size_t)n, format, args);
	va_end(args);
	snprintf(command + n, sizeof(command) - (size_t)n, " >>%s.out 2>&1", pg_cluster.dir);
	return system(command);
}

/* The server alone, on the cluster that is there. */
static inline bool pg_up(void)
{
	return pg_run("%s/pg_ctl -D %s/data -w -t 30 -l %s/log -o \"-k %s -c listen_addresses=''"
		      " -c fsync=off -c max_connections=30\" start",
		      pg_cluster.bin, pg_cluster.dir, pg_cluster.dir, pg_cluster.dir) == 0;
}

/* "fast" or "immediate" */
static inline void pg_down(const char *mode)
{
	pg_run("%s/pg_ctl -D %s/data -m %s -w stop", pg_cluster.bin, pg_cluster.dir, mode);
}

static void pg_destroy(void)
{
	char command[256];

	if (!pg_cluster.dir[0])
		return;
	pg_down("immediate");
	snprintf(command, sizeof(command), "rm -rf %s %s.out", pg_cluster.dir, pg_cluster.dir);
	if (system(command) != 0)
		print_message("left behind: %s\n", pg_cluster.dir);
	pg_cluster.dir[0] = '\0';
}

/* Whether a server runs; starts it at the first call. */
static bool pg_is_there(void)
{
	static int state; /* 0: not tried, 1: yes, -1: no */

	if (state != 0)
		return state > 0;
	state = -1;
	if (!pg_find_binaries(pg_cluster.bin, sizeof(pg_cluster.bin))) {
		print_message("no PostgreSQL server binaries here\n");
		return false;
	}
	strncpy(pg_cluster.dir, "/tmp/rfeventd-test-XXXXXX", sizeof(pg_cluster.dir) - 1);
	if (!mkdtemp(pg_cluster.dir) || chmod(pg_cluster.dir, 0777) != 0)
		return false;
	atexit(pg_destroy);
	if (pg_run("%s/initdb -D %s/data -A trust -U rfeventd -E UTF8 --locale=C.UTF-8 --no-sync",
		   pg_cluster.bin, pg_cluster.dir) != 0 ||
	    !pg_up()) {
		print_message("PostgreSQL does not start here\n");
		return false;
	}
	state = 1;
	return true;
}

static struct db *pg_connect(const char *url)
{
	struct db *db = NULL;
	struct err err = { "" };

	if (db_open(url, "rfeventd test", 5000, &db, &err) < 0)
		fail_msg("%s", err.text);
	return db;
}

static inline char *pg_url_of(const char *database)
{
	return xasprintf("host=%s user=rfeventd dbname=%s", pg_cluster.dir, database);
}

/* URL of a new, empty database; free() it. */
static inline char *pg_new_database(void)
{
	char name[32], sql[64], *admin = pg_url_of("postgres");
	struct db *db = pg_connect(admin);
	struct err err;

	snprintf(name, sizeof(name), "t%u", ++pg_cluster.n_databases);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
	if (db_exec(db, sql, &err) < 0)
		fail_msg("%s", err.text);
	db_close(db);
	free(admin);
	return pg_url_of(name);
}

static inline void pg_sql(struct db *db, const char *sql)
{
	struct err err;

	if (db_exec(db, sql, &err) < 0)
		fail_msg("%s: %s", sql, err.text);
}

/* The first column of the first row as a number. */
static inline int64_t pg_int(struct db *db, const char *sql)
{
	struct db_result *result;
	struct err err;
	int64_t value;

	if (db_query(db, sql, NULL, 0, &result, &err) < 0)
		fail_msg("%s: %s", sql, err.text);
	if (db_rows(result) == 0)
		fail_msg("%s: no row", sql);
	value = db_int(result, 0, 0);
	db_result_free(result);
	return value;
}

/* … as a text, free() it; "" for NULL. */
static inline char *pg_text(struct db *db, const char *sql)
{
	struct db_result *result;
	struct err err;
	char *value;

	if (db_query(db, sql, NULL, 0, &result, &err) < 0)
		fail_msg("%s: %s", sql, err.text);
	value = db_rows(result) > 0 ? xstrndup(db_str(result, 0, 0)) : xstrdup("");
	db_result_free(result);
	return value;
}

#define PG_OR_SKIP()                                                                               \
	do {                                                                                       \
		if (!pg_is_there()) {                                                              \
			print_message("skipped: no PostgreSQL\n");                                 \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

#endif
