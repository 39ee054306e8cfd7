/* Setting up the private PostgreSQL: its binaries, its directories, its configuration. Private to
 * private_pg. Thread: any. */
#ifndef STORAGE_PRIVATE_PG_SETUP_PRIV_H
#define STORAGE_PRIVATE_PG_SETUP_PRIV_H

#include <stddef.h>

#include "storage/private_pg_process_priv.h"

#define PG_BINARIES_ROOT "/usr/lib/postgresql" /* where Debian keeps <version>/bin */
#define PG_ARGV_MAX      64

/* The folder of the newest server under `root`, or of the version that made `data_dir`; *out new.
 * -ENOENT with the package to install. */
int pg_binaries_find(const char *root, const char *data_dir, char **out, int *version_out,
		     struct err *err);

/* A short folder for the socket, owned by the user: the one remembered in the file `memory` when
 * it is still good, else a new one, then remembered. */
int pg_socket_dir_make(const char *memory, const struct pg_user *user,
		       char out[PG_SOCKET_PATH_BYTES], struct err *err);
void pg_socket_dir_remove(const char *memory, const char *dir);

/* A new, empty folder "<data_dir>.new-XXXXXX" of the user's, *out new; leftovers of earlier ones
 * are removed. */
int pg_new_dir_make(const char *data_dir, const struct pg_user *user, char **out, struct err *err);
void pg_dir_remove(const char *dir); /* with everything in it */

/* pg_hba.conf and pg_ident.conf: root, we and the user connect as rfeventd, no one else does. */
int pg_access_write(const char *data_dir, const struct pg_user *user, struct err *err);

/* A command line; the texts are owned. */
struct pg_argv {
	char *words[PG_ARGV_MAX]; /* NULL-terminated */
	size_t n;
};

void pg_argv_initdb(struct pg_argv *argv, const char *bin_dir, const char *data_dir);
void pg_argv_single(struct pg_argv *argv, const char *bin_dir, const char *data_dir);
void pg_argv_server(struct pg_argv *argv, const char *bin_dir, int version, const char *data_dir,
		    const char *socket_dir);
void pg_argv_fini(struct pg_argv *argv);

#endif
