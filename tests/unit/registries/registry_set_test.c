/* Sets: reading folders, equal files, the registries we ship, and all real ones there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "registry_fixture.h"

#define REGISTRY(prefix, version, text)                                                            \
	"{\"RegistryPrefix\":\"" prefix "\",\"RegistryVersion\":\"" version                        \
	"\",\"Messages\":{" FIXTURE_MESSAGE("Key", 0, "OK", text) "}}"

static void put_file(const char *dir, const char *name, const char *content)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct err err;

	assert_int_equal(file_replace(path, str_of(content), 0644, &err), 0);
	free(path);
}

static void remove_folder(const char *dir)
{
	char *command = xasprintf("rm -rf '%s'", dir);

	assert_int_equal(system(command), 0);
	free(command);
}

/* Made new below the temporary folder. */
static char *new_folder(void)
{
	const char *parent = getenv("TMPDIR");
	char *dir = xasprintf("%s/registry_set_test.XXXXXX", parent ? parent : "/tmp");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static void folders(void **state)
{
	char *dir = new_folder(), *deep = xasprintf("%s/vendor/deep", dir);
	char *circle = xasprintf("%s/circle", deep), *second = xasprintf("%s/second", dir);
	const char *const dirs[] = { dir, "/no/such/folder", second };
	struct registry_load_result result;
	struct registry_set *set;
	struct err err;

	log_set(LOG_ERROR, LOG_LOGFMT); /* the broken file is named in a warning */
	assert_int_equal(file_make_dirs(deep, 0755, &err), 0);
	assert_int_equal(file_make_dirs(second, 0755, &err), 0);
	assert_int_equal(symlink(dir, circle), 0);
	put_file(dir, "B.json", REGISTRY("B", "1.0.0", "m"));
	put_file(dir, "A.1.10.0.json", REGISTRY("A", "1.10.0", "m"));
	put_file(deep, "A.1.9.0.json", REGISTRY("A", "1.9.0", "m"));
	put_file(deep, "copy.json", REGISTRY("A", "1.9.0", "m"));
	put_file(deep, "attributes.json", "{\"RegistryEntries\":{}}");
	put_file(deep, "broken.json", "{");
	put_file(deep, "A.1.8.0.txt", REGISTRY("A", "1.8.0", "m"));
	put_file(deep, ".A.1.7.0.json", REGISTRY("A", "1.7.0", "m"));
	set = registry_set_load(dirs, 3, &result);
	assert_int_equal(result.n_loaded, 3);
	assert_int_equal(result.n_same, 1);
	assert_int_equal(result.n_skipped, 2);
	assert_true(result.n_findings > 0);
	assert_int_equal(registry_set_count(set), 3);
	assert_true(str_eq(registry_version(registry_set_at(set, 0)), STR("1.9.0")));
	assert_true(str_eq(registry_version(registry_set_at(set, 1)), STR("1.10.0")));
	assert_true(str_eq(registry_prefix(registry_set_at(set, 2)), STR("B")));
	assert_null(registry_set_at(set, 3));
	registry_set_unref(set);
	remove_folder(dir);
	free(dir);
	free(deep);
	free(circle);
	free(second);
}

static struct str text_of(const struct registry_set *set, const char *message_id)
{
	struct match match =
		resolve_find(set, (struct uuid){ { 0 } }, str_of(message_id), false, 0);

	return match.message ? match.message->text : STR("nobody");
}

/* An operator's own copy answers instead of the shipped one of the same version. */
static void later_folder_wins(void **state)
{
	char *dir = new_folder(), *first = xasprintf("%s/1", dir), *second = xasprintf("%s/2", dir);
	const char *const dirs[] = { first, second }, *const swapped[] = { second, first };
	struct registry_set *set;
	struct err err;

	assert_int_equal(file_make_dirs(first, 0755, &err), 0);
	assert_int_equal(file_make_dirs(second, 0755, &err), 0);
	put_file(first, "A.json", REGISTRY("A", "1.0.0", "ours"));
	put_file(second, "A.json", REGISTRY("A", "1.0.0", "theirs"));
	set = registry_set_load(dirs, 2, NULL);
	assert_int_equal(registry_set_count(set), 2);
	assert_true(str_eq(text_of(set, "A.1.0.Key"), STR("theirs")));
	registry_set_unref(set);
	set = registry_set_load(swapped, 2, NULL);
	assert_true(str_eq(text_of(set, "A.1.0.Key"), STR("ours")));
	registry_set_unref(set);
	/* A file in both folders counts as one of the later. */
	put_file(second, "A.json", REGISTRY("A", "1.0.0", "ours"));
	put_file(first, "B.json",
		 "{\"RegistryPrefix\":\"A\",\"RegistryVersion\":\"1.0.0\",\"Messages\":"
		 "{" FIXTURE_MESSAGE("Key", 0, "OK", "larger") ",\"More\":{}}}");
	set = registry_set_load(dirs, 2, NULL);
	assert_int_equal(registry_set_count(set), 2);
	assert_true(str_eq(text_of(set, "A.1.0.Key"), STR("ours")));
	registry_set_unref(set);
	remove_folder(dir);
	free(dir);
	free(first);
	free(second);
}

static void english_answers(void **state)
{
	static const char german[] =
		"{\"RegistryPrefix\":\"A\",\"RegistryVersion\":\"1.0.0\","
		"\"Language\":\"de\",\"Messages\":{" FIXTURE_MESSAGE(
			"Key", 0, "OK", "deutsch") "," FIXTURE_MESSAGE("More", 0, "OK", "m") "}}";
	struct registry *registries[2];
	struct registry_set *set;
	struct err err;

	assert_int_equal(registry_parse(STR(german), "A.json", &registries[0], &err), 0);
	registries[1] = fixture_registry("A", "1.0.0", FIXTURE_MESSAGE("Key", 0, "OK", "english"));
	set = registry_set_new(registries, 2);
	assert_int_equal(registry_set_count(set), 2);
	assert_true(str_eq(text_of(set, "A.1.0.Key"), STR("english")));
	assert_true(str_eq(text_of(set, "A.1.0.More"), STR("m")));
	registry_set_unref(set);
}

static void nothing_there(void **state)
{
	const char *const dirs[] = { "/no/such/folder" };
	struct registry_load_result result;
	struct registry_set *set = registry_set_load(dirs, 1, &result);

	assert_int_equal(result.n_loaded + result.n_skipped + result.n_same, 0);
	assert_int_equal(registry_set_count(set), 0);
	assert_int_equal(registry_set_count(NULL), 0);
	assert_true(str_eq(text_of(set, "A.1.0.Key"), STR("nobody")));
	assert_ptr_equal(registry_set_slot_ref(set), set);
	registry_set_slot_unref(set);
	registry_set_unref(set);
	registry_set_unref(NULL);
}

/* What we ship has no defect, and no text that could not be filled. */
static void shipped(void **state)
{
	const char *const dirs[] = { "registries/standard" };
	struct registry_load_result result;
	struct registry_set *set;

	if (access(dirs[0], R_OK) != 0) {
		print_message("no folder %s below the working directory\n", dirs[0]);
		skip();
	}
	set = registry_set_load(dirs, 1, &result);
	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct registry *registry = registry_set_at(set, i);
		const struct registry_finding *finding = registry_findings(registry);

		print_message("%.*s %.*s: %zu messages\n", STR_ARG(registry_prefix(registry)),
			      STR_ARG(registry_version(registry)), registry_count(registry));
		for (; finding; finding = finding->next)
			print_message("  %s [%.*s]: %.*s\n", finding->code, STR_ARG(finding->key),
				      STR_ARG(finding->words));
		assert_true(registry_count(registry) > 0);
	}
	assert_int_equal(result.n_findings, 0);
	assert_int_equal(result.n_skipped, 0);
	assert_int_equal(result.n_same, 0);
	assert_int_equal(result.n_loaded, 22);
	assert_false(str_eq(text_of(set, "ResourceEvent.1.4.ResourceCreated"), STR("nobody")));
	assert_true(str_eq(text_of(set, "Rfeventd.1.0.NoSuchKey"), STR("nobody")));
	registry_set_unref(set);
}

