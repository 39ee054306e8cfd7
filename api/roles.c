/* Roles: three, predefined and fixed. */
#include "accounts/role.h"
#include "api/account_service.h"
#include "api/resource_json.h"
#include "api/service_root.h"

bool roles_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct members members;

	members_begin(&members, ROLES_PATH, target->resource->type, "Roles", out);
	for (size_t i = N_ROLES; i-- > 0;)
		members_put(&members, str_of(role_name((enum role)i)));
	members_end(&members);
	return true;
}

bool role_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	const char *name;
	enum role role;

	if (!role_parse(target->ids[0], &role))
		return false;
	name = role_name(role);
	strbuf_putf(out,
		    "{\"@odata.id\":\"" ROLES_PATH "/%s\",\"@odata.type\":\"#%s.Role\","
		    "\"Id\":\"%s\",\"Name\":\"%s\",\"RoleId\":\"%s\",\"IsPredefined\":true,"
		    "\"AssignedPrivileges\":%s}",
		    name, target->resource->type, name, name, name, role_privileges(role));
	return true;
}
