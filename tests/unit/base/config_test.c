#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

struct pair {
	char *name, *token;
	int64_t status;
	struct config_list tags;
};

struct values {
	char *dir, *url, *token;
	bool public;
	int level;
	int64_t workers, body_bytes, window_us;
	struct config_list listen, paths;
	struct config_maps pairs;
};

static const char *const levels[] = { "error", "warn", "info", NULL };

static const struct config_key pair_keys[] = {
	{ .name = "name",
	  .type = CONFIG_TEXT,
	  .offset = offsetof(struct pair, name),
	  .required = true,
	  .help = "a name" },
	{ .name = "token",
	  .type = CONFIG_TEXT,
	  .offset = offsetof(struct pair, token),
	  .secret = true },
	{ .name = "status",
	  .type = CONFIG_INT,
	  .offset = offsetof(struct pair, status),
	  .initial = "200",
	  .min = 200,
	  .max = 299 },
	{ .name = "tags", .type = CONFIG_LIST, .offset = offsetof(struct pair, tags) },
	{ 0 },
};

#define AT(member) .offset = offsetof(struct values, member)

static const struct config_key keys[] = {
	{ .name = "state_dir",
	  .type = CONFIG_TEXT,
	  AT(dir),
	  .initial = "/var/lib/x",
	  .help = "a|b" },
	{ .name = "log.level",
	  .type = CONFIG_ENUM,
	  AT(level),
	  .initial = "warn",
	  .choices = levels },
	{ .name = "receiver.listen", .type = CONFIG_LIST, AT(listen), .initial = "['[::]:8443']" },
	{ .name = "receiver.tls.paths", .type = CONFIG_LIST, AT(paths), .reload = true },
	{ .name = "receiver.tls.pairs",
	  .type = CONFIG_MAPS,
	  AT(pairs),
	  .fields = pair_keys,
	  .item_bytes = sizeof(struct pair) },
	{ .name = "receiver.workers", .type = CONFIG_INT, AT(workers), .initial = "0", .max = 256 },
	{ .name = "receiver.token", .type = CONFIG_TEXT, AT(token), .secret = true },
	{ .name = "receiver.max_body_bytes",
	  .type = CONFIG_BYTES,
	  AT(body_bytes),
	  .initial = "16 MiB",
	  .min = 1024,
	  .max = INT64_C(1) << 40 },
	{ .name = "receiver.repeat_window",
	  .type = CONFIG_DURATION,
	  AT(window_us),
	  .initial = "10m",
	  .max = INT64_C(864000000000) },
	{ .name = "api.public", .type = CONFIG_BOOL, AT(public), .initial = "false" },
	{ .name = "storage.url", .type = CONFIG_TEXT, AT(url) },
	{ 0 },
};

/* Defaults with `yaml` over them; the return of config_parse(). */
static int parse(struct values *values, const char *yaml, struct err *err)
{
	memset(values, 0x55, sizeof(*values)); /* what was there before does not matter */
	assert_int_equal(config_defaults(keys, values, err), 0);
	return config_parse(keys, values, str_of(yaml), "x.yaml", err);
}

static void test_defaults(void **state)
{
	struct values values;
	struct err err;

	memset(&values, 0x55, sizeof(values));
	assert_int_equal(config_defaults(keys, &values, &err), 0);
	assert_string_equal(values.dir, "/var/lib/x");
	assert_null(values.url);
	assert_int_equal(values.level, 1);
	assert_int_equal(values.body_bytes, 16 << 20);
	assert_int_equal(values.window_us, 600000000);
	assert_int_equal(values.listen.n, 1);
	assert_string_equal(values.listen.items[0], "[::]:8443");
	assert_int_equal(values.paths.n, 0);
	assert_int_equal(values.pairs.n, 0);
	assert_false(values.public);
	config_free(keys, &values);
	assert_null(values.dir);
	config_free(keys, &values); /* again is fine */
}

