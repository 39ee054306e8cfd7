/* Account service: who may enter, as Redfish resources: the service, accounts, roles, API tokens,
 * sessions, and the Audit log. API thread only.
 *
 * Administrators see and change all; others see their own account, sessions and tokens, and may
 * change their own password. Each change is one job on the pool of writes.
 */
#ifndef API_ACCOUNT_SERVICE_H
#define API_ACCOUNT_SERVICE_H

#include "api/resources.h"

#define ACCOUNT_SERVICE_PATH "/redfish/v1/AccountService"
#define ACCOUNTS_PATH        ACCOUNT_SERVICE_PATH "/Accounts"
#define ROLES_PATH           ACCOUNT_SERVICE_PATH "/Roles"
#define TOKENS_PATH          ACCOUNT_SERVICE_PATH "/Oem/Rfeventd/Tokens"
#define SESSION_SERVICE_PATH "/redfish/v1/SessionService"
#define SESSIONS_PATH        SESSION_SERVICE_PATH "/Sessions"
#define AUDIT_PATH           "/redfish/v1/Managers/rfeventd/LogServices/Audit"
#define AUDIT_ENTRIES_PATH   AUDIT_PATH "/Entries"

/* account_service.c */
resource_encode_fn account_service_encode, session_service_encode;
resource_fn account_service_patch, session_service_patch;
/* accounts.c */
resource_encode_fn accounts_encode, account_encode;
resource_fn account_get, accounts_add, account_patch, account_remove;
/* roles.c */
resource_encode_fn roles_encode, role_encode;
/* tokens.c */
resource_encode_fn tokens_encode, token_encode;
resource_fn tokens_add, token_remove;
/* sessions.c */
resource_encode_fn sessions_encode, session_encode;
resource_fn sessions_add; /* logging in */
resource_fn session_remove;
/* audit_entries.c */
resource_encode_fn audit_encode;
resource_fn audit_entries_get, audit_entries_get_one;

#endif
