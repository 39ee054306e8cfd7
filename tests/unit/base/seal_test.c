/* Sealed secrets: they open with their key and context, and with no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/seal.h"

static bool opens(const struct seal_key *key, struct str context, struct str sealed,
		  struct str wanted)
{
	struct strbuf out;
	bool same;

	strbuf_init(&out, 4096);
	same = seal_open(key, context, sealed, &out) && str_eq(strbuf_str(&out), wanted);
	strbuf_fini(&out);
	return same;
}

static void test_there_and_back(void **state)
{
	static const struct str secrets[] = { STR(""), STR("x"), STR("calvin"), STR("Pässwörd 4711"),
					      STR("with\0nul") };
	struct seal_key key, other;

	seal_key_make(STR("key of the installation"), &key);
	seal_key_make(STR("key of the installatioN"), &other);
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		struct strbuf sealed, again;

		strbuf_init(&sealed, 4096);
		strbuf_init(&again, 4096);
		seal_close(&key, STR("row 1"), secrets[i], &sealed);
		seal_close(&key, STR("row 1"), secrets[i], &again);
		assert_true(opens(&key, STR("row 1"), strbuf_str(&sealed), secrets[i]));
		assert_false(str_eq(strbuf_str(&sealed), strbuf_str(&again)));
		assert_false(opens(&other, STR("row 1"), strbuf_str(&sealed), secrets[i]));
		assert_false(opens(&key, STR("row 2"), strbuf_str(&sealed), secrets[i]));
		strbuf_fini(&sealed);
		strbuf_fini(&again);
	}
}

/* No changed or missing byte goes unnoticed. */
static void test_damage(void **state)
{
	const struct str secret = STR("a secret of some length");
	struct strbuf sealed;
	struct seal_key key;

	seal_key_make(STR("k"), &key);
	strbuf_init(&sealed, 4096);
	seal_close(&key, STR("c"), secret, &sealed);
	assert_true(opens(&key, STR("c"), strbuf_str(&sealed), secret));
	for (size_t i = 0; i < sealed.len; i++) {
		assert_false(opens(&key, STR("c"), (struct str){ sealed.p, i }, secret));
		sealed.p[i] = sealed.p[i] == 'A' ? 'B' : 'A';
		assert_false(opens(&key, STR("c"), strbuf_str(&sealed), secret));
		strbuf_reset(&sealed);
		seal_close(&key, STR("c"), secret, &sealed);
	}
	assert_false(opens(&key, STR("c"), STR("1:===="), STR("")));
	strbuf_fini(&sealed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