/* A default that breaks its own rule is our mistake, found at start. */
static void test_bad_default(void **state)
{
	static const struct config_key bad[] = {
		{ .name = "a", .type = CONFIG_TEXT, .offset = 0, .initial = "x" },
		{ .name = "b",
		  .type = CONFIG_INT,
		  .offset = 8,
		  .initial = "7",
		  .min = 1,
		  .max = 5 },
		{ .name = "c", .type = CONFIG_TEXT, .offset = 16, .initial = "x" },
		{ 0 },
	};
	void *values[3];
	struct err err;

	memset(values, 0x55, sizeof(values)); /* freeing any of that would be seen */
	assert_int_equal(config_defaults(bad, values, &err), -EINVAL);
	assert_string_equal(err.text, "default: b takes a whole number from 1 to 5, not '7'");
	config_free(bad, values);
}

static void test_parse(void **state)
{
	struct values values;
	const struct pair *pairs;
	struct err err;

	assert_int_equal(parse(&values,
			       "# comment\n"
			       "state_dir: ./var\n"
			       "log:\n"
			       "  level: error\n"
			       "receiver:\n"
			       "  listen: [ '127.0.0.1:1', \"[::1]:2\" ]\n"
			       "  tls:\n"
			       "    paths: a, b\n"
			       "    pairs:\n"
			       "    - { name: one, token: null, tags: [x, y] }\n"
			       "    - name: 2\n"
			       "      status: 204\n"
			       "  workers: '8'\n"
			       "  max_body_bytes: 2 MiB\n"
			       "  repeat_window: 1h30m\n"
			       "api.public: yes\n"
			       "storage:\n",
			       &err),
			 0);
	assert_string_equal(values.dir, "./var");
	assert_int_equal(values.level, 0);
	assert_int_equal(values.listen.n, 2);
	assert_string_equal(values.listen.items[1], "[::1]:2");
	assert_int_equal(values.paths.n, 2);
	assert_string_equal(values.paths.items[1], "b");
	assert_int_equal(values.workers, 8);
	assert_int_equal(values.body_bytes, 2 << 20);
	assert_int_equal(values.window_us, INT64_C(5400000000));
	assert_true(values.public);
	assert_int_equal(values.pairs.n, 2);
	pairs = values.pairs.items;
	assert_string_equal(pairs[0].name, "one");
	assert_null(pairs[0].token);
	assert_int_equal(pairs[0].status, 200);
	assert_int_equal(pairs[0].tags.n, 2);
	assert_string_equal(pairs[1].name, "2");
	assert_int_equal(pairs[1].status, 204);
	config_free(keys, &values);
}

static void test_nothing(void **state)
{
	static const char *const empty[] = { "", "\n", "# all commented out\n", "---\n", "~\n" };

	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		struct values values;
		struct err err;

		assert_int_equal(parse(&values, empty[i], &err), 0);
		assert_string_equal(values.dir, "/var/lib/x");
		config_free(keys, &values);
	}
}