/* Every published registry that is there, found again by each of its own keys. */
static void real_ones(void **state)
{
	const char *shared = fixture_shared("registries");
	char *dmtf, *oem;
	struct registry_load_result result;
	struct registry_set *set;
	int64_t start_us, load_us, find_us;
	size_t n_keys = 0, n_exact = 0;

	if (!shared) {
		print_message("no shared sample data (RFEVENTD_SHARED)\n");
		skip();
	}
	dmtf = xasprintf("%s/dmtf", shared);
	oem = xasprintf("%s/oem", shared);
	start_us = clock_monotonic_us();
	set = registry_set_load((const char *const[]){ dmtf, oem }, 2, &result);
	load_us = clock_monotonic_us() - start_us;
	start_us = clock_monotonic_us();
	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct registry *registry = registry_set_at(set, i);
		unsigned numbers[3];

		registry_version_numbers(registry, numbers);
		for (size_t k = 0; k < registry_count(registry); k++, n_keys++) {
			const struct message *message = registry_message_at(registry, k);
			char id[512];
			int n = snprintf(id, sizeof(id), "%.*s.%u.%u.%.*s",
					 STR_ARG(registry_prefix(registry)), numbers[0], numbers[1],
					 STR_ARG(message->key));
			struct match match =
				resolve_find(set, (struct uuid){ { 0 } },
					     (struct str){ id, (size_t)n }, true, message->n_args);

			n_exact += match.step == STEP_EXACT &&
				   match.message->n_args == message->n_args &&
				   str_eq(match.message->key, message->key);
		}
	}
	find_us = clock_monotonic_us() - start_us;
	print_message("%zu loaded, %zu equal, %zu skipped, %zu findings in %lld ms; "
		      "%zu keys found in %lld ns each\n",
		      result.n_loaded, result.n_same, result.n_skipped, result.n_findings,
		      (long long)load_us / 1000, n_keys,
		      (long long)(find_us * 1000) / (long long)n_keys);
	assert_int_equal(result.n_loaded + result.n_same, 262);
	assert_int_equal(result.n_skipped, 0);
	assert_int_equal(n_exact, n_keys);
	registry_set_unref(set);
	free(dmtf);
	free(oem);
}

static void other_registries_are_skipped(void **state)
{
	const char *shared = fixture_shared("registries/attribute-translated");
	struct registry_load_result result;

	if (!shared) {
		print_message("no shared sample data (RFEVENTD_SHARED)\n");
		skip();
	}
	registry_set_unref(registry_set_load(&shared, 1, &result));
	assert_int_equal(result.n_loaded, 0);
	assert_int_equal(result.n_skipped, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders),
		cmocka_unit_test(later_folder_wins),
		cmocka_unit_test(english_answers),
		cmocka_unit_test(nothing_there),
		cmocka_unit_test(shipped),
		cmocka_unit_test(real_ones),
		cmocka_unit_test(other_registries_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
