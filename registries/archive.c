#include "registries/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "registries/limits.h"

#define BLOCK_BYTES 65536

struct walk {
	struct archive *reader;
	const char *place;
	archive_file_fn *fn;
	void *ctx;
	struct strbuf file; /* the one being unpacked */
	size_t n_entries;
	size_t all_bytes; /* unpacked so far */
	size_t all_max_bytes;
};

static bool is_gzip(struct str bytes)
{
	return str_starts_with(bytes, STR("\x1f\x8b"));
}

/* The last part of the place, without the ending that says it is packed. */
static struct str place_name(const char *place)
{
	const char *slash = strrchr(place, '/');
	struct str name = str_of(slash && slash[1] ? slash + 1 : place);

	if (name.len > 3 && str_ends_with(name, STR(".gz")))
		name.len -= 3;
	return name;
}

static int fail_reader(const struct walk *walk, struct err *err)
{
	const char *words = archive_error_string(walk->reader);

	return err_set(err, -EBADMSG, "%s: cannot be unpacked: %s", walk->place,
		       words ? words : "damaged");
}

/* A zip's list of contents is read into memory before its first file: count before that. */
static int check_listing(struct str bytes, const char *place, struct err *err)
{
	size_t n = 0, at;

	while ((at = str_find(bytes, STR("PK\x01\x02"))) < bytes.len) {
		if (++n > ARCHIVE_MAX_ENTRIES)
			return err_set(err, -EFBIG, "%s: more than %d files", place,
				       ARCHIVE_MAX_ENTRIES);
		bytes.p += at + 4;
		bytes.len -= at + 4;
	}
	return 0;
}

/* A gzip may hold a tar or one file; zips stand alone. A filter that is not built in would start a
 * program (ARCHIVE_WARN): refused like a missing one. */
static int support(struct walk *walk, struct str bytes, struct err *err)
{
	struct archive *reader = walk->reader;
	int r = archive_read_support_format_tar(reader);

	if (r == ARCHIVE_OK)
		r = archive_read_support_format_raw(reader);
	if (r == ARCHIVE_OK && is_gzip(bytes))
		r = archive_read_support_filter_gzip(reader);
	else if (r == ARCHIVE_OK)
		r = archive_read_support_format_zip(reader);
	if (r == ARCHIVE_OK)
		r = archive_read_open_memory(reader, bytes.p, bytes.len);
	return r == ARCHIVE_OK ? 0 : fail_reader(walk, err);
}

