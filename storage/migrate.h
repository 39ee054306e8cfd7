/* Migrations: numbered SQL, applied once each, forward only, under an advisory lock. */
#ifndef STORAGE_MIGRATE_H
#define STORAGE_MIGRATE_H

struct db;
struct err;

/* Bring the schema up to this program's version. Refuses a schema newer than the program, with
 * words. Waits for another replica that is migrating. */
int migrate(struct db *db, struct err *err);

#endif
