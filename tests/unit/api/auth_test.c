/* Sessions and passwords of the operators' door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <crypt.h>

#include "api/auth.h"
#include "api/limits.h"
#include "base/mem.h"

static struct auth *new_auth(void)
{
	struct crypt_data data = { 0 };
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];

	assert_non_null(crypt_gensalt_rn("$6$", 1000, NULL, 0, salt, sizeof(salt)));
	return auth_new("admin", str_of(crypt_r("right password", salt, &data)));
}

static void test_password(void **state)
{
	struct auth *auth = new_auth();

	/* Twice: the second time the remembered digest answers. */
	for (int i = 0; i < 2; i++) {
		assert_true(auth_password_is(auth, STR("admin"), STR("right password")));
		assert_false(auth_password_is(auth, STR("admin"), STR("right passwore")));
		assert_false(auth_password_is(auth, STR("admin"), STR("")));
		assert_false(auth_password_is(auth, STR("admin"), (struct str){ NULL, 0 }));
		assert_false(auth_password_is(auth, STR("root"), STR("right password")));
		assert_false(auth_password_is(auth, STR("admin"), STR("right password\0x")));
	}
	auth_free(auth);
}

static void test_session(void **state)
{
	char token[AUTH_TOKEN_CHARS + 1], id[AUTH_SESSION_ID_CHARS + 1];
	struct auth *auth = new_auth();

	assert_false(auth_token_is_valid(auth, STR("")));
	assert_true(auth_session_open(auth, token, id));
	assert_int_equal(strlen(token), AUTH_TOKEN_CHARS);
	assert_true(auth_token_is_valid(auth, str_of(token)));
	token[3] = token[3] == 'a' ? 'b' : 'a';
	assert_false(auth_token_is_valid(auth, str_of(token)));
	token[3] = token[3] == 'a' ? 'b' : 'a';
	assert_false(auth_session_close(auth, STR("nosuchid")));
	assert_true(auth_session_close(auth, str_of(id)));
	auth_free(auth);
}

static void test_closed_session_is_dead(void **state)
{
	char token[AUTH_TOKEN_CHARS + 1], id[AUTH_SESSION_ID_CHARS + 1];
	struct auth *auth = new_auth();

	assert_true(auth_session_open(auth, token, id));
	assert_true(auth_session_close(auth, str_of(id)));
	assert_false(auth_token_is_valid(auth, str_of(token)));
	assert_false(auth_session_close(auth, str_of(id)));
	auth_free(auth);
}

static void test_sessions_are_capped(void **state)
{
	char token[AUTH_TOKEN_CHARS + 1], id[AUTH_SESSION_ID_CHARS + 1];
	struct auth *auth = new_auth();

	for (int i = 0; i < API_MAX_SESSIONS; i++)
		assert_true(auth_session_open(auth, token, id));
	assert_false(auth_session_open(auth, token, id));
	assert_true(auth_session_close(auth, str_of(id)));
	assert_true(auth_session_open(auth, token, id));
	auth_free(auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_closed_session_is_dead),
		cmocka_unit_test(test_sessions_are_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
