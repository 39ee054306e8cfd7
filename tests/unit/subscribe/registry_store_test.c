/* Registries in the database, and their mirror on a node's disk. Real PostgreSQL. */
#include "tests/unit/storage/pg.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "storage/migrate.h"
#include "subscribe/registry_mirror.h"
#include "subscribe/registry_store.h"

#define HOUR_US (3600 * CLOCK_US_PER_S)

static const struct uuid bmc = { { 0xb1, 1 } }, other_bmc = { { 0xb2, 2 } };

struct house {
	char dir[64], *url;
	struct db *db;
};

static void house_open(struct house *house)
{
	struct err err = { "" };

	log_set(LOG_ERROR, LOG_LOGFMT);
	*house = (struct house){ .dir = "/tmp/rfeventd-mirror-XXXXXX" };
	assert_non_null(mkdtemp(house->dir));
	house->url = pg_new_database();
	house->db = pg_connect(house->url);
	if (migrate(house->db, &err) < 0)
		fail_msg("%s", err.text);
}

static void house_close(struct house *house)
{
	char command[128];

	db_close(house->db);
	free(house->url);
	snprintf(command, sizeof(command), "rm -rf %s", house->dir);
	assert_int_equal(system(command), 0);
}

static char *body_of(const char *prefix, const char *version, const char *text)
{
	return xasprintf("{\"@odata.type\":\"#MessageRegistry.v1_7_0.MessageRegistry\","
			 "\"Id\":\"%s.%s\",\"Language\":\"en\",\"RegistryPrefix\":\"%s\","
			 "\"RegistryVersion\":\"%s\",\"OwningEntity\":\"Contoso\",\"Messages\":"
			 "{\"Down\":{\"Message\":\"%s\",\"NumberOfArgs\":0}}}",
			 prefix, version, prefix, version, text);
}

/* Put it; its hash is in `sha256`. */
static bool put(struct house *house, const char *prefix, const char *text,
		const struct registry_place *from, char sha256[65])
{
	char *body = body_of(prefix, "1.0.0", text);
	struct registry *registry = NULL;
	struct err err = { "" };
	bool is_new = false;

	if (registry_parse(str_of(body), prefix, &registry, &err) < 0 ||
	    registry_store_put(house->db, registry, str_of(body), from, &is_new, &err) < 0)
		fail_msg("%s", err.text);
	snprintf(sha256, 65, "%s", registry_sha256(registry).p);
	registry_unref(registry);
	free(body);
	return is_new;
}

static bool mirror(struct house *house)
{
	struct err err = { "" };
	bool changed = false;

	if (registry_mirror_sync(house->db, house->dir, &changed, &err) < 0)
		fail_msg("%s", err.text);
	return changed;
}

/* What the mirrored registries make of an id of this source. */
static char *words(struct house *house, struct uuid source, const char *message_id)
{
	char *fetched = xasprintf("%s/" REGISTRY_MIRROR_FETCHED, house->dir);
	char *added = xasprintf("%s/" REGISTRY_MIRROR_ADDED, house->dir);
	const char *const dirs[] = { fetched, added };
	struct registry_set *set = registry_set_load(dirs, 2, NULL);
	struct match match;
	char *text;

	registry_mirror_hold(house->dir, set);
	match = resolve_find(set, source, str_of(message_id), false, 0);
	text = match.message ? xasprintf("%.*s", STR_ARG(match.message->text)) : xstrdup("nobody");
	registry_set_unref(set);
	free(fetched);
	free(added);
	return text;
}

static void assert_words(struct house *house, struct uuid source, const char *message_id,
			 const char *expected)
{
	char *text = words(house, source, message_id);

	assert_string_equal(text, expected);
	free(text);
}

static void two_of_one_name(void **state)
{
	const struct registry_place here = { bmc, STR("/r/1"), STR("\"e1\"") };
	const struct registry_place there = { other_bmc, STR("/r/1"), { NULL, 0 } };
	char first[65], second[65];
	struct strbuf etag;
	struct house house;
	struct err err;

	PG_OR_SKIP();
	house_open(&house);
	assert_false(mirror(&house));
	assert_true(put(&house, "Contoso", "from one", &here, first));
	assert_false(put(&house, "Contoso", "from one", &here, first));
	assert_true(put(&house, "Contoso", "from the other", &there, second));
	assert_true(mirror(&house));
	assert_false(mirror(&house));
	assert_words(&house, bmc, "Contoso.1.0.Down", "from one");
	assert_words(&house, other_bmc, "Contoso.1.0.Down", "from the other");

	strbuf_init(&etag, 100);
	assert_int_equal(registry_store_find_etag(house.db, bmc, STR("/r/1"), &etag, &err), 1);
	assert_true(str_eq(strbuf_str(&etag), STR("\"e1\"")));
	assert_int_equal(registry_store_find_etag(house.db, bmc, STR("/r/2"), &etag, &err), 0);
	assert_int_equal(registry_store_find_etag(house.db, other_bmc, STR("/r/1"), &etag, &err),
			 0);
	strbuf_fini(&etag);

	assert_int_equal(registry_store_remove(house.db, str_of(first), &err), 1);
	assert_int_equal(registry_store_remove(house.db, str_of(first), &err), 0);
	assert_true(mirror(&house));
	assert_words(&house, bmc, "Contoso.1.0.Down", "from the other");
	house_close(&house);
}