static const struct {
	const char *name, *yaml, *words;
} mistakes[] = {
	{ "unknown in a group", "receiver:\n  lisen: []\n",
	  "x.yaml:2: unknown key 'receiver.lisen' (did you mean 'receiver.listen'?)" },
	{ "unknown, dotted", "a: 1\n", "x.yaml:1: unknown key 'a'" },
	{ "unknown group", "\nrecieiver:\n  listen: []\n",
	  "x.yaml:2: unknown key 'recieiver' (did you mean 'receiver'?)" },
	{ "unknown, dotted", "recieiver.listen: []\n",
	  "x.yaml:1: unknown key 'recieiver.listen' (did you mean 'receiver.listen'?)" },
	{ "unknown, far from all", "pipe: 1\n", "x.yaml:1: unknown key 'pipe'" },
	{ "group forgotten", "repeat_window: 1m\n",
	  "x.yaml:1: unknown key 'repeat_window' (did you mean 'receiver.repeat_window'?)" },
	{ "letters swapped", "log: {lveel: info}\n",
	  "x.yaml:1: unknown key 'log.lveel' (did you mean 'log.level'?)" },
	{ "_file of what is no secret", "state_dir_file: x\n",
	  "x.yaml:1: unknown key 'state_dir_file'" },
	{ "enum", "log: {level: loud}\n",
	  "x.yaml:1: log.level takes one of 'error', 'warn', 'info', not 'loud'" },
	{ "enum without a value", "log:\n  level:\n",
	  "x.yaml:2: log.level takes one of 'error', 'warn', 'info'; it has no value here" },
	{ "enum as a list", "log:\n  level: [info]\n",
	  "x.yaml:2: log.level takes one of 'error', 'warn', 'info', not a list" },
	{ "number", "receiver: {workers: many}\n",
	  "x.yaml:1: receiver.workers takes a whole number from 0 to 256, not 'many'" },
	{ "number too large", "receiver: {workers: 257}\n",
	  "x.yaml:1: receiver.workers takes a whole number from 0 to 256, not '257'" },
	{ "fraction", "receiver: {workers: 1.5}\n",
	  "x.yaml:1: receiver.workers takes a whole number from 0 to 256, not '1.5'" },
	{ "size", "receiver: {max_body_bytes: 1 XB}\n",
	  "x.yaml:1: receiver.max_body_bytes takes a size such as 512 MiB from 1 KiB to 1 TiB, not "
	  "'1 XB'" },
	{ "size too small", "receiver: {max_body_bytes: 1023}\n",
	  "x.yaml:1: receiver.max_body_bytes takes a size such as 512 MiB from 1 KiB to 1 TiB, not "
	  "'1023'" },
	{ "duration without unit", "receiver: {repeat_window: 10}\n",
	  "x.yaml:1: receiver.repeat_window takes a duration such as 90d, 10m or 1h30m from 0s to "
	  "10d, not '10'" },
	{ "bool", "api: {public: maybe}\n",
	  "x.yaml:1: api.public takes true or false, not 'maybe'" },
	{ "text as a map", "state_dir: {a: b}\n", "x.yaml:1: state_dir takes a text, not a map" },
	{ "list as a map", "receiver: {listen: {a: b}}\n",
	  "x.yaml:1: receiver.listen takes a list of texts, not a map" },
	{ "list in a list", "receiver:\n  listen:\n  - a\n  - [b]\n",
	  "x.yaml:4: receiver.listen takes a list of texts; one of them is none" },
	{ "empty text in a list", "receiver: {listen: [a, '']}\n",
	  "x.yaml:1: receiver.listen takes a list of texts; one of them is empty" },
	{ "group as a value", "log: info\n",
	  "x.yaml:1: 'log' takes a map of keys such as 'log.level'" },
	{ "group as a list", "log: [level]\n",
	  "x.yaml:1: 'log' takes a map of keys such as 'log.level'" },
	{ "list at the top", "- a\n", "x.yaml:1: takes a map of keys, not a list" },
	{ "key twice", "log:\n  level: info\n  level: warn\n",
	  "x.yaml:3: 'log.level' is given twice, first in line 2" },
	{ "key twice, nested and dotted", "log:\n  level: info\nlog.level: warn\n",
	  "x.yaml:3: 'log.level' is given twice, first in line 2" },
	{ "group twice", "log: {level: info}\nlog: {}\n",
	  "x.yaml:2: 'log' is given twice, first in line 1" },
	{ "secret both ways", "receiver: {token: a, token_file: b}\n",
	  "x.yaml:1: 'receiver.token' is given twice, first in line 1" },
	{ "file that is not there", "receiver: {token_file: /nonexistent/t}\n",
	  "x.yaml:1: receiver.token_file: cannot open '/nonexistent/t': No such file or "
	  "directory" },
	{ "maps as a value", "receiver: {tls: {pairs: a}}\n",
	  "x.yaml:1: receiver.tls.pairs takes a list of maps, not 'a'" },
	{ "maps of values", "receiver: {tls: {pairs: [a]}}\n",
	  "x.yaml:1: receiver.tls.pairs takes a list of maps; element 0 is none" },
	{ "unknown in maps", "receiver:\n  tls:\n    pairs:\n    - name: a\n    - nam: b\n",
	  "x.yaml:5: unknown key 'receiver.tls.pairs[1].nam' "
	  "(did you mean 'receiver.tls.pairs[1].name'?)" },
	{ "twice in maps", "receiver: {tls: {pairs: [{name: a, name: b}]}}\n",
	  "x.yaml:1: 'receiver.tls.pairs[0].name' is given twice, first in line 1" },
	{ "bad in maps", "receiver: {tls: {pairs: [{name: a, status: 404}]}}\n",
	  "x.yaml:1: receiver.tls.pairs[0].status takes a whole number from 200 to 299, not "
	  "'404'" },
	{ "missing in maps", "receiver: {tls: {pairs: [{status: 200}]}}\n",
	  "x.yaml:1: receiver.tls.pairs[0].name is missing" },
	{ "empty in maps", "receiver: {tls: {pairs: [{name: ''}]}}\n",
	  "x.yaml:1: receiver.tls.pairs[0].name is missing" },
	{ "anchor", "state_dir: &a x\n",
	  "x.yaml:1: anchors (&name) are not taken here; write the value out" },
	{ "alias", "state_dir: *a\n",
	  "x.yaml:1: aliases (*name) are not taken here; write the value out" },
	{ "merge key", "log:\n  <<: *a\n",
	  "x.yaml:2: aliases (*name) are not taken here; write the value out" },
	{ "tag", "state_dir: !!str x\n",
	  "x.yaml:1: tags (!name) are not taken here; leave it out" },
	{ "two documents", "log: {}\n---\nlog: {}\n",
	  "x.yaml:2: a second document (---) is not taken here" },
	{ "key that is a list", "[a]: b\n", "x.yaml:1: a key must be a plain name" },
	{ "nested too deep", "[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]\n",
	  "x.yaml:1: nested too deep" },
	{ "NUL", "state_dir: \"a\\0b\"\n", "x.yaml:1: a NUL character in a value" },
	{ "not closed", "log: {level: info\n", "x.yaml:2: not YAML: " },
	{ "tab", "log:\n\tlevel: info\n", "x.yaml:2: not YAML: " },
	{ "control character", "log: \x01\n", "x.yaml:1: not YAML: " },
	{ "not UTF-8", "state_dir: \xb0\n", "x.yaml:1: not YAML: " },
};

