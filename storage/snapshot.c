/* The file is text, a fact a line, its values separated by one blank:
 *
 *	rfeventd-snapshot 1
 *	node <uuid>
 *	epoch <uuid>
 *	seq <oldest> <last>
 *	enrolment-token <text>
 *	admin-hash <text>
 *	gone <seq>	when there is one
 *	source <uuid> <state> <reply status> <created_us> <name> <address> <token> <site> <rack>
 *	 <owner> [<certificate> [<details>]]
 *	…
 *	end <number of sources> <CRC32C of everything before it, 8 hex digits>
 *
 * A text is percent-escaped; "-" stands for none and "%" for an empty one. Thread: any.
 */
#include "storage/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "storage/crc32c.h"
#include "storage/limits.h"

#define VERSION_LINE "rfeventd-snapshot 1\n"

/* --- writing ---------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != '%';
}

static void put_text(struct strbuf *out, struct str text)
{
	static const char digits[] = "0123456789abcdef";

	strbuf_put_char(out, ' ');
	if (!text.p || text.len == 0) {
		strbuf_put_char(out, text.p ? '%' : '-');
		return;
	}
	if (str_eq(text, STR("-"))) {
		strbuf_put_text(out, "%2d");
		return;
	}
	for (size_t i = 0, from = 0; i <= text.len; i++) {
		unsigned char c = i < text.len ? (unsigned char)text.p[i] : 0;

		if (i < text.len && is_plain(c))
			continue;
		strbuf_put(out, (struct str){ text.p + from, i - from });
		from = i + 1;
		if (i == text.len)
			break;
		strbuf_put(out, (struct str){ (const char[]){ '%', digits[c >> 4], digits[c & 15] },
					      3 });
	}
}

static void put_uuid(struct strbuf *out, struct uuid id)
{
	char text[UUID_TEXT_BYTES];

	strbuf_put_char(out, ' ');
	strbuf_put_text(out, uuid_format(id, text));
}

static void put_number(struct strbuf *out, int64_t number)
{
	strbuf_put_char(out, ' ');
	strbuf_put_i64(out, number);
}

static void put_source(struct strbuf *out, const struct source *source)
{
	strbuf_put_text(out, "source");
	put_uuid(out, source->id);
	put_number(out, source->state);
	put_number(out, source->reply_status);
	put_number(out, source->created_us);
	put_text(out, source->name);
	put_text(out, source->address);
	put_text(out, source->token);
	put_text(out, source->site);
	put_text(out, source->rack);
	put_text(out, source->owner);
	if (source->certificate.p || source->details.p)
		put_text(out, source->certificate);
	if (source->details.p)
		put_text(out, source->details);
	strbuf_put_char(out, '\n');
}

static void put_facts(struct strbuf *out, const struct snapshot *snapshot)
{
	strbuf_put_text(out, VERSION_LINE "node");
	put_uuid(out, snapshot->node);
	strbuf_put_text(out, "\nepoch");
	put_uuid(out, snapshot->epoch);
	strbuf_put_text(out, "\nseq");
	put_number(out, snapshot->oldest_seq);
	put_number(out, snapshot->last_seq);
	strbuf_put_text(out, "\nenrolment-token");
	put_text(out, snapshot->enrolment_token);
	strbuf_put_text(out, "\nadmin-hash");
	put_text(out, snapshot->admin_hash);
	strbuf_put_char(out, '\n');
	if (snapshot->gone_seq == 0)
		return;
	strbuf_put_text(out, "gone");
	put_number(out, snapshot->gone_seq);
	strbuf_put_char(out, '\n');
}

int snapshot_save(const char *path, const struct snapshot *snapshot, struct err *err)
{
	struct strbuf out;
	int r;

	strbuf_init(&out, SNAPSHOT_MAX_BYTES);
	put_facts(&out, snapshot);
	for (size_t i = 0; i < snapshot->n_sources; i++)
		put_source(&out, &snapshot->sources[i]);
	strbuf_putf(&out, "end %zu ", snapshot->n_sources);
	if (!out.failed)
		strbuf_putf(&out, "%08" PRIx32 "\n", crc32c(0, out.p, out.len));
	if (out.failed)
		r = err_set(err, -EFBIG, "snapshot: %zu sources do not fit into %u MiB",
			    snapshot->n_sources, SNAPSHOT_MAX_BYTES >> 20);
	else
		r = file_replace(path, strbuf_str(&out), 0600, err);
	strbuf_fini(&out);
	return r;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What is left to read. Texts are unescaped where they stand and stay there. `bad` sticks and is
 * looked at once, at the end. */