/* Of a zip's methods only the two that everyone writes: others may ask for any amount of memory. */
static int check_method(const struct walk *walk, struct err *err)
{
	struct str name = str_of(archive_format_name(walk->reader));

	if ((archive_format(walk->reader) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_ZIP ||
	    str_ends_with(name, STR("(uncompressed)")) || str_ends_with(name, STR("(deflation)")))
		return 0;
	return err_set(err, -EBADMSG, "%s: %.*s is not read here: pack it with deflate",
		       walk->place, STR_ARG(name));
}

/* What lies between the files of a tar.gz (headers of headers) is counted by its filter. */
static int check_sizes(const struct walk *walk, struct str name, struct err *err)
{
	la_int64_t inflated = archive_filter_bytes(walk->reader, 0);

	if (walk->all_bytes > walk->all_max_bytes || inflated > (la_int64_t)walk->all_max_bytes)
		return err_set(err, -EFBIG, "%s: unpacks to more than %zu bytes", walk->place,
			       walk->all_max_bytes);
	if (walk->file.failed)
		return err_set(err, -EFBIG, "%s: '%.*s' is larger than %u bytes", walk->place,
			       STR_ARG(name), REGISTRY_MAX_BYTES);
	return 0;
}

/* The entry's bytes into walk->file; those of an entry that is passed over are counted all the
 * same, for skipping costs what unpacking does. */
static int unpack(struct walk *walk, struct str name, bool keep, struct err *err)
{
	char block[BLOCK_BYTES];
	la_ssize_t n;
	int r;

	strbuf_reset(&walk->file);
	r = check_sizes(walk, name, err);
	if (r < 0)
		return r;
	while ((n = archive_read_data(walk->reader, block, sizeof(block))) > 0) {
		walk->all_bytes += (size_t)n;
		if (keep)
			strbuf_put(&walk->file, (struct str){ block, (size_t)n });
		r = check_sizes(walk, name, err);
		if (r < 0)
			return r;
	}
	return n < 0 ? fail_reader(walk, err) : 0;
}

/* A name in UTF-8 where the archive's can be had so, or its bytes. */
static struct str entry_name(const struct walk *walk, struct archive_entry *entry)
{
	const char *name;

	if (archive_format(walk->reader) == ARCHIVE_FORMAT_RAW)
		return place_name(walk->place);
	name = archive_entry_pathname_utf8(entry);
	return str_of(name ? name : archive_entry_pathname(entry));
}

static int take_entry(struct walk *walk, struct archive_entry *entry, struct err *err)
{
	struct str name = entry_name(walk, entry);
	bool regular = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
	int r = check_method(walk, err);

	if (r == 0 && ++walk->n_entries > ARCHIVE_MAX_ENTRIES)
		r = err_set(err, -EFBIG, "%s: more than %d files", walk->place,
			    ARCHIVE_MAX_ENTRIES);
	if (r == 0)
		r = unpack(walk, name, regular, err);
	return r == 0 && regular ? walk->fn(walk->ctx, name, strbuf_str(&walk->file)) : r;
}

/* Whether the reader takes the bytes for no archive at all. Known after the first header. */
static bool is_plain(const struct walk *walk)
{
	return archive_format(walk->reader) == ARCHIVE_FORMAT_RAW &&
	       archive_filter_code(walk->reader, 0) == ARCHIVE_FILTER_NONE;
}

static int walk_entries(struct walk *walk, struct str bytes, struct err *err)
{
	struct archive_entry *entry;
	int r = 0, status;

	while (r == 0) {
		status = archive_read_next_header(walk->reader, &entry);
		if (status == ARCHIVE_EOF)
			return 0;
		/* A warning is a name or an attribute in an odd form: the content is fine. */
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			return fail_reader(walk, err);
		if (is_plain(walk))
			return walk->fn(walk->ctx, place_name(walk->place), bytes);
		if (archive_filter_count(walk->reader) > 2)
			return err_set(err, -EBADMSG, "%s: packed twice", walk->place);
		r = take_entry(walk, entry, err);
	}
	return r;
}

int archive_each(struct str bytes, const char *place, archive_file_fn *fn, void *ctx,
		 struct err *err)
{
	struct walk walk = { .place = place, .fn = fn, .ctx = ctx };
	int r;

	if (bytes.len == 0)
		return fn(ctx, place_name(place), bytes);
	if (bytes.len > ARCHIVE_MAX_BYTES)
		return err_set(err, -EFBIG, "%s: larger than %u bytes", place, ARCHIVE_MAX_BYTES);
	walk.all_max_bytes = ARCHIVE_FREE_BYTES + ARCHIVE_MAX_RATIO * bytes.len;
	if (walk.all_max_bytes > ARCHIVE_ALL_MAX_BYTES)
		walk.all_max_bytes = ARCHIVE_ALL_MAX_BYTES;
	strbuf_init(&walk.file, REGISTRY_MAX_BYTES);
	walk.reader = archive_read_new();
	if (!walk.reader) {
		r = err_set(err, -ENOMEM, "%s: no memory to unpack it", place);
		goto out;
	}
	r = check_listing(bytes, place, err);
	if (r == 0)
		r = support(&walk, bytes, err);
	if (r == 0)
		r = walk_entries(&walk, bytes, err);
out:
	archive_read_free(walk.reader);
	strbuf_fini(&walk.file);
	return r;
}
