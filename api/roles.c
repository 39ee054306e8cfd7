/* Roles: three, predefined and fixed. */
#include <stdlib.h>

#include "accounts/role.h"
#include "api/account_service.h"
#include "api/api_priv.h"
#include "api/reply.h"
#include "api/resource.h"
#include "base/mem.h"

void roles_list(struct api *api, const struct target *target)
{
	json_t *members = json_array();

	for (size_t i = N_ROLES; i-- > 0;) {
		char *path = xasprintf(ROLES_PATH "/%s", role_name((enum role)i));

		json_array_append_new(members, resource_link(path));
		free(path);
	}
	resource_reply(target->request, 200, "GET, HEAD", -1, NULL,
		       resource_collection(ROLES_PATH, "#RoleCollection.RoleCollection", "Roles",
					   members));
}

void roles_get_one(struct api *api, const struct target *target)
{
	const char *name;
	enum role role;
	char *path;

	if (!role_parse(target->rest, &role)) {
		reply_error(target->request, 404, "ResourceMissingAtURI", NULL,
			    "There is no role '%.*s'.", STR_ARG(target->rest));
		return;
	}
	name = role_name(role);
	path = xasprintf(ROLES_PATH "/%s", name);
	resource_reply(target->request, 200, "GET, HEAD", -1, NULL,
		       json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:o}", "@odata.id", path, "@odata.type",
				 "#Role.v1_3_3.Role", "Id", name, "Name", name, "RoleId", name,
				 "IsPredefined", 1, "AssignedPrivileges",
				 json_loads(role_privileges(role), 0, NULL)));
	free(path);
}