struct scan {
	char *at, *end;
	bool bad;
};

static void take(struct scan *scan, struct str word)
{
	if ((size_t)(scan->end - scan->at) < word.len || memcmp(scan->at, word.p, word.len) != 0)
		scan->bad = true;
	else
		scan->at += word.len;
}

/* A blank, and what follows up to the next blank or the end of the line. */
static struct str take_value(struct scan *scan)
{
	char *from = scan->at + 1, *to = from;

	if (scan->bad || scan->at == scan->end || *scan->at != ' ') {
		scan->bad = true;
		return (struct str){ "", 0 };
	}
	while (to < scan->end && (unsigned char)*to > ' ')
		to++;
	scan->at = to;
	return (struct str){ from, (size_t)(to - from) };
}

static struct uuid take_uuid(struct scan *scan)
{
	struct str text = { scan->at + 1, UUID_TEXT_BYTES - 1 };
	struct uuid id = { { 0 } };

	if (scan->end - scan->at < UUID_TEXT_BYTES || *scan->at != ' ' || !uuid_parse(text, &id))
		scan->bad = true;
	else
		scan->at += UUID_TEXT_BYTES;
	return id;
}

static int64_t take_number(struct scan *scan, int64_t least, int64_t most)
{
	int64_t number = 0;

	if (!str_to_i64(take_value(scan), &number) || number < least || number > most)
		scan->bad = true;
	return number;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Unescape from the first '%' on, in place; what comes out is never longer. */
static struct str unescape(struct scan *scan, struct str value, char *from)
{
	char *to = from, *end = from + (value.len - (size_t)(from - value.p));

	while (from < end) {
		int high, low;

		if (*from != '%') {
			*to++ = *from++;
			continue;
		}
		high = end - from > 2 ? hex_value(from[1]) : -1;
		low = end - from > 2 ? hex_value(from[2]) : -1;
		if (high < 0 || low < 0) {
			scan->bad = true;
			break;
		}
		*to++ = (char)(high << 4 | low);
		from += 3;
	}
	value.len = (size_t)(to - value.p);
	return value;
}

static struct str take_text(struct scan *scan)
{
	char *from = scan->at + 1;
	struct str value = take_value(scan);
	char *escape;

	if (value.len == 0)
		scan->bad = true;
	if (scan->bad || (value.len == 1 && value.p[0] == '-'))
		return (struct str){ 0 };
	if (value.len == 1 && value.p[0] == '%')
		return STR("");
	escape = memchr(from, '%', value.len);
	return escape ? unescape(scan, value, escape) : value;
}

static void take_source(struct scan *scan, struct source *source)
{
	take(scan, STR("source"));
	source->id = take_uuid(scan);
	source->state = (enum source_state)take_number(scan, SOURCE_ENROLLED, SOURCE_REMOVED);
	source->reply_status = (int)take_number(scan, 0, 999);
	source->created_us = take_number(scan, INT64_MIN, INT64_MAX);
	source->name = take_text(scan);
	source->address = take_text(scan);
	source->token = take_text(scan);
	source->site = take_text(scan);
	source->rack = take_text(scan);
	source->owner = take_text(scan);
	if (scan->at < scan->end && *scan->at == ' ')
		source->certificate = take_text(scan);
	if (scan->at < scan->end && *scan->at == ' ')
		source->details = take_text(scan);
	take(scan, STR("\n"));
}

static void take_facts(struct scan *scan, struct snapshot *out)
{
	take(scan, STR(VERSION_LINE "node"));
	out->node = take_uuid(scan);
	take(scan, STR("\nepoch"));
	out->epoch = take_uuid(scan);
	take(scan, STR("\nseq"));
	out->oldest_seq = take_number(scan, INT64_MIN, INT64_MAX);
	out->last_seq = take_number(scan, INT64_MIN, INT64_MAX);
	take(scan, STR("\nenrolment-token"));
	out->enrolment_token = take_text(scan);
	take(scan, STR("\nadmin-hash"));
	out->admin_hash = take_text(scan);
	take(scan, STR("\n"));
	if (scan->bad || scan->at == scan->end || *scan->at != 'g')
		return;
	take(scan, STR("gone"));
	out->gone_seq = take_number(scan, 0, INT64_MAX);
	take(scan, STR("\n"));
}

/* The number of sources, when the last line is there and its CRC is that of the content. */
static bool check_end(char *text, size_t n, size_t *n_sources_out)
{
	struct scan scan = { text + n, text + n, false };
	char expected[16];
	struct str crc;

	while (scan.at > text && (scan.at == scan.end || scan.at[-1] != '\n'))
		scan.at--;
	take(&scan, STR("end"));
	/* A source takes more than this in the file: a sane number allocates no more than it. */
	*n_sources_out = (size_t)take_number(&scan, 0, (int64_t)(n / UUID_TEXT_BYTES));
	crc = take_value(&scan);
	take(&scan, STR("\n"));
	if (scan.bad || scan.at != scan.end)
		return false;
	snprintf(expected, sizeof(expected), "%08" PRIx32, crc32c(0, text, (size_t)(crc.p - text)));
	return str_eq(crc, str_of(expected));
}

static int damaged(const char *path, struct err *err)
{
	return err_set(err, -EBADMSG,
		       "snapshot '%s' is damaged and not used; put back a good copy, or move it "
		       "away: a new one is made, sources come back from the database and the "
		       "configuration, and enrolled ones with their next delivery",
		       path);
}

static int read_into(int fd, size_t n, char *text)
{
	while (n > 0) {
		ssize_t got = read(fd, text, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		text += got;
		n -= (size_t)got;
	}
	return 0;
}

/* The file's bytes, in an arena with room for as many sources as they can hold. */
static int read_file(const char *path, struct arena **arena_out, char **text_out, size_t *n_out,
		     struct err *err)
{
	struct arena *arena = NULL;
	char *text = NULL;
	struct stat st;
	int r, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "snapshot: cannot open '%s': %s", path,
			       strerror(errno));
	r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && st.st_size > SNAPSHOT_MAX_BYTES)
		r = -EFBIG;
	if (r == 0) {
		size_t n = (size_t)st.st_size;

		arena = arena_new(2 * n + n / UUID_TEXT_BYTES * sizeof(struct source) + 4096);
		text = arena_alloc(arena, n + 1);
		r = text ? read_into(fd, n, text) : -ENOMEM;
		*n_out = n;
	}
	close(fd);
	if (r < 0) {
		arena_free(arena);
		return err_set(err, r, "snapshot: cannot read '%s': %s", path, strerror(-r));
	}
	*arena_out = arena;
	*text_out = text;
	return 0;
}

