/* Audit store: records of the Audit log in the database. Thread: that of the connection. Errors as
 * of storage/db.h. */
#ifndef ACCOUNTS_AUDIT_STORE_H
#define ACCOUNTS_AUDIT_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct audit_record;
struct db;
struct db_result;
struct err;

/* One transaction; what is there already stays as it is. */
int audit_store_put(struct db *db, struct uuid node, struct audit_record *const *records, size_t n,
		    struct err *err);
/* Older than `keep_us`: gone, a share at a time; *n_out how many this time. */
int audit_store_drop_old(struct db *db, int64_t keep_us, int64_t *n_out, struct err *err);

/* One entry as it is read; views into the rows. */
struct audit_entry {
	int64_t id, time_us;
	struct str account, way, address, method, uri, message_id;
	struct str args; /* a JSON array of texts */
	int64_t status;
};
struct audit_query {
	int64_t before; /* ids below this one; 0: from the newest */
	int64_t skip, limit;
	int64_t only; /* this id; 0: all */
};
/* Newest first. *rows is new: db_result_free(). *count_out (may be NULL) is of the whole log. */
int audit_store_read(struct db *db, const struct audit_query *query, struct db_result **rows,
		     int64_t *count_out, struct err *err);
void audit_store_entry(const struct db_result *rows, size_t i, struct audit_entry *out);

#endif
