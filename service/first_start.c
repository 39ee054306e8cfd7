#include "service/first_start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/password.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/seal.h"
#include "base/secrets.h"
#include "storage/db.h"
#include "storage/migrate.h"
#include "storage/shared.h"

#define SECRET_CHARS	      32 /* 160 random bits */
#define SECRET_FILE_MAX_BYTES 4096
#define KEY_MIN_BYTES	      16
#define FIRST_TIMEOUT_MS      3000 /* only a node that never saw the database waits for it */

int secret_file(const char *path, char **out, struct err *err)
{
	char *content = NULL, secret[SECRET_CHARS + 1], *line;
	size_t n;
	int r;

	r = file_read(path, SECRET_FILE_MAX_BYTES, &content, &n, err);
	if (r == 0) {
		struct str first = { content, str_find_char((struct str){ content, n }, '\n') };

		first = str_trim(first);
		if (first.len > 0) {
			*out = xstrndup(first);
			free(content);
			return 0;
		}
	} else if (r != -ENOENT) {
		return r;
	}
	free(content);
	secrets_token(secret, SECRET_CHARS);
	line = xasprintf("%s\n", secret);
	r = file_replace(path, str_of(line), 0600, err);
	if (r == 0)
		*out = xstrdup(secret);
	secrets_wipe(line, strlen(line));
	free(line);
	secrets_wipe(secret, sizeof(secret));
	return r;
}

void password_file_check(const char *path, struct str hash)
{
	char *text = NULL, *old = NULL;
	size_t n = 0;

	if (file_read(path, SECRET_FILE_MAX_BYTES, &text, &n, NULL) < 0)
		return;
	if (!password_matches(str_trim((struct str){ text, n }), hash)) {
		old = xasprintf("%s.old", path);
		log_warn("service", "the password file is not of this password, and is put aside",
			 LOG_T("file", path), LOG_T("as", old));
		if (rename(path, old) < 0)
			log_warn("service", "the password file stays", LOG_T("err", strerror(errno)));
	}
	secrets_wipe(text, n);
	free(text);
	free(old);
}

int key_read(const char *path, struct seal_key *out, struct err *err)
{
	char *content = NULL;
	size_t n = 0;
	int r = file_read(path, SECRET_FILE_MAX_BYTES, &content, &n, err);

	if (r < 0)
		return err_prefix(err, r, "secrets.key_file");
	seal_key_make(str_trim((struct str){ content, n }), out);
	secrets_wipe(content, n);
	free(content);
	return 0;
}

int key_fingerprint(const char *path, char **out, struct err *err)
{
	char *content = NULL, text[2 * SHA256_BYTES + 1];
	uint8_t digest[SHA256_BYTES];
	struct strbuf labelled;
	struct str key;
	size_t n;
	int r;

	r = file_read(path, SECRET_FILE_MAX_BYTES, &content, &n, err);
	if (r < 0)
		return err_prefix(err, r, "secrets.key_file");
	key = str_trim((struct str){ content, n });
	strbuf_init(&labelled, SECRET_FILE_MAX_BYTES + 64);
	strbuf_put_text(&labelled, "rfeventd key fingerprint ");
	strbuf_put(&labelled, key);
	secrets_sha256(strbuf_str(&labelled), digest);
	secrets_hex(digest, sizeof(digest), text);
	if (key.len < KEY_MIN_BYTES)
		r = err_set(err, -EINVAL, "secrets.key_file: '%s' holds %zu bytes, a key needs %d",
			    path, key.len, KEY_MIN_BYTES);
	else
		*out = xstrdup(text);
	secrets_wipe(content, n);
	secrets_wipe(labelled.p, labelled.len);
	strbuf_fini(&labelled);
	free(content);
	return r;
}

int key_check(struct db *db, struct uuid node, const char *path, const char *fingerprint,
	      struct err *err)
{
	char *holds = NULL;
	int r = fact_claim(db, FACT_KEY_FINGERPRINT,
			   fingerprint ? str_of(fingerprint) : (struct str){ NULL, 0 }, node,
			   &holds, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = 0;
	if (!fingerprint)
		r = err_set(err, -EKEYREJECTED,
			    "the replicas of this database share a key and this one has none: copy "
			    "their key file here and name it in secrets.key_file");
	else if (strcmp(holds, fingerprint) != 0)
		r = err_set(err, -EKEYREJECTED,
			    "secrets.key_file: '%s' is not the key that the replicas of this "
			    "database share: put a copy of their key file in its place",
			    path);
	free(holds);
	return r;
}

/* --- the first start ---------------------------------------------------------------------------
 */

/* NULL when it cannot be reached: the node starts with secrets of its own, and agrees later. */
static struct db *open_shared(const char *url)
{
	struct db *db = NULL;
	struct err err;
	int r;

	if (!url)
		return NULL;
	r = db_open(url, "rfeventd first start", FIRST_TIMEOUT_MS, &db, &err);
	if (r == 0)
		r = migrate(db, &err);
	if (r == 0)
		return db;
	db_close(db);
	log_warn("service", "first start without the database: secrets are made here and give way to "
			    "those that its replicas share",
		 LOG_T("err", err.text));
	return NULL;
}

/* What the database's replicas share, unless the configuration or a file says it. */
static int find_token(const struct first_start *first, struct db *db, char **token, struct err *err)
{
	char *path = xasprintf("%s/enrolment-token", first->state_dir);
	int r = -ENOENT;

	if (db && access(path, F_OK) != 0)
		r = fact_claim(db, FACT_ENROLMENT_TOKEN, (struct str){ NULL, 0 }, first->node, token,
			       err);
	if (r == -ENOENT)
		r = secret_file(path, token, err);
	free(path);
	return r;
}

int first_start(const struct first_start *first, char **token, struct err *err)
{
	struct db *db = open_shared(first->url);
	int r = 0;

	if (db)
		r = key_check(db, first->node, first->key_file, first->key_fingerprint, err);
	if (r == 0 && !*token)
		r = find_token(first, db, token, err);
	db_close(db);
	return r;
}
