#include "storage/private_pg_setup_priv.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#define SMALL_MACHINE_BYTES (2ull << 30) /* half the usual shared_buffers below it */
#define PASSWD_BYTES        16384

/* --- binaries --------------------------------------------------------------------------------- */

static bool has_server(const char *root, const char *version)
{
	char *initdb = xasprintf("%s/%s/bin/initdb", root, version);
	char *postgres = xasprintf("%s/%s/bin/postgres", root, version);
	bool has = access(initdb, X_OK) == 0 && access(postgres, X_OK) == 0;

	free(initdb);
	free(postgres);
	return has;
}

/* The number in front: 15 of "15", 9 of "9.6"; 0 when there is none. */
static int major(const char *version)
{
	struct str digits = { version, strspn(version, "0123456789") };
	uint64_t number = 0;

	return str_to_u64(digits, &number) && number < 1000 ? (int)number : 0;
}

/* The newest version under `root`; *out new, NULL when there is none. */
static void newest(const char *root, char **out)
{
	DIR *dir = opendir(root);
	struct dirent *entry;

	*out = NULL;
	while (dir && (entry = readdir(dir))) {
		if (major(entry->d_name) <= (*out ? major(*out) : 0) ||
		    !has_server(root, entry->d_name))
			continue;
		free(*out);
		*out = xstrdup(entry->d_name);
	}
	if (dir)
		closedir(dir);
}

int pg_binaries_find(const char *root, const char *data_dir, char **out, int *version_out,
		     struct err *err)
{
	char *version_path = xasprintf("%s/PG_VERSION", data_dir);
	char *content = NULL, *version = NULL;
	size_t n;
	int r = 0;

	if (file_read(version_path, 64, &content, &n, NULL) == 0) {
		version = xstrndup(str_trim((struct str){ content, n }));
		if (major(version) == 0 || !has_server(root, version))
			r = err_set(err, -ENOENT,
				    "private postgres: the data in '%s' needs PostgreSQL %s, which "
				    "is not under %s; install the Debian package 'postgresql-%s'",
				    data_dir, version, root, version);
	} else {
		newest(root, &version);
		if (!version)
			r = err_set(err, -ENOENT,
				    "private postgres: no PostgreSQL server under %s; install the "
				    "Debian package 'postgresql', or set storage.url",
				    root);
	}
	if (r == 0 && version) {
		*version_out = major(version);
		*out = xasprintf("%s/%s/bin", root, version);
	}
	free(version);
	free(content);
	free(version_path);
	return r;
}

/* --- directories ------------------------------------------------------------------------------ */

static const char *const socket_places[] = { "/run/rfeventd-", "/tmp/rfeventd-" };

/* Whether it is one of ours, and nobody else can put a socket there. */
static bool is_good_socket_dir(struct str dir, const struct pg_user *user)
{
	char *path = xstrndup(dir);
	struct stat st;
	bool is_good = false;

	for (size_t i = 0; i < ARRAY_LEN(socket_places); i++)
		is_good |= str_starts_with(dir, str_of(socket_places[i]));
	is_good =
		is_good && dir.len + sizeof("/.s.PGSQL.") + sizeof(PG_PORT) < PG_SOCKET_PATH_BYTES;
	is_good = is_good && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		  st.st_uid == user->uid && (st.st_mode & 0777) == 0700;
	free(path);
	return is_good;
}

/* A new folder of the user's, from a mkdtemp() pattern. */
static int make_own_dir(char *pattern, const struct pg_user *user, struct err *err)
{
	int r = 0;

	if (!mkdtemp(pattern))
		return err_set(err, -errno, "private postgres: cannot create a folder '%s': %s",
			       pattern, strerror(errno));
	if (user->is_other && chown(pattern, user->uid, user->gid) < 0) {
		r = err_set(err, -errno, "private postgres: cannot give a folder to '%s': %s",
			    user->name, strerror(errno));
		rmdir(pattern);
	}
	return r;
}

int pg_socket_dir_make(const char *memory, const struct pg_user *user,
		       char out[PG_SOCKET_PATH_BYTES], struct err *err)
{
	char *content = NULL;
	struct str dir;
	size_t n;
	int r = file_read(memory, PG_SOCKET_PATH_BYTES, &content, &n, NULL);

	if (r == 0) {
		dir = str_trim((struct str){ content, n });
		if (is_good_socket_dir(dir, user)) {
			snprintf(out, PG_SOCKET_PATH_BYTES, "%.*s", STR_ARG(dir));
			free(content);
			return 0;
		}
	}
	free(content);
	snprintf(out, PG_SOCKET_PATH_BYTES, "%sXXXXXX",
		 socket_places[access("/run", W_OK) == 0 ? 0 : 1]);
	r = make_own_dir(out, user, err);
	if (r < 0)
		return r;
	content = xasprintf("%s\n", out);
	r = file_replace(memory, str_of(content), 0600, err);
	if (r < 0)
		rmdir(out);
	free(content);
	return r;
}

