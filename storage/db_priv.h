/* What db.c and db_result.c share. */
#ifndef STORAGE_DB_PRIV_H
#define STORAGE_DB_PRIV_H

#include <libpq-fe.h>

struct db_result {
	PGresult *rows;
};

#endif
