/* Caps of accounts, sessions, tokens and the audit queue. */
#ifndef ACCOUNTS_LIMITS_H
#define ACCOUNTS_LIMITS_H

#define ACCOUNT_MAX_COUNT 1024	      /* people and programs with a password; all are held in memory */
#define ACCOUNT_NAME_MAX_BYTES 64     /* as the table's column checks it */
#define PASSWORD_MAX_BYTES 256	      /* hashing costs in proportion; no person types more */
#define PASSWORD_MIN_DEFAULT 12	      /* AccountService.MinPasswordLength of a new service */
#define ADDRESS_MAX_BYTES 64	      /* an IPv6 address with its zone */
#define TOKEN_MAX_PER_ACCOUNT 64      /* API tokens; a program needs one */
#define TOKEN_NAME_MAX_BYTES 64
#define TOKEN_MAX_DAYS 366	      /* until an API token expires, at most: one that leaked ends */
#define TOKEN_DEFAULT_DAYS 90
#define SESSION_MAX_COUNT 1024	      /* of all users; each is a row and some bytes of memory */
#define SESSION_MAX_PER_USER 64	      /* then the one idle longest goes */
#define SESSION_TIMEOUT_MIN_S 30      /* DSP0268, SessionService.SessionTimeout */
#define SESSION_TIMEOUT_MAX_S 86400
#define SESSION_MAX_ENDED 1024	      /* logged out while the database is away; the oldest is forgotten */
#define HASH_MAX_WAITING 64	      /* logins waiting to be checked: then 503 */
#define HASH_MAX_WAITING_PER_ADDRESS 8 /* of one address, so that it leaves room to the others */
#define LOGIN_MAX_SAME 1024 /* that ask what one under way asks: the dashboards behind one proxy */
#define GUESS_MAX_ADDRESSES 4096      /* addresses whose wrong guesses are counted; the oldest goes */
#define GUESS_MAX_PAIRS 4096	      /* accounts × addresses that logged in before; the oldest goes */
#define REMEMBERED_MAX 256	      /* right passwords kept as digests */
#define AUDIT_MAX_FILE_BYTES (16u << 20) /* records on disk while the database is away */
#define AUDIT_MAX_WAITING 1024	      /* changes waiting to be noted: then 503 */
#define AUDIT_MAX_TEXT_BYTES 1024     /* of one text of a record: a longer URI is cut */
#define AUDIT_PAGE_MAX 1000	      /* entries of one page */
#define MIRROR_MAX_BYTES (16u << 20)  /* ACCOUNT_MAX_COUNT accounts and their tokens */

#endif
