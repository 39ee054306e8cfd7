/* Guesses: wrong passwords, counted in memory, so that guessing is slow and nobody is shut out by it.
 *
 * Three counts. Of an address (an IPv6 one by its /64): from GUESS_FREE on in a row it waits twice
 * as long after each, up to a minute. Of an account from addresses it never came from: at the
 * policy's threshold it is locked for all such addresses (the database counts it too, over all
 * replicas). Of an account from an address that it did log in from: a count and a lock of its own,
 * so that a stranger's guessing does not lock its owner out.
 * Times are monotonic. Thread: any (one mutex inside).
 */
#ifndef ACCOUNTS_GUESSES_H
#define ACCOUNTS_GUESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct account_policy;
struct guesses;

#define GUESS_FREE 20 /* wrong ones in a row of an address before it waits: a typo, a stale script */
#define GUESS_MAX_WAIT_S 60

struct guesses *guesses_new(void); /* new */
void guesses_free(struct guesses *guesses); /* NULL is allowed */

/* Seconds until `address` may try again (0: now, and one more of its attempts is under way, up to
 * HASH_MAX_WAITING_PER_ADDRESS; then -EAGAIN). *first_out: the first refusal since it may. */
int guesses_begin(struct guesses *guesses, struct str address, int64_t now_us, bool *first_out);
/* The attempt ended without telling anything of the password. */
void guesses_end(struct guesses *guesses, struct str address);
/* Whether `account` is locked for `address`; `locked` says whether the database has it locked. */
bool guesses_is_locked(struct guesses *guesses, struct str account, struct str address, bool locked,
		       int64_t now_us);
/* An attempt ended with a wrong password. `account` is empty when there is none of that name.
 * *stranger_out: it counts for the account itself. True: that locked it. */
bool guesses_wrong(struct guesses *guesses, struct str account, struct str address,
		   const struct account_policy *policy, int64_t now_us, bool *stranger_out);
/* It ended with the right one. True: the account's own count goes back to 0. */
bool guesses_right(struct guesses *guesses, struct str account, struct str address, int64_t now_us);
void guesses_unlock(struct guesses *guesses, struct str account);
/* Whether any lock of `account` holds on this node. */
bool guesses_has_lock(struct guesses *guesses, struct str account, int64_t now_us);

#endif
