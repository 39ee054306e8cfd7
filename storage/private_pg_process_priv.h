/* Processes of the private PostgreSQL: under which user, how started, how found again. Private to
 * private_pg. Thread: any. */
#ifndef STORAGE_PRIVATE_PG_PROCESS_PRIV_H
#define STORAGE_PRIVATE_PG_PROCESS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PG_SOCKET_PATH_BYTES 108    /* of a socket's path with its NUL; the kernel's limit */
#define PG_PORT              "5432" /* the socket's name; nothing listens on the network */

struct err;

struct pg_user {
	char *name; /* owned, as `groups` */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int n_groups;
	bool is_other; /* not ourselves: we are root and become it */
};

/* The user to run PostgreSQL as: `wanted` or, when NULL, ourselves; for root the owner of
 * `data_dir` when it exists, else "postgres". Never root. */
int pg_user_find(const char *wanted, const char *data_dir, struct pg_user *out, struct err *err);
void pg_user_fini(struct pg_user *user);
/* Whether the user can search every folder on the way to `dir`, which exists and is absolute:
 * 0, or -EACCES with the name of the one that is closed, and the cure. */
int pg_user_reaches(const struct pg_user *user, const char *dir, struct err *err);

struct pg_command {
	char *const *argv; /* argv[0] is the whole path */
	const struct pg_user *user;
	const char *input; /* for its standard input; short. NULL: none */
	const char *log;   /* file that its output is appended to */
	bool dies_with_us;
};

/* Start it in a session of its own, with a clean environment, no descriptor and no signal setting
 * of ours. Returns its pid or a negative errno. */
pid_t pg_spawn(const struct pg_command *command, struct err *err);
/* The last line of a log, for words: up to `size` bytes, NUL-terminated. */
void pg_last_line(const char *log, char *out, size_t size);

struct pg_postmaster {
	pid_t pid;
	char socket_dir[PG_SOCKET_PATH_BYTES];
	bool is_stopping;
};

/* The server that runs on `data_dir`, by its postmaster.pid; false when none does. */
bool pg_postmaster_find(const char *data_dir, struct pg_postmaster *out);
/* Whether `pid` is alive and a server on `data_dir`. */
bool pg_postmaster_is_alive(pid_t pid, const char *data_dir);
/* Of postmaster.pid or a socket's lock file, where no server runs: if a thread of ours has the last
 * server's pid by now, as in a container whose pids begin anew, no other would ever start. The file
 * gets our own pid: a server passes over its parent's, and still looks for its predecessor's
 * remains. */
void pg_lock_file_free(const char *path);

#endif