static void test_mistakes(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		struct values values;
		struct err err;
		int r;

		print_message("%s\n", mistakes[i].name);
		r = parse(&values, mistakes[i].yaml, &err);
		assert_int_equal(r, -EINVAL);
		/* The words of "not YAML" are the library's. */
		if (str_ends_with(str_of(mistakes[i].words), STR(": ")))
			err.text[strlen(mistakes[i].words)] = '\0';
		assert_string_equal(err.text, mistakes[i].words);
		config_free(keys, &values);
	}
}

static void test_sizes_and_durations(void **state)
{
	static const struct {
		const char *key, *text;
		int64_t value; /* -1: refused */
	} cases[] = {
		{ "receiver.max_body_bytes", "4096", 4096 },
		{ "receiver.max_body_bytes", "100k", 102400 },
		{ "receiver.max_body_bytes", "100 kB", 100000 },
		{ "receiver.max_body_bytes", "100KiB", 102400 },
		{ "receiver.max_body_bytes", "512MiB", INT64_C(536870912) },
		{ "receiver.max_body_bytes", "8 GiB", INT64_C(8589934592) },
		{ "receiver.max_body_bytes", "1T", INT64_C(1) << 40 },
		{ "receiver.max_body_bytes", "99999999999999999T", -1 },
		{ "receiver.max_body_bytes", "-5k", -1 },
		{ "receiver.max_body_bytes", "k", -1 },
		{ "receiver.max_body_bytes", "5 k k", -1 },
		{ "receiver.repeat_window", "0", 0 },
		{ "receiver.repeat_window", "250ms", 250000 },
		{ "receiver.repeat_window", "1d 2h", INT64_C(93600000000) },
		{ "receiver.repeat_window", "1w", INT64_C(604800000000) },
		{ "receiver.repeat_window", "7us", 7 },
		{ "receiver.repeat_window", "11d", -1 },
		{ "receiver.repeat_window", "9999999999999d", -1 },
		{ "receiver.repeat_window", "1h30", -1 },
		{ "receiver.repeat_window", "1 hour", -1 },
		{ "receiver.repeat_window", "-1s", -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool bytes = strcmp(cases[i].key, "receiver.max_body_bytes") == 0;
		char *set = xasprintf("%s=%s", cases[i].key, cases[i].text);
		struct values values;
		struct err err;

		print_message("%s\n", set);
		assert_int_equal(config_defaults(keys, &values, &err), 0);
		assert_int_equal(config_set(keys, &values, set, &err),
				 cases[i].value < 0 ? -EINVAL : 0);
		if (cases[i].value >= 0)
			assert_true((bytes ? values.body_bytes : values.window_us) ==
				    cases[i].value);
		config_free(keys, &values);
		free(set);
	}
}

static void test_set_list(void **state)
{
	static const struct {
		const char *name, *text, *items; /* joined by | */
	} cases[] = {
		{ "YAML", "[\"127.0.0.1:8443\"]", "127.0.0.1:8443" },
		{ "YAML of two", "['[::1]:1', b]", "[::1]:1|b" },
		{ "bare", "127.0.0.1:8443", "127.0.0.1:8443" },
		{ "bare of two", "a:1, b:2", "a:1|b:2" },
		{ "an address that YAML takes for a list", "[::]:8443", "[::]:8443" },
		{ "two of them", "[::1]:8443,127.0.0.1:8443", "[::1]:8443|127.0.0.1:8443" },
		{ "quoted is one", "'a,b'", "a,b" },
		{ "empty list", "[]", "" },
		{ "nothing", "", "" },
		{ "commas alone", ",,", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *set = xasprintf("receiver.listen=%s", cases[i].text);
		struct values values;
		struct strbuf joined;
		struct err err;

		print_message("%s\n", cases[i].name);
		assert_int_equal(config_defaults(keys, &values, &err), 0);
		assert_int_equal(config_set(keys, &values, set, &err), 0);
		strbuf_init(&joined, 1000);
		for (size_t k = 0; k < values.listen.n; k++)
			strbuf_putf(&joined, "%s%s", k > 0 ? "|" : "", values.listen.items[k]);
		assert_string_equal(strbuf_str(&joined).p, cases[i].items);
		strbuf_fini(&joined);
		config_free(keys, &values);
		free(set);
	}
}

static void test_set_text(void **state)
{
	static const struct {
		const char *set, *value;
	} cases[] = {
		{ "storage.url=postgres://u:p@h/db?a=b", "postgres://u:p@h/db?a=b" },
		{ " storage.url = spaced ", "spaced" },
		{ "storage.url='quoted # not'", "quoted # not" },
		{ "storage.url=https://[fe80::1]:8443", "https://[fe80::1]:8443" },
		{ "storage.url=*x", "*x" },
		{ "storage.url=a: b", "a: b" },
		{ "storage.url=", NULL },
		{ "storage.url=''", NULL },
		{ "storage.url=~", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct values values;
		struct err err;

		print_message("%s\n", cases[i].set);
		assert_int_equal(config_defaults(keys, &values, &err), 0);
		assert_int_equal(config_set(keys, &values, "storage.url=before", &err), 0);
		assert_int_equal(config_set(keys, &values, cases[i].set, &err), 0);
		if (cases[i].value)
			assert_string_equal(values.url, cases[i].value);
		else
			assert_null(values.url);
		config_free(keys, &values);
	}
}

static void test_set_mistakes(void **state)
{
	static const struct {
		const char *set, *words;
	} cases[] = {
		{ "log.level", "--set: 'log.level' is not KEY=VALUE" },
		{ "recieiver.listen=a",
		  "--set: unknown key 'recieiver.listen' (did you mean 'receiver.listen'?)" },
		{ "log=info",
		  "--set: 'log' is a group of keys; set one of them, such as 'log.level'" },
		{ "=x", "--set: unknown key ''" },
		{ "log.level=loud",
		  "--set: log.level takes one of 'error', 'warn', 'info', not 'loud'" },
		{ "log.level=",
		  "--set: log.level takes one of 'error', 'warn', 'info'; it has no value here" },
		{ "receiver.tls.pairs=[{name: a, x: b}]",
		  "--set: unknown key 'receiver.tls.pairs[0].x'" },
		{ "receiver.token_file=", "--set: receiver.token_file takes the path of a file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct values values;
		struct err err;

		print_message("%s\n", cases[i].set);
		assert_int_equal(config_defaults(keys, &values, &err), 0);
		assert_int_equal(config_set(keys, &values, cases[i].set, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].words);
		config_free(keys, &values);
	}
}

static void test_secret_file(void **state)
{
	char path[] = "/tmp/config_test.XXXXXX";
	char *set = xasprintf("receiver.token_file=%s", path), *yaml;
	int fd = mkstemp(path);
	struct values values;
	struct err err;

	assert_true(fd >= 0);
	close(fd);
	memcpy(set + strlen("receiver.token_file="), path, strlen(path));
	yaml = xasprintf("receiver: {token_file: %s, tls: {pairs: [{name: a, token_file: %s}]}}",
			 path, path);
	assert_int_equal(file_replace(path, STR(" hunter2\r\nsecond line\n"), 0600, &err), 0);
	assert_int_equal(parse(&values, yaml, &err), 0);
	assert_string_equal(values.token, "hunter2");
	assert_string_equal(((struct pair *)values.pairs.items)->token, "hunter2");
	assert_int_equal(file_replace(path, STR("hunter3"), 0600, &err), 0);
	assert_int_equal(config_set(keys, &values, set, &err), 0);
	assert_string_equal(values.token, "hunter3");
	assert_int_equal(file_replace(path, STR("\nhunter4"), 0600, &err), 0);
	assert_int_equal(config_set(keys, &values, set, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no text in the first line"));
	config_free(keys, &values);
	unlink(path);
	free(yaml);
	free(set);
}

static void print(const struct values *values, struct strbuf *out)
{
	strbuf_init(out, 1 << 20);
	config_print(keys, values, out);
	assert_false(out->failed);
}

static void test_round_trip(void **state)
{
	static const char *const documents[] = {
		"",
		"state_dir: \"a \\\"b\\\" \\\\ \\x85 \\t ☃ #x\"\nlog: {level: info}\n"
		"receiver: {listen: ['a: b', '[::]:1', 'null', '#', \"x\\ny\"], workers: 256,\n"
		"  max_body_bytes: 1025, repeat_window: 1d2h3m4s5ms6us,\n"
		"  tls: {paths: [], pairs: [{name: '~', tags: ['- a']}, {name: b, status: 299}]}}\n"
		"api: {public: true}\nstorage: {url: 'yes'}\n",
		"receiver: {listen: [], max_body_bytes: 1 TiB, repeat_window: 0}\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		struct values first, second;
		struct strbuf one, two;
		struct err err = { "" };

		assert_int_equal(parse(&first, documents[i], &err), 0);
		print(&first, &one);
		if (parse(&second, one.p, &err) < 0)
			fail_msg("%s in\n%s", err.text, one.p);
		print(&second, &two);
		assert_string_equal(one.p, two.p);
		assert_string_equal(first.dir, second.dir);
		assert_int_equal(first.listen.n, second.listen.n);
		for (size_t k = 0; k < first.listen.n; k++)
			assert_string_equal(first.listen.items[k], second.listen.items[k]);
		assert_true(first.window_us == second.window_us);
		assert_true(first.body_bytes == second.body_bytes);
		assert_int_equal(first.pairs.n, second.pairs.n);
		strbuf_fini(&one);
		strbuf_fini(&two);
		config_free(keys, &first);
		config_free(keys, &second);
	}
}

static void test_print(void **state)
{
	struct values values;
	struct strbuf out;
	struct err err;

	assert_int_equal(
		parse(&values,
		      "receiver: {token: hunter2, tls: {pairs: [{name: a, token: hunter2}]}}",
		      &err),
		0);
	print(&values, &out);
	assert_string_equal(out.p, "state_dir: \"/var/lib/x\"\n"
				   "log:\n"
				   "  level: 'warn'\n"
				   "receiver:\n"
				   "  listen: [\"[::]:8443\"]\n"
				   "  tls:\n"
				   "    paths: []\n"
				   "    pairs:\n"
				   "      - name: \"a\"\n"
				   "        token: \"…\"\n"
				   "        status: 200\n"
				   "        tags: []\n"
				   "  workers: 0\n"
				   "  token: \"…\"\n"
				   "  max_body_bytes: 16 MiB\n"
				   "  repeat_window: 10m\n"
				   "api:\n"
				   "  public: false\n"
				   "storage:\n"
				   "  url: \"\"\n");
	strbuf_reset(&out);
	config_print_reference(keys, &out);
	assert_non_null(
		strstr(out.p, "\n| `state_dir` | a text | `/var/lib/x` | restart | a\\|b |\n"));
	assert_non_null(
		strstr(out.p, "\n| `receiver.tls.pairs[].name` | a text | required | restart |"));
	assert_non_null(strstr(out.p, "\n| `receiver.token(_file)` | a text | empty | restart |"));
	assert_non_null(
		strstr(out.p, "\n| `receiver.tls.paths` | a list of texts | empty | reload |"));
	strbuf_fini(&out);
	config_free(keys, &values);
}

/* A file, then --set: the list is replaced, and a failed one leaves what was there. */
static void test_layers(void **state)
{
	struct values values;
	struct err err;

	assert_int_equal(
		parse(&values, "receiver: {listen: [a, b], tls: {pairs: [{name: a}]}}", &err), 0);
	assert_int_equal(config_set(keys, &values, "receiver.listen=[c]", &err), 0);
	assert_int_equal(values.listen.n, 1);
	assert_string_equal(values.listen.items[0], "c");
	assert_int_equal(config_set(keys, &values, "receiver.listen=[d, [e]]", &err), -EINVAL);
	assert_string_equal(values.listen.items[0], "c");
	assert_int_equal(config_set(keys, &values, "receiver.tls.pairs=[{name: x}, {}]", &err),
			 -EINVAL);
	assert_int_equal(values.pairs.n, 1);
	assert_int_equal(
		config_set(keys, &values, "receiver.tls.pairs=[{name: x}, {name: y}]", &err), 0);
	assert_int_equal(values.pairs.n, 2);
	config_free(keys, &values);
}

static void test_too_large(void **state)
{
	size_t n = CONFIG_MAX_BYTES + 1;
	char *yaml = xmalloc(n);
	struct values values;
	struct err err;

	memset(yaml, '#', n);
	assert_int_equal(config_defaults(keys, &values, &err), 0);
	assert_int_equal(config_parse(keys, &values, (struct str){ yaml, n }, "x.yaml", &err),
			 -EFBIG);
	assert_int_equal(config_parse(keys, &values, (struct str){ yaml, n - 1 }, "x.yaml", &err),
			 0);
	config_free(keys, &values);
	free(yaml);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Mutated documents: refused with words, or taken; then they print to what reads back the same. */
static void test_random(void **state)
{
	static const char bytes[] = "[]{}:,-#&*!|>'\"%@` \n\tax0~\\\xff\xc3\xa9.?";
	static const char model[] =
		"state_dir: ./var\nlog: {level: info}\nreceiver:\n  listen: ['a:1', b]\n  tls:\n"
		"    pairs:\n    - name: x\n      status: 201\n    - {name: y, tags: [p, q]}\n"
		"  workers: 3\n  max_body_bytes: 2 MiB\n  repeat_window: 1h\napi: {public: true}\n";
	uint64_t seed = 88172645463325252;
	int n_taken = 0;

	for (int i = 0; i < 20000; i++) {
		size_t n = next_random(&seed) % 16 == 0 ? next_random(&seed) % sizeof(model)
							: sizeof(model) - 1;
		char *mutant = xmalloc(n);
		struct values values, again;
		struct err err = { "" };
		struct strbuf one, two;

		memcpy(mutant, model, n);
		for (uint64_t k = next_random(&seed) % 4; k > 0 && n > 0; k--)
			mutant[next_random(&seed) % n] =
				bytes[next_random(&seed) % (sizeof(bytes) - 1)];
		assert_int_equal(config_defaults(keys, &values, &err), 0);
		if (config_parse(keys, &values, (struct str){ mutant, n }, "x.yaml", &err) == 0) {
			n_taken++;
			print(&values, &one);
			if (parse(&again, one.p, &err) < 0)
				fail_msg("%s in\n%s", err.text, one.p);
			print(&again, &two);
			assert_string_equal(one.p, two.p);
			strbuf_fini(&one);
			strbuf_fini(&two);
			config_free(keys, &again);
		} else {
			assert_true(strncmp(err.text, "x.yaml:", 7) == 0);
		}
		config_free(keys, &values);
		free(mutant);
	}
	assert_in_range(n_taken, 1000, 19000); /* both ways were met */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_bad_default),
		cmocka_unit_test(test_parse),        cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_mistakes),     cmocka_unit_test(test_sizes_and_durations),
		cmocka_unit_test(test_set_list),     cmocka_unit_test(test_set_text),
		cmocka_unit_test(test_set_mistakes), cmocka_unit_test(test_secret_file),
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_print),
		cmocka_unit_test(test_layers),       cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
