/* Roles: what an account may do. Three, predefined and fixed (DSP0266, 13.5.1). Pure. */
#ifndef ACCOUNTS_ROLE_H
#define ACCOUNTS_ROLE_H

#include <stdbool.h>

#include "base/str.h"

/* Each may what the ones before it may. */
enum role { ROLE_READ_ONLY, ROLE_OPERATOR, ROLE_ADMINISTRATOR };
#define N_ROLES 3

const char *role_name(enum role role); /* "ReadOnly", as a RoleId */
bool role_parse(struct str name, enum role *out);
/* Redfish's privileges of a role, as a JSON array. */
const char *role_privileges(enum role role);

#endif
