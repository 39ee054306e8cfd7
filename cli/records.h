/* Records: the whole records at the beginning of a text that is still coming, JSON Lines or CSV.
 *
 * Pure. Thread: any.
 */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct records {
	bool csv;         /* a record ends with a line that is outside of quotes */
	int64_t last_seq; /* of the last whole record; 0: none yet */
	uint64_t n;       /* of records, the header of CSV apart */
};

/* Take the whole records at the beginning of `text`, which begins with one; how many bytes they
 * are. */
size_t records_take(struct records *records, struct str text);

#endif
