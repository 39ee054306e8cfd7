#include "subscribe/registry_mirror.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"
#include "registries/limits.h"
#include "registries/registry.h"
#include "storage/db.h"
#include "subscribe/limits.h"

#define SHA256_HEX 64
#define SUFFIX     ".json"

static char there; /* a value for maps that are sets */

/* --- bodies --------------------------------------------------------------------------------------
 */

static bool is_hash(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!((text.p[i] >= '0' && text.p[i] <= '9') ||
		      (text.p[i] >= 'a' && text.p[i] <= 'f')))
			return false;
	}
	return text.len == SHA256_HEX;
}

static int fetch_body(struct db *db, struct str sha256, const char *path, struct err *err)
{
	const struct db_param params[] = { DB_STR(sha256) };
	struct db_result *result;
	struct strbuf body;
	int r;

	r = db_query(db, "SELECT body FROM registry WHERE sha256 = $1", params, 1, &result, err);
	if (r < 0)
		return r;
	strbuf_init(&body, REGISTRY_MAX_BYTES);
	if (db_rows(result) == 1) { /* else it was removed meanwhile */
		db_bytes(result, 0, 0, &body);
		r = file_replace(path, strbuf_str(&body), 0644, err);
	}
	strbuf_fini(&body);
	db_result_free(result);
	return r;
}

/* Files of the folder that `wanted` has not: gone. */
static bool remove_others(const char *dir, const struct map *wanted)
{
	bool changed = false;
	struct dirent *entry;
	DIR *stream = opendir(dir);

	while (stream && (entry = readdir(stream))) {
		struct str name = str_of(entry->d_name);
		char *path;

		if (entry->d_name[0] == '.')
			continue;
		if (str_ends_with(name, STR(SUFFIX)))
			name.len -= strlen(SUFFIX);
		if (map_get(wanted, name))
			continue;
		path = xasprintf("%s/%s", dir, entry->d_name);
		if (unlink(path) == 0)
			changed = true;
		free(path);
	}
	if (stream)
		closedir(stream);
	return changed;
}

/* One of the two folders: `rows` of (sha256). */
static int sync_folder(struct db *db, const char *dir, const struct db_result *rows,
		       bool *changed_out, struct err *err)
{
	struct map *wanted = map_new(db_rows(rows));
	int r = file_make_dirs(dir, 0755, err);

	for (size_t i = 0; r == 0 && i < db_rows(rows); i++) {
		struct str sha256 = db_str(rows, i, 0);
		char *path;

		if (!is_hash(sha256)) /* it will be a file name */
			continue;
		map_put(wanted, sha256, &there);
		path = xasprintf("%s/%.*s" SUFFIX, dir, STR_ARG(sha256));
		if (access(path, F_OK) != 0) {
			r = fetch_body(db, sha256, path, err);
			*changed_out = true;
		}
		free(path);
	}
	if (r == 0 && remove_others(dir, wanted))
		*changed_out = true;
	map_free(wanted);
	return r;
}

static int sync_bodies(struct db *db, const char *dir, bool by_hand, bool *changed_out,
		       struct err *err)
{
	const struct db_param params[] = { DB_STR(by_hand ? STR("true") : STR("false")) };
	struct db_result *rows;
	char *folder;
	int r;

	r = db_query(db, "SELECT sha256 FROM registry WHERE by_hand = $1", params, 1, &rows, err);
	if (r < 0)
		return r;
	folder = xasprintf("%s/%s", dir, by_hand ? REGISTRY_MIRROR_ADDED : REGISTRY_MIRROR_FETCHED);
	r = sync_folder(db, folder, rows, changed_out, err);
	free(folder);
	db_result_free(rows);
	return r;
}

/* --- holdings ------------------------------------------------------------------------------------
 */

static bool is_content(const char *path, struct str content)
{
	struct err ignored;
	char *bytes;
	size_t n;
	bool same;

	if (file_read(path, REGISTRY_HOLDINGS_MAX_BYTES, &bytes, &n, &ignored) < 0)
		return content.len == 0;
	same = str_eq((struct str){ bytes, n }, content);
	free(bytes);
	return same;
}

static int sync_holdings(struct db *db, const char *dir, bool *changed_out, struct err *err)
{
	struct db_result *rows;
	struct strbuf text;
	char *path;
	int r;

	r = db_query(db,
		     "SELECT source_id || ' ' || string_agg(sha256, ' ' ORDER BY sha256)"
		     " FROM registry_source GROUP BY source_id ORDER BY source_id",
		     NULL, 0, &rows, err);
	if (r < 0)
		return r;
	strbuf_init(&text, REGISTRY_HOLDINGS_MAX_BYTES);
	for (size_t i = 0; i < db_rows(rows); i++)
		strbuf_putf(&text, "%.*s\n", STR_ARG(db_str(rows, i, 0)));
	path = xasprintf("%s/holdings", dir);
	if (text.failed) {
		r = err_set(err, -EFBIG, "registries: too many sources serve too many of them");
	} else if (!is_content(path, strbuf_str(&text))) {
		r = file_replace(path, strbuf_str(&text), 0644, err);
		*changed_out = true;
	}
	free(path);
	strbuf_fini(&text);
	db_result_free(rows);
	return r;
}

/* At the first start the loader is still making the tables. */
static int check_tables(struct db *db, struct err *err)
{
	struct db_result *result;
	int r;

	r = db_query(db, "SELECT 1 WHERE to_regclass('registry_source') IS NOT NULL", NULL, 0,
		     &result, err);
	if (r < 0)
		return r;
	if (db_rows(result) == 0)
		r = err_set(err, -EAGAIN, "registries: the database has no tables yet");
	db_result_free(result);
	return r;
}

int registry_mirror_sync(struct db *db, const char *dir, bool *changed_out, struct err *err)
{
	int r;

	*changed_out = false;
	r = check_tables(db, err);
	if (r == 0)
		r = sync_bodies(db, dir, false, changed_out, err);
	if (r == 0)
		r = sync_bodies(db, dir, true, changed_out, err);
	if (r == 0)
		r = sync_holdings(db, dir, changed_out, err);
	return r;
}

/* One line, which is written to. */
static void hold(struct registry_set *set, char *line)
{
	const char *hashes[REGISTRY_HOLDINGS_PER_SOURCE];
	char *rest = NULL, *word = strtok_r(line, " ", &rest);
	struct uuid source;
	size_t n = 0;

	if (!word || !uuid_parse(str_of(word), &source))
		return;
	while (n < ARRAY_LEN(hashes) && (word = strtok_r(NULL, " ", &rest)))
		hashes[n++] = word;
	registry_set_hold(set, source, hashes, n);
}

void registry_mirror_hold(const char *dir, struct registry_set *set)
{
	char *path = xasprintf("%s/holdings", dir);
	char *text = NULL, *line, *rest = NULL;
	struct err err;
	size_t n;

	if (access(path, F_OK) == 0) {
		if (file_read(path, REGISTRY_HOLDINGS_MAX_BYTES, &text, &n, &err) < 0)
			log_warn("subscribe", "cannot read which source serves which registry",
				 LOG_T("err", err.text));
		for (line = text ? strtok_r(text, "\n", &rest) : NULL; line;
		     line = strtok_r(NULL, "\n", &rest))
			hold(set, line);
	}
	free(text);
	free(path);
}
