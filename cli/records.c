#include "cli/records.h"

/* The length of the first record with its end, 0 when it is not whole. */
static size_t record_len(struct str text, bool csv)
{
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		quoted ^= csv && text.p[i] == '"';
		if (text.p[i] == '\n' && !quoted)
			return i + 1;
	}
	return 0;
}

/* {"seq":4711,… or 4711,…; 0 for anything else, such as the header. */
static int64_t seq_of(struct str record, bool csv)
{
	static const struct str name = { "{\"seq\":", 7 };
	int64_t seq = 0;

	if (!csv && !str_starts_with(record, name))
		return 0;
	if (!csv)
		record = (struct str){ record.p + name.len, record.len - name.len };
	record.len = str_find_char(record, ',');
	return str_to_i64(record, &seq) ? seq : 0;
}

size_t records_take(struct records *records, struct str text)
{
	size_t taken = 0, n;

	while ((n = record_len((struct str){ text.p + taken, text.len - taken }, records->csv)) >
	       0) {
		int64_t seq = seq_of((struct str){ text.p + taken, n }, records->csv);

		if (seq > 0) {
			records->last_seq = seq;
			records->n++;
		}
		taken += n;
	}
	return taken;
}
