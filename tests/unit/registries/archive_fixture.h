/* Archives made for tests, by libarchive's writer. */
#ifndef TESTS_UNIT_REGISTRIES_ARCHIVE_FIXTURE_H
#define TESTS_UNIT_REGISTRIES_ARCHIVE_FIXTURE_H

#include <archive.h>
#include <archive_entry.h>

#include "base/mem.h"
#include "base/str.h"

/* MADE_GZ: one file in a gzip and nothing else. */
enum made { MADE_ZIP, MADE_ZIP_STORED, MADE_TAR, MADE_TAR_GZ, MADE_GZ };

struct maker {
	struct archive *writer;
	struct strbuf out;
};

static inline la_ssize_t maker_write(struct archive *writer, void *ctx, const void *data, size_t n)
{
	struct maker *maker = ctx;

	strbuf_put(&maker->out, (struct str){ data, n });
	return maker->out.failed ? -1 : (la_ssize_t)n;
}

static inline void maker_open(struct maker *maker, enum made kind)
{
	strbuf_init(&maker->out, 128u << 20);
	maker->writer = archive_write_new();
	if (kind == MADE_ZIP || kind == MADE_ZIP_STORED)
		archive_write_set_format_zip(maker->writer);
	else if (kind == MADE_GZ)
		archive_write_set_format_raw(maker->writer);
	else
		archive_write_set_format_pax_restricted(maker->writer);
	if (kind == MADE_ZIP_STORED)
		archive_write_zip_set_compression_store(maker->writer);
	if (kind == MADE_TAR_GZ || kind == MADE_GZ)
		archive_write_add_filter_gzip(maker->writer);
	archive_write_set_bytes_in_last_block(maker->writer, 1);
	assert_int_equal(archive_write_open(maker->writer, maker, NULL, maker_write, NULL),
			 ARCHIVE_OK);
}

/* `link`: target of a symbolic link, of a hard one where the type is that of a file, or NULL. */
static inline void maker_add(struct maker *maker, const char *name, int type, const char *link,
			     struct str bytes)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, (unsigned)type);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)bytes.len);
	if (link && type == AE_IFREG)
		archive_entry_set_hardlink(entry, link);
	else if (link)
		archive_entry_set_symlink(entry, link);
	assert_int_equal(archive_write_header(maker->writer, entry), ARCHIVE_OK);
	if (bytes.len > 0)
		assert_int_equal(archive_write_data(maker->writer, bytes.p, bytes.len), bytes.len);
	archive_entry_free(entry);
}

static inline void maker_file(struct maker *maker, const char *name, struct str bytes)
{
	maker_add(maker, name, AE_IFREG, NULL, bytes);
}

/* Borrows; maker_fini frees. */
static inline struct str maker_done(struct maker *maker)
{
	assert_int_equal(archive_write_free(maker->writer), ARCHIVE_OK);
	assert_false(maker->out.failed);
	return strbuf_str(&maker->out);
}

static inline void maker_fini(struct maker *maker)
{
	strbuf_fini(&maker->out);
}

#endif
