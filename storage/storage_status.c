#include "storage/storage_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/db.h"

#define GROWTH_DAYS   7
#define DAY_S         86400
#define YOUNG_S       3600 /* of a day, before it says anything of a whole one */
#define COUNTED_ROWS  "10000"

#define SIZE_OF(parent)                                                                            \
	" COALESCE(pg_total_relation_size(to_regclass('" parent                                    \
	"_' || to_char(l.day, 'YYYYMMDD'))), 0)"

static void take_day(const struct db_result *result, size_t row, struct storage_day *out)
{
	*out = (struct storage_day){ .first_seq = db_int(result, row, 1),
				     .n_events = db_int(result, row, 2),
				     .bytes = db_int(result, row, 3),
				     .text_bytes = db_int(result, row, 4),
				     .is_over = db_int(result, row, 5) == 1,
				     .is_cared = db_int(result, row, 6) == 1 };
	snprintf(out->day, sizeof(out->day), "%.*s", STR_ARG(db_str(result, row, 0)));
}

static int read_days(struct db *db, struct storage_status *status, struct err *err)
{
	struct db_result *result;
	int r;

	r = db_query(db,
		     "SELECT l.day, l.first_seq,"
		     " COALESCE(lead(l.first_seq) OVER (ORDER BY l.day), c.seq + 1) - l.first_seq,"
		     SIZE_OF("event") "," SIZE_OF("message_text") " +" SIZE_OF("search_block") ","
		     " (l.day < c.log_day)::int, (l.cared IS NOT NULL)::int"
		     " FROM log_day l, counter c ORDER BY l.day",
		     NULL, 0, &result, err);
	if (r < 0)
		return r;
	status->n_days = db_rows(result);
	status->days = xcalloc(status->n_days + 1, sizeof(status->days[0]));
	for (size_t i = 0; i < status->n_days; i++) {
		take_day(result, i, &status->days[i]);
		status->log_bytes += status->days[i].bytes + status->days[i].text_bytes;
	}
	db_result_free(result);
	return 0;
}

/* Seconds that the current log day has had: since midnight, or since the log was made. */
static int read_totals(struct db *db, struct storage_status *status, int64_t *day_s,
		       struct err *err)
{
	struct db_result *result;
	int r;

	r = db_query(db,
		     "SELECT c.seq, COALESCE(c.attached_until - c.log_day, 0),"
		     " pg_database_size(current_database()),"
		     " CASE WHEN q.reltuples > " COUNTED_ROWS " THEN q.reltuples::bigint ELSE"
		     " (SELECT count(*) FROM (SELECT FROM quarantine LIMIT " COUNTED_ROWS ") s) END,"
		     " extract(epoch FROM now() - greatest(m.created, c.log_day::timestamptz))::bigint"
		     " FROM counter c, meta m, pg_class q WHERE q.oid = 'quarantine'::regclass",
		     NULL, 0, &result, err);
	if (r < 0)
		return r;
	if (db_rows(result) == 1) {
		status->last_seq = db_int(result, 0, 0);
		status->days_ahead = db_int(result, 0, 1);
		status->database_bytes = db_int(result, 0, 2);
		status->n_quarantined = db_int(result, 0, 3);
		*day_s = db_int(result, 0, 4);
	}
	db_result_free(result);
	return 0;
}

static int64_t growth(const struct storage_status *status, int64_t day_s)
{
	int64_t bytes = 0, n = 0;

	for (size_t i = status->n_days; i-- > 0 && n < GROWTH_DAYS;) {
		const struct storage_day *day = &status->days[i];

		if (!day->is_over)
			continue;
		bytes += day->bytes + day->text_bytes;
		n++;
	}
	if (n > 0)
		return bytes / n;
	if (status->n_days == 0 || day_s < YOUNG_S)
		return -1;
	return (int64_t)((double)status->log_bytes * DAY_S / (double)day_s);
}

int storage_status_read(struct db *db, struct storage_status *out, struct err *err)
{
	struct storage_status status = { .bytes_per_day = -1 };
	int64_t day_s = 0;
	int r = read_days(db, &status, err);

	if (r == 0)
		r = read_totals(db, &status, &day_s, err);
	if (r < 0) {
		storage_status_fini(&status);
		return r;
	}
	status.oldest_seq = status.n_days > 0 ? status.days[0].first_seq : status.last_seq + 1;
	status.bytes_per_day = growth(&status, day_s);
	*out = status;
	return 0;
}

void storage_status_fini(struct storage_status *status)
{
	free(status->days);
	status->days = NULL;
	status->n_days = 0;
}

int64_t storage_free_bytes(const char *dir)
{
	struct statvfs room;

	if (!dir || statvfs(dir, &room) < 0)
		return -1;
	return (int64_t)room.f_bavail * (int64_t)room.f_frsize;
}
