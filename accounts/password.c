#include "accounts/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"

#if !CRYPT_GENSALT_IMPLEMENTS_DEFAULT_PREFIX
/* cppcheck-suppress preprocessorErrorDirective */
#error "crypt_gensalt() does not choose the strongest method: libxcrypt is needed (libcrypt-dev)"
#endif

static bool is_possible(struct str password)
{
	return password.p && password.len <= PASSWORD_MAX_BYTES &&
	       !memchr(password.p, 0, password.len);
}

int password_hash(struct str password, char **out, struct err *err)
{
	struct crypt_data *data;
	char salt[CRYPT_GENSALT_OUTPUT_SIZE], *text;
	const char *hash = NULL;

	if (!is_possible(password))
		return err_set(err, -EINVAL, "a password has at most %d bytes and no NUL",
			       PASSWORD_MAX_BYTES);
	data = xcalloc(1, sizeof(*data));
	text = xstrndup(password);
	if (crypt_gensalt_rn(NULL, 0, NULL, 0, salt, sizeof(salt)))
		hash = crypt_r(text, salt, data);
	if (hash && hash[0] != '*')
		*out = xstrdup(hash);
	else
		hash = NULL;
	secrets_wipe(text, password.len);
	secrets_wipe(data, sizeof(*data));
	free(text);
	free(data);
	return hash ? 0 : err_set(err, -EIO, "cannot hash the password: %s", strerror(errno));
}

bool password_matches(struct str password, struct str hash)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	bool possible = is_possible(password), ok;
	char *text = xstrndup(possible ? password : STR("-")), *setting = xstrndup(hash);
	const char *made = crypt_r(text, setting, data);

	ok = possible && made && made[0] != '*' && secrets_eq(str_of(made), hash);
	secrets_wipe(text, possible ? password.len : 1);
	secrets_wipe(data, sizeof(*data));
	free(text);
	free(setting);
	free(data);
	return ok;
}
