/* Login: is this password the account's? Asked of a thread that does nothing else, since the answer
 * takes long on purpose; an unknown name takes as long as a wrong password.
 *
 * Right passwords are remembered for some minutes as keyed digests, so that a script that sends one
 * with each request is not slowed; a change of the password ends that. Who asks what is being asked
 * from the same address shares that answer: a hundred dashboards that come back behind one proxy
 * cost one hash, and the same wrong password sent at once is one guess. Each answer is in the Audit
 * log. Thread: any.
 */
#ifndef ACCOUNTS_LOGIN_H
#define ACCOUNTS_LOGIN_H

#include <stdbool.h>

#include "accounts/limits.h"
#include "accounts/role.h"
#include "accounts/work_pool.h"
#include "base/str.h"

struct accounts;
struct err;
struct logins;

enum login_answer {
	LOGIN_OK,
	LOGIN_WRONG,  /* or unknown, or disabled: nobody is told which */
	LOGIN_LOCKED, /* the account, for this address; not told either */
	LOGIN_STOPPED /* the service ends */
};

struct login {
	struct work work; /* item and reply_to are the asker's */
	struct logins *logins;
	char user[ACCOUNT_NAME_MAX_BYTES + 2];	/* one more than a name: then it is none */
	char password[PASSWORD_MAX_BYTES + 2]; /* the same */
	size_t user_len, password_len;
	char address[ADDRESS_MAX_BYTES];
	const char *way; /* "Basic" or "Session", for the Audit log */
	struct str method, uri; /* of the request; live until the answer */
	struct login *next;	/* private: of those under way, or of those that share its answer */
	struct login *sharers;	/* private */
	size_t n_sharers;	/* private */
	/* the answer */
	enum login_answer answer;
	enum role role;
};

int logins_new(struct accounts *accounts, struct logins **out, struct err *err);
void logins_halt(struct logins *logins); /* what waits is answered LOGIN_STOPPED; NULL is allowed */
void logins_free(struct logins *logins); /* halts it; NULL is allowed */

/* Whether it is remembered as right; *role_out is the account's. */
bool login_is_remembered(struct logins *logins, struct str user, struct str password,
			 enum role *role_out);
/* Fill in who, and wipe. */
void login_set(struct login *login, struct str user, struct str password, struct str address);
void login_wipe(struct login *login);
/* Ask. 0: it will come back; seconds to wait, after too many wrong ones from this address; -EAGAIN
 * when too many wait. The same asked twice comes back twice. */
int login_begin(struct logins *logins, struct login *login);

#endif
