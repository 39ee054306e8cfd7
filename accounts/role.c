#include "accounts/role.h"

#include <stddef.h>

static const struct {
	const char *name, *privileges;
} roles[N_ROLES] = {
	[ROLE_READ_ONLY] = { "ReadOnly", "[\"Login\",\"ConfigureSelf\"]" },
	[ROLE_OPERATOR] = { "Operator", "[\"Login\",\"ConfigureComponents\",\"ConfigureSelf\"]" },
	[ROLE_ADMINISTRATOR] = { "Administrator",
				 "[\"Login\",\"ConfigureManager\",\"ConfigureUsers\","
				 "\"ConfigureComponents\",\"ConfigureSelf\"]" },
};

const char *role_name(enum role role)
{
	return roles[role].name;
}

bool role_parse(struct str name, enum role *out)
{
	for (size_t i = 0; i < N_ROLES; i++) {
		if (!str_eq(name, str_of(roles[i].name)))
			continue;
		*out = (enum role)i;
		return true;
	}
	return false;
}

const char *role_privileges(enum role role)
{
	return roles[role].privileges;
}
