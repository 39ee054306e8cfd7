/* The service's table of keys: defaults, checks across keys. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "service/config.h"

static void test_defaults_are_the_contract(void **state)
{
	struct config config;
	struct err err;

	assert_int_equal(config_load(NULL, NULL, 0, &config, &err), 0);
	assert_string_equal(config.state_dir, "/var/lib/rfeventd");
	assert_int_equal(config.receiver_listen.n, 1);
	assert_string_equal(config.receiver_listen.items[0], "[::]:8443");
	assert_string_equal(config.api_listen.items[0], "[::]:9443");
	assert_int_equal(config.receiver_max_sources, 200000);
	assert_int_equal(config.receiver_max_body_bytes, 16 << 20);
	assert_int_equal(config.receiver_repeat_window_us, 600ll * 1000000);
	assert_int_equal(config.receiver_reply_status, 200);
	assert_int_equal(config.storage_journal_max_bytes, 8ll << 30);
	assert_int_equal(config.storage_journal_keep_us, 3600ll * 1000000);
	assert_int_equal(config.storage_keep_events_us, 90ll * 86400 * 1000000);
	assert_string_equal(config.default_language, "en");
	assert_null(config.storage_url);
	assert_true(config.receiver_workers >= 1);
	config_free(config_keys, &config);
}

static const struct {
	const char *set, *says;
} refused[] = {
	{ "receiver.enrolment_token=UPPER", "receiver.enrolment_token" },
	{ "receiver.enrolment_token=short", "receiver.enrolment_token" },
	{ "receiver.reply_status=203", "receiver.reply_status" },
	{ "receiver.listen=[]", "receiver.listen" },
	{ "storage.journal_max_bytes=1 MiB", "storage.journal_max_bytes" },
	{ "sources=[{name: a}]", "'a' needs a token" },
	{ "sources=[{name: a, token: abcdefgh}, {name: a, token: abcdefgi}]", "twice" },
	{ "sources=[{token: abcdefgh}]", "name" },
	{ "sources=[{name: a, certificate: 'sha256:AB:CD'}]", "without colons" },
	{ "sources=[{name: a, certificate: 'SHA256:abcd'}]", "64 hex digits" },
	{ "receiver.tls.listeners=[{address: '127.0.0.1:1', min_version: '1.1'}]",
	  "security_level 0" },
	{ "log.level=loud", "log.level" },
	{ "receiver.workers=-1", "receiver.workers" },
};

static void test_what_cannot_be_is_refused_by_name(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct config config;
		struct err err = { "" };

		assert_int_equal(config_load(NULL, &refused[i].set, 1, &config, &err), -EINVAL);
		if (!strstr(err.text, refused[i].says))
			fail_msg("%s: says '%s', not '%s'", refused[i].set, err.text, refused[i].says);
	}
}

static void test_lists_from_the_command_line(void **state)
{
	const char *const sets[] = { "receiver.listen=127.0.0.1:1,127.0.0.1:2",
				     "api.listen=['127.0.0.1:3']", "storage.url=postgresql:///x" };
	struct config config;
	struct err err;

	assert_int_equal(config_load(NULL, sets, ARRAY_LEN(sets), &config, &err), 0);
	assert_int_equal(config.receiver_listen.n, 2);
	assert_string_equal(config.receiver_listen.items[1], "127.0.0.1:2");
	assert_string_equal(config.api_listen.items[0], "127.0.0.1:3");
	assert_string_equal(config.storage_url, "postgresql:///x");
	config_free(config_keys, &config);
}

static void test_certificates_of_sources(void **state)
{
	static const char *const sets[] = {
		"sources=[{name: a, certificate: 'sha256:"
		"00112233445566778899aabbCCDDEEFF00112233445566778899aabbccddeeff'}]",
		"sources=[{name: a, certificate: rack7-n12.example}]",
	};

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		struct config config;
		struct err err = { "" };

		if (config_load(NULL, &sets[i], 1, &config, &err) < 0)
			fail_msg("%s", err.text);
		config_free(config_keys, &config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_the_contract),
		cmocka_unit_test(test_what_cannot_be_is_refused_by_name),
		cmocka_unit_test(test_certificates_of_sources),
		cmocka_unit_test(test_lists_from_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