void pg_socket_dir_remove(const char *memory, const char *dir)
{
	/* Not empty: a server uses it still, and the next start will look there. */
	if (rmdir(dir) == 0 || errno == ENOENT)
		unlink(memory);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

void pg_dir_remove(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What an initdb that was cut off has left beside `data_dir`. */
static void remove_leftovers(const char *data_dir)
{
	const char *slash = strrchr(data_dir, '/');
	char *parent = xstrndup((struct str){ data_dir, (size_t)(slash - data_dir) + 1 });
	char *prefix = xasprintf("%s.new-", slash + 1);
	DIR *dir = opendir(parent);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *path = xasprintf("%s%s", parent, entry->d_name);

		if (str_starts_with(str_of(entry->d_name), str_of(prefix)))
			pg_dir_remove(path);
		free(path);
	}
	if (dir)
		closedir(dir);
	free(prefix);
	free(parent);
}

int pg_new_dir_make(const char *data_dir, const struct pg_user *user, char **out, struct err *err)
{
	char *pattern = xasprintf("%s.new-XXXXXX", data_dir);
	int r;

	remove_leftovers(data_dir);
	r = make_own_dir(pattern, user, err);
	if (r == 0)
		*out = pattern;
	else
		free(pattern);
	return r;
}

/* --- who may connect -------------------------------------------------------------------------- */

static int write_owned(const char *data_dir, const char *name, struct str content,
		       const struct pg_user *user, struct err *err)
{
	char *path = xasprintf("%s/%s", data_dir, name);
	int r = file_replace(path, content, 0600, err);

	if (r == 0 && user->is_other && lchown(path, user->uid, user->gid) < 0)
		r = err_set(err, -errno, "private postgres: cannot give '%s' to '%s': %s", path,
			    user->name, strerror(errno));
	free(path);
	return r;
}

static void put_ident(struct strbuf *out, const char *name)
{
	strbuf_put_text(out, "rfeventd \"");
	strbuf_put_text(out, name);
	strbuf_put_text(out, "\" rfeventd\n");
}

int pg_access_write(const char *data_dir, const struct pg_user *user, struct err *err)
{
	static const struct str hba = STR("local all rfeventd peer map=rfeventd\n"
					  "local all all reject\n"
					  "host all all all reject\n");
	struct passwd entry, *us = NULL;
	char *texts = xmalloc(PASSWD_BYTES);
	struct strbuf ident;
	int r;

	strbuf_init(&ident, 4096);
	put_ident(&ident, "root");
	put_ident(&ident, user->name);
	if (getpwuid_r(geteuid(), &entry, texts, PASSWD_BYTES, &us) == 0 && us &&
	    strcmp(us->pw_name, "root") != 0 && strcmp(us->pw_name, user->name) != 0)
		put_ident(&ident, us->pw_name);
	r = write_owned(data_dir, "pg_hba.conf", hba, user, err);
	if (r == 0)
		r = write_owned(data_dir, "pg_ident.conf", strbuf_str(&ident), user, err);
	strbuf_fini(&ident);
	free(texts);
	return r;
}

/* --- command lines ---------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
put_word(struct pg_argv *argv, const char *format, ...)
{
	char word[PATH_MAX + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(word, sizeof(word), format, args);
	va_end(args);
	assert(argv->n + 1 < PG_ARGV_MAX);
	argv->words[argv->n++] = xstrdup(word);
	argv->words[argv->n] = NULL;
}

static const char *locale_name(void)
{
	locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);

	if (locale == (locale_t)0)
		return "C";
	freelocale(locale);
	return "C.UTF-8";
}

void pg_argv_initdb(struct pg_argv *argv, const char *bin_dir, const char *data_dir)
{
	*argv = (struct pg_argv){ .n = 0 };
	put_word(argv, "%s/initdb", bin_dir);
	put_word(argv, "--pgdata=%s", data_dir);
	put_word(argv, "--username=rfeventd");
	put_word(argv, "--encoding=UTF8");
	put_word(argv, "--locale=%s", locale_name());
	put_word(argv, "--auth-local=peer");
	put_word(argv, "--auth-host=reject");
	put_word(argv, "--data-checksums");
}

void pg_argv_single(struct pg_argv *argv, const char *bin_dir, const char *data_dir)
{
	*argv = (struct pg_argv){ .n = 0 };
	put_word(argv, "%s/postgres", bin_dir);
	put_word(argv, "--single");
	put_word(argv, "-D");
	put_word(argv, "%s", data_dir);
	put_word(argv, "template1");
}

static bool is_small_machine(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);

	return pages > 0 && (uint64_t)pages * (uint64_t)page_bytes < SMALL_MACHINE_BYTES;
}

void pg_argv_server(struct pg_argv *argv, const char *bin_dir, int version, const char *data_dir,
		    const char *socket_dir)
{
	static const char *const settings[] = {
		("port=" PG_PORT),
		"listen_addresses=",
		"unix_socket_permissions=0700",
		"max_connections=40",
		"max_wal_size=2GB",
		"checkpoint_timeout=15min",
		"jit=off",
		"max_parallel_workers_per_gather=0", /* a reader would take the cores from the loader */
		"synchronous_commit=on",
		"timezone=UTC",
		"log_timezone=UTC",
		"log_destination=stderr",
		"logging_collector=off",
		"log_min_messages=warning",
		"log_checkpoints=off",
	};

	*argv = (struct pg_argv){ .n = 0 };
	put_word(argv, "%s/postgres", bin_dir);
	put_word(argv, "-D");
	put_word(argv, "%s", data_dir);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		put_word(argv, "-c");
		put_word(argv, "%s", settings[i]);
	}
	put_word(argv, "-c");
	put_word(argv, "unix_socket_directories=%s", socket_dir);
	put_word(argv, "-c");
	put_word(argv, "shared_buffers=%s", is_small_machine() ? "128MB" : "256MB");
	put_word(argv, "-c");
	put_word(argv, "wal_compression=%s", version >= 15 ? "lz4" : "on");
}

void pg_argv_fini(struct pg_argv *argv)
{
	for (size_t i = 0; i < argv->n; i++)
		free(argv->words[i]);
	*argv = (struct pg_argv){ .n = 0 };
}
