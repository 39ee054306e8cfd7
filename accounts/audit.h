/* Audit: what operators did and were refused, on this node's disk until the database has it.
 *
 * A change is noted durably before it is begun (audit_begin) and told how it ended (audit_end), so
 * that a service that dies in between leaves a record that says so. A login is noted when it was
 * decided (audit_add). The file is bounded: when it is full changes cannot begin; logins are
 * counted. Never a password or a token. Thread: any; begin and add sync a file and belong on a work
 * pool.
 */
#ifndef ACCOUNTS_AUDIT_H
#define ACCOUNTS_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct audit;
struct err;

#define AUDIT_MAX_ARGS 5
#define AUDIT_UNKNOWN  0 /* status of what nobody saw the end of */

struct audit_record {
	struct uuid id;
	int64_t time_us;
	/* texts: new; UTF-8 */
	char *account, *way, *address, *method, *uri; /* account "" when it is none */
	int status;                                   /* of the HTTP answer */
	char *message_id;
	char *args[AUDIT_MAX_ARGS];
	size_t n_args;
	struct audit_record *next, *prev; /* private, as the two below */
	bool complete;
	size_t n_bytes;
};

/* `woken` is called when there is something for the database. Reads what a former process left. */
int audit_open(const char *path, void (*woken)(void *ctx), void *ctx, struct audit **out,
	       struct err *err);
void audit_close(struct audit *audit); /* NULL is allowed */

/* A record of now. Texts are copied, cut and made UTF-8. */
struct audit_record *audit_record_new(struct str account, const char *way, struct str address,
				      struct str method, struct str uri);
#define AUDIT_ARGS(...) ((const char *const[AUDIT_MAX_ARGS + 1]){ __VA_ARGS__ })
/* What it means: a message and its arguments, AUDIT_ARGS(…), which are copied. */
void audit_record_say(struct audit_record *record, const char *message_id, const char *const *args);
void audit_record_free(struct audit_record *record); /* NULL is allowed */

/* 0, and `record` belongs to the audit but is ended by audit_end(); -ENOSPC and it is
 * still the caller's. */
int audit_begin(struct audit *audit, struct audit_record *record);
/* `words` (may be NULL): a record whose message takes the place of the one begun with; taken. */
void audit_end(struct audit *audit, struct audit_record *record, int status,
	       struct audit_record *words);
/* Takes `record`, whose status is set; when there is no room it is counted only. */
void audit_add(struct audit *audit, struct audit_record *record);

/* For the thread that writes to the database: complete records, oldest first, at most `max`; they
 * stay the audit's until audit_written(). */
size_t audit_peek(struct audit *audit, struct audit_record **out, size_t max);
void audit_written(struct audit *audit, struct audit_record **records, size_t n);

#endif
