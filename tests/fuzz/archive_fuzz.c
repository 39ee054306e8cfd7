/* Archive: any bytes are refused with words that name the place, or give files within the caps; a
 * second walk gives the same. */
#include "fuzz.h"

#include <errno.h>

#include "base/map.h"
#include "registries/archive.h"
#include "registries/limits.h"

#define PLACE "dir/bundle.gz"

struct seen {
	struct str input;
	size_t n, bytes;
	uint64_t sum;
	size_t stop_at; /* this file is the last one wanted */
};

static int see(void *ctx, struct str name, struct str bytes)
{
	struct seen *seen = ctx;

	CHECK(bytes.len <= REGISTRY_MAX_BYTES);
	CHECK(!bytes.len || bytes.p);
	seen->n++;
	seen->bytes += bytes.len;
	seen->sum = seen->sum * 31 + map_hash(name) + 7 * map_hash(bytes);
	CHECK(seen->n <= ARCHIVE_MAX_ENTRIES);
	CHECK(seen->bytes <= ARCHIVE_FREE_BYTES + ARCHIVE_MAX_RATIO * seen->input.len);
	return seen->n == seen->stop_at ? -ECANCELED : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen first = { .input = fuzz_str(data, size) }, second = first, part = first;
	struct err err = { "" };
	int r = archive_each(first.input, PLACE, see, &first, &err);

	CHECK(r == 0 || r == -EFBIG || r == -EBADMSG);
	CHECK(r == 0 || str_starts_with(str_of(err.text), STR(PLACE ": ")));
	CHECK(archive_each(second.input, PLACE, see, &second, &err) == r);
	CHECK(first.n == second.n && first.bytes == second.bytes && first.sum == second.sum);
	if (first.n > 0) {
		part.stop_at = (first.n + 1) / 2;
		CHECK(archive_each(part.input, PLACE, see, &part, &err) == -ECANCELED);
		CHECK(part.n == part.stop_at);
	}
	return 0;
}