static void added_by_hand(void **state)
{
	const struct registry_place here = { bmc, STR("/r/1"), { NULL, 0 } };
	char hash[65], other[65];
	struct house house;

	PG_OR_SKIP();
	house_open(&house);
	assert_true(put(&house, "Contoso", "fetched", &here, hash));
	assert_true(put(&house, "Contoso", "by hand", NULL, other));
	assert_true(mirror(&house));
	assert_words(&house, other_bmc, "Contoso.1.0.Down", "by hand"); /* the later folder's */
	assert_words(&house, bmc, "Contoso.1.0.Down", "fetched");
	/* the same bytes, now by hand too: they stay when their source is forgotten */
	assert_false(put(&house, "Contoso", "fetched", NULL, hash));
	assert_true(mirror(&house));
	assert_int_equal(pg_int(house.db, "SELECT count(*) FROM registry WHERE by_hand"), 2);
	house_close(&house);
}

static int claim(struct house *house, bool force)
{
	struct err err = { "" };

	return registry_store_claim(house->db, bmc, HOUR_US, 24 * HOUR_US, force, &err);
}

static void pass_minutes(struct house *house, int minutes)
{
	char *sql = xasprintf("UPDATE registry_asked SET asked = asked - interval '%d minutes'",
			      minutes);

	pg_sql(house->db, sql);
	free(sql);
}

static void a_source_is_asked_once(void **state)
{
	const struct registry_place one = { bmc, STR("/r/1"), { NULL, 0 } };
	const struct registry_place two = { bmc, STR("/r/2"), { NULL, 0 } };
	char first[65], second[65];
	struct house house;
	struct err err;

	PG_OR_SKIP();
	house_open(&house);
	assert_int_equal(claim(&house, false), 1);
	assert_int_equal(claim(&house, false), 0);
	assert_int_equal(claim(&house, true), 1);
	put(&house, "One", "one", &one, first);
	put(&house, "Two", "two", &two, second);
	assert_int_equal(registry_store_asked(house.db, bmc, NULL, &err), 0);
	mirror(&house);
	assert_words(&house, bmc, "Elsewhere.1.0.Down", "nobody"); /* two have it */
	pass_minutes(&house, 23 * 60);
	assert_int_equal(claim(&house, false), 0);
	pass_minutes(&house, 61);
	assert_int_equal(claim(&house, false), 1);

	/* a failure keeps what was known, and each makes the next wait twice as long */
	assert_int_equal(registry_store_asked(house.db, bmc, "no route", &err), 0);
	assert_int_equal(pg_int(house.db, "SELECT count(*) FROM registry_source"), 2);
	pass_minutes(&house, 59);
	assert_int_equal(claim(&house, false), 0);
	pass_minutes(&house, 2);
	assert_int_equal(claim(&house, false), 1);
	pass_minutes(&house, 119);
	assert_int_equal(claim(&house, false), 0);
	pass_minutes(&house, 2);
	assert_int_equal(claim(&house, false), 1); /* nobody said how the last one went */

	/* read again, whole: what is not served any more is not the source's any more */
	assert_int_equal(registry_store_seen(house.db, bmc, STR("/r/2"), &err), 0);
	assert_int_equal(registry_store_asked(house.db, bmc, NULL, &err), 0);
	assert_int_equal(pg_int(house.db, "SELECT count(*) FROM registry_source"), 1);
	assert_true(mirror(&house));
	assert_words(&house, bmc, "Elsewhere.1.0.Down", "two");
	assert_words(&house, other_bmc, "Elsewhere.1.0.Down", "nobody");
	house_close(&house);
}

/* Another replica hears of it. */
static void changes_are_told(void **state)
{
	const struct registry_place here = { bmc, STR("/r/1"), { NULL, 0 } };
	struct strbuf channel, payload;
	struct house house;
	struct db *listener;
	struct err err;
	char hash[65];

	PG_OR_SKIP();
	house_open(&house);
	strbuf_init(&channel, 100);
	strbuf_init(&payload, 100);
	listener = pg_connect(house.url);
	assert_int_equal(db_exec(listener, "LISTEN " REGISTRY_CHANNEL, &err), 0);
	put(&house, "Contoso", "text", &here, hash);
	assert_int_equal(db_exec(listener, "SELECT 1", &err), 0);
	assert_false(db_next_notification(listener, &channel, &payload));
	assert_int_equal(registry_store_asked(house.db, bmc, NULL, &err), 0);
	assert_int_equal(db_exec(listener, "SELECT 1", &err), 0);
	assert_true(db_next_notification(listener, &channel, &payload));
	strbuf_reset(&channel);
	put(&house, "Contoso", "by hand", NULL, hash);
	assert_int_equal(db_exec(listener, "SELECT 1", &err), 0);
	assert_true(db_next_notification(listener, &channel, &payload));
	assert_true(str_eq(strbuf_str(&channel), STR(REGISTRY_CHANNEL)));
	db_close(listener);
	strbuf_fini(&channel);
	strbuf_fini(&payload);
	house_close(&house);
}

/* A database that is not ours to trust must not write elsewhere. */
static void odd_rows(void **state)
{
	struct house house;
	char *path;

	PG_OR_SKIP();
	house_open(&house);
	pg_sql(house.db, "INSERT INTO registry (sha256, prefix, version, language, by_hand, body)"
			 " VALUES ('../../escaped', 'A', '1.0.0', 'en', true, 'x')");
	pg_sql(house.db, "INSERT INTO registry_source (source_id, sha256, uri)"
			 " VALUES (gen_random_uuid(), '../../escaped', '/')");
	assert_true(mirror(&house)); /* the holdings */
	path = xasprintf("%s/../escaped.json", house.dir);
	assert_int_not_equal(access(path, F_OK), 0);
	free(path);
	assert_words(&house, bmc, "A.1.0.Down", "nobody");
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_of_one_name),
		cmocka_unit_test(added_by_hand),
		cmocka_unit_test(a_source_is_asked_once),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(odd_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
