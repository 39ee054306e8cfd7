/* Snapshot: any file is refused with words, or loaded; what is loaded and saved again is one form.
 *
 * The last line, with the number of sources and the CRC, is put behind an input that begins with
 * '+' (and not kept), so that what is before it is looked at, too. */
#include "fuzz.h"

#include <errno.h>
#include <inttypes.h>

#include "base/file.h"
#include "storage/crc32c.h"
#include "storage/limits.h"
#include "storage/snapshot.h"

static size_t count_sources(struct str text)
{
	size_t n = 0, at;

	while ((at = str_find(text, STR("\nsource "))) < text.len) {
		text = (struct str){ text.p + at + 1, text.len - at - 1 };
		n++;
	}
	return n;
}

static void write_input(const char *path, struct str text)
{
	struct strbuf out;

	strbuf_init(&out, SNAPSHOT_MAX_BYTES);
	if (text.len == 0 || text.p[0] != '+') {
		strbuf_put(&out, text);
	} else {
		strbuf_put(&out, (struct str){ text.p + 1, text.len - 1 });
		strbuf_putf(&out, "end %zu ", count_sources(text));
		strbuf_putf(&out, "%08" PRIx32 "\n", crc32c(0, out.p, out.len));
	}
	fuzz_write(path, strbuf_str(&out));
	strbuf_fini(&out);
}

/* Save what was loaded, load and save that: the two files are equal. */
static void check_again(const char *path, const struct snapshot *first)
{
	struct snapshot second;
	struct err err = { "" };
	char *one, *two;
	size_t n_one, n_two;

	CHECK_SAYING(snapshot_save(path, first, &err) == 0, "(%s)", err.text);
	CHECK(file_read(path, SNAPSHOT_MAX_BYTES, &one, &n_one, &err) == 0);
	CHECK_SAYING(snapshot_load(path, &second, &err) == 0, "(%s:\n%s)", err.text, one);
	CHECK(second.n_sources == first->n_sources);
	CHECK(snapshot_save(path, &second, &err) == 0);
	CHECK(file_read(path, SNAPSHOT_MAX_BYTES, &two, &n_two, &err) == 0);
	CHECK(n_one == n_two && memcmp(one, two, n_one) == 0);
	snapshot_fini(&second);
	free(one);
	free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *path;
	struct snapshot snapshot;
	struct err err = { "" };
	int r;

	if (!path)
		path = xasprintf("%s/snapshot", fuzz_dir());
	write_input(path, fuzz_str(data, size));
	r = snapshot_load(path, &snapshot, &err);
	CHECK_SAYING(r == 0 || r == -EBADMSG || r == -EPROTO, "(%d)", r);
	CHECK(r == 0 || err.text[0]);
	if (r == 0) {
		check_again(path, &snapshot);
		snapshot_fini(&snapshot);
	}
	return 0;
}
