/* The day's dictionary: a text is sent once a day, and in the transaction of its first event. */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "storage/array_text.h"
#include "storage/db.h"
#include "storage/load.h"

const char load_text_sql[] = "INSERT INTO message_text (log_day, id, body)"
			     " VALUES (DATE '2000-01-01' + $1::int, $2, $3) ON CONFLICT DO NOTHING";

static void begin(struct load *load)
{
	array_text_begin(&load->ids);
	array_text_begin(&load->bodies);
}

/* Whether an event has a text that is not known to stand in the dictionary: from now on it is. */
static bool is_new(struct load *load, const struct load_item *item, uint32_t event)
{
	struct uuid id = item->text_ids[event];

	if (uuid_is_zero(id) || id_set_has(&load->texts, id))
		return false;
	id_set_add(&load->texts, id);
	return true;
}

/* Returns how many were added. */
static size_t collect(struct load *load, const struct load_item *item, uint32_t event)
{
	if (!is_new(load, item, event))
		return 0;
	array_text_put_uuid(&load->ids, item->text_ids[event]);
	array_text_put(&load->bodies, item->delivery->events[event].message);
	return 1;
}

static int send_collected(struct load *load, struct err *err)
{
	char day[24];
	struct db_param params[3];

	array_text_end(&load->ids);
	array_text_end(&load->bodies);
	if (load->ids.failed || load->bodies.failed)
		return err_set(err, -ENOMEM, "loader: no memory for the texts of a batch");
	params[0] = db_i64(load->day, day);
	params[1] = DB_STR(strbuf_str(&load->ids));
	params[2] = DB_STR(strbuf_str(&load->bodies));
	return db_query(
		load->db,
		"INSERT INTO message_text SELECT DATE '2000-01-01' + $1::int, id, body"
		" FROM unnest($2::uuid[], $3::text[]) AS t (id, body) ON CONFLICT DO NOTHING",
		params, ARRAY_LEN(params), NULL, err);
}

int load_texts(struct load *load, const struct load_item *items, size_t n_items, struct err *err)
{
	size_t n = 0;

	begin(load);
	for (size_t i = 0; i < n_items; i++) {
		if (!load_item_has_events(&items[i]))
			continue;
		for (uint32_t e = 0; e < items[i].delivery->n_events; e++)
			n += collect(load, &items[i], e);
	}
	return n > 0 ? send_collected(load, err) : 0;
}

static int put(struct load *load, const struct load_item *item, uint32_t event, struct err *err)
{
	struct uuid id = item->text_ids[event];
	char day[24];
	const struct db_param params[] = {
		db_i64(load->day, day),
		DB_BYTES(((struct str){ (const char *)id.b, sizeof(id.b) })),
		DB_BYTES(item->delivery->events[event].message),
	};

	return db_pipeline_put(load->db, load_text_sql, params, ARRAY_LEN(params), err);
}

int load_texts_put(struct load *load, const struct load_item *items, size_t n_items, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n_items; i++)
		for (uint32_t e = 0; e < items[i].delivery->n_events && r == 0; e++)
			if (is_new(load, &items[i], e))
				r = put(load, &items[i], e, err);
	return r;
}

int load_text_of(struct load *load, const struct load_item *item, uint32_t event, struct err *err)
{
	begin(load);
	return collect(load, item, event) > 0 ? send_collected(load, err) : 0;
}
