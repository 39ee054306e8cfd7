#include "api/compress.h"

#include <zlib.h>

#define LEVEL        1         /* operators wait for the thread that does it */
#define WINDOW_BITS  (15 + 16) /* the largest window; gzip's header instead of zlib's */
#define MEMORY_LEVEL 8

bool compress_gzip(struct str body, struct strbuf *out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)body.p, .avail_in = (uInt)body.len };
	char *place;
	int r;

	if (body.len > UINT32_MAX / 2 || deflateInit2(&stream, LEVEL, Z_DEFLATED, WINDOW_BITS,
						      MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	place = strbuf_reserve(out, body.len);
	stream.next_out = (Bytef *)place;
	stream.avail_out = place ? (uInt)body.len : 0;
	r = place ? deflate(&stream, Z_FINISH) : Z_BUF_ERROR;
	if (r == Z_STREAM_END)
		strbuf_commit(out, stream.total_out);
	deflateEnd(&stream);
	return r == Z_STREAM_END;
}
