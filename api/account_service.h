/* Account service: who may enter, as Redfish resources: the service, accounts, roles, API tokens,
 * sessions, and the Audit log. API thread only.
 *
 * Administrators see and change all; others see their own account, sessions and tokens, and may
 * change their own password. Each change is one job on the pool of writes.
 */
#ifndef API_ACCOUNT_SERVICE_H
#define API_ACCOUNT_SERVICE_H

#include "base/str.h"

struct api;
struct http_request;
struct target;

#define ACCOUNT_SERVICE_PATH "/redfish/v1/AccountService"
#define ACCOUNTS_PATH	     ACCOUNT_SERVICE_PATH "/Accounts"
#define ROLES_PATH	     ACCOUNT_SERVICE_PATH "/Roles"
#define TOKENS_PATH	     ACCOUNT_SERVICE_PATH "/Oem/Rfeventd/Tokens"
#define SESSION_SERVICE_PATH "/redfish/v1/SessionService"
#define SESSIONS_PATH	     SESSION_SERVICE_PATH "/Sessions"
#define AUDIT_PATH	     "/redfish/v1/Managers/rfeventd/LogServices/Audit"
#define AUDIT_ENTRIES_PATH   AUDIT_PATH "/Entries"

/* account_service.c */
void account_service_get(struct api *api, const struct target *target);
void account_service_patch(struct api *api, const struct target *target);
void session_service_get(struct api *api, const struct target *target);
void session_service_patch(struct api *api, const struct target *target);
/* accounts.c */
void accounts_list(struct api *api, const struct target *target);
void accounts_get_one(struct api *api, const struct target *target);
void accounts_add(struct api *api, const struct target *target);
void accounts_patch(struct api *api, const struct target *target);
void accounts_remove(struct api *api, const struct target *target);
/* roles.c */
void roles_list(struct api *api, const struct target *target);
void roles_get_one(struct api *api, const struct target *target);
/* tokens.c */
void tokens_list(struct api *api, const struct target *target);
void tokens_get_one(struct api *api, const struct target *target);
void tokens_add(struct api *api, const struct target *target);
void tokens_remove(struct api *api, const struct target *target);
/* sessions.c */
void sessions_list(struct api *api, const struct target *target);
void sessions_get_one(struct api *api, const struct target *target);
void sessions_add(struct api *api, const struct target *target); /* logging in */
void sessions_remove(struct api *api, const struct target *target);
/* audit_entries.c */
void audit_get(struct api *api, const struct target *target);
void audit_entries_get(struct api *api, const struct target *target);
void audit_entries_get_one(struct api *api, const struct target *target);

#endif