static int parse(const char *path, char *text, size_t n, struct snapshot *out, struct err *err)
{
	struct scan scan = { text, text + n, false };

	/* The last line is the same in every version. */
	if (!check_end(text, n, &out->n_sources))
		return damaged(path, err);
	if (!str_starts_with((struct str){ text, n }, STR(VERSION_LINE)))
		return err_set(err, -EPROTO,
			       "snapshot '%s' was written by a newer rfeventd; start that version, "
			       "or move the file away",
			       path);
	out->sources = arena_alloc(out->arena, (out->n_sources + 1) * sizeof(struct source));
	if (!out->sources)
		return err_set(err, -ENOMEM, "snapshot '%s': no memory for %zu sources", path,
			       out->n_sources);
	take_facts(&scan, out);
	for (size_t i = 0; i < out->n_sources && !scan.bad; i++)
		take_source(&scan, &out->sources[i]);
	take(&scan, STR("end "));
	return scan.bad ? damaged(path, err) : 0;
}

int snapshot_load(const char *path, struct snapshot *out, struct err *err)
{
	struct snapshot snapshot = { .arena = NULL };
	char *text = NULL;
	size_t n = 0;
	int r = read_file(path, &snapshot.arena, &text, &n, err);

	if (r == 0)
		r = parse(path, text, n, &snapshot, err);
	if (r < 0)
		snapshot_fini(&snapshot);
	else
		*out = snapshot;
	return r;
}

void snapshot_fini(struct snapshot *snapshot)
{
	arena_free(snapshot->arena);
	*snapshot = (struct snapshot){ 0 };
}
