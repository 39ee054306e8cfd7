/* Archives: what is in them comes out, whole or not at all, and never more than the caps say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "archive_fixture.h"
#include "base/err.h"
#include "registries/archive.h"
#include "registries/limits.h"

#define SOME  SIZE_MAX
#define PLACE "https://10.0.0.7/store/Fans.1.0.0.json.gz"

/* What a walk gave: names and contents one after the other, and how many. */
struct seen {
	struct strbuf text; /* "name=content;" of small files */
	size_t n, bytes;
	int answer; /* of the callback */
};

static int see(void *ctx, struct str name, struct str bytes)
{
	struct seen *seen = ctx;

	if (bytes.len < 200)
		strbuf_putf(&seen->text, "%.*s=%.*s;", STR_ARG(name), STR_ARG(bytes));
	seen->n++;
	seen->bytes += bytes.len;
	return seen->answer;
}

static void seen_init(struct seen *seen)
{
	*seen = (struct seen){ 0 };
	strbuf_init(&seen->text, 1u << 20);
	strbuf_put_text(&seen->text, "");
}

static int walk(struct str bytes, struct seen *seen, struct err *err)
{
	seen_init(seen);
	err->text[0] = '\0';
	return archive_each(bytes, PLACE, see, seen, err);
}

/* The walk succeeds and gives `expected`. */
static void expect(struct str bytes, const char *expected)
{
	struct seen seen;
	struct err err;
	int r = walk(bytes, &seen, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_string_equal(seen.text.p ? seen.text.p : "", expected);
	strbuf_fini(&seen.text);
}

/* The walk fails with `code` and words that hold the place and `part`, after `n` files (SOME: any
 * number, where it depends on how well the files were packed). */
static void expect_error(struct str bytes, int code, const char *part, size_t n)
{
	struct seen seen;
	struct err err;
	int r = walk(bytes, &seen, &err);

	if (r != code || !strstr(err.text, part))
		print_message("%d after %zu: %s\n", r, seen.n, err.text);
	assert_int_equal(r, code);
	assert_ptr_equal(strstr(err.text, PLACE), err.text);
	assert_non_null(strstr(err.text, part));
	assert_true(n == SOME || seen.n == n);
	strbuf_fini(&seen.text);
}

static void each_kind(void **state)
{
	static const enum made kinds[] = { MADE_ZIP, MADE_ZIP_STORED, MADE_TAR, MADE_TAR_GZ };
	struct maker maker;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		maker_open(&maker, kinds[i]);
		maker_file(&maker, "one.json", STR("{\"a\":1}"));
		maker_add(&maker, "folder/", AE_IFDIR, NULL, STR(""));
		maker_file(&maker, "folder/two.json", STR("second"));
		maker_add(&maker, "link.json", AE_IFLNK, "one.json", STR(""));
		if (kinds[i] == MADE_TAR || kinds[i] == MADE_TAR_GZ) /* a zip has none */
			maker_add(&maker, "same.json", AE_IFREG, "one.json", STR(""));
		maker_file(&maker, "empty.json", STR(""));
		expect(maker_done(&maker),
		       "one.json={\"a\":1};folder/two.json=second;empty.json=;");
		maker_fini(&maker);
	}
}

static void one_gzip(void **state)
{
	struct maker maker;

	maker_open(&maker, MADE_GZ);
	maker_file(&maker, "inside", STR("{\"Messages\":{}}"));
	expect(maker_done(&maker), "Fans.1.0.0.json={\"Messages\":{}};");
	maker_fini(&maker);
}

static void plain_bytes(void **state)
{
	expect(STR("{\"Messages\":{}}"), "Fans.1.0.0.json={\"Messages\":{}};");
	expect(STR("PK"), "Fans.1.0.0.json=PK;");
	expect(STR("\x1f"), "Fans.1.0.0.json=\x1f;");
	expect(STR(""), "Fans.1.0.0.json=;");
	expect(STR("BZh91AY&SY"), "Fans.1.0.0.json=BZh91AY&SY;");
}

/* Large plain bytes are not copied, and are not the archive's to measure. */
static int see_pointer(void *ctx, struct str name, struct str bytes)
{
	*(const char **)ctx = bytes.p;
	return bytes.len == REGISTRY_MAX_BYTES + 1 ? 0 : -EIO;
}

static void plain_is_lent(void **state)
{
	size_t n = REGISTRY_MAX_BYTES + 1;
	char *bytes = xmalloc(n);
	const char *given = NULL;
	struct err err;

	memset(bytes, ' ', n);
	assert_int_equal(archive_each((struct str){ bytes, n }, PLACE, see_pointer, &given, &err),
			 0);
	assert_ptr_equal(given, bytes);
	free(bytes);
}

static void names_are_only_names(void **state)
{
	static const char *const names[] = { "../../etc/passwd", "/absolute.json", "a//b",
					     "F\xc3\xbcnf.json" };
	struct maker maker;

	maker_open(&maker, MADE_ZIP);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		maker_file(&maker, names[i], STR("x"));
	expect(maker_done(&maker),
	       "../../etc/passwd=x;/absolute.json=x;a//b=x;F\xc3\xbcnf.json=x;");
	maker_fini(&maker);
}

static void nested_is_not_opened(void **state)
{
	struct maker inner, outer;
	struct seen seen;
	struct err err;
	struct str packed;

	maker_open(&inner, MADE_ZIP);
	maker_file(&inner, "secret.json", STR("deep"));
	packed = maker_done(&inner);
	maker_open(&outer, MADE_TAR_GZ);
	maker_file(&outer, "inner.zip", packed);
	assert_int_equal(walk(maker_done(&outer), &seen, &err), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.bytes, packed.len);
	strbuf_fini(&seen.text);
	maker_fini(&outer);
	/* A zip in a gz is what that gz holds. */
	maker_open(&outer, MADE_GZ);
	maker_file(&outer, "inside", packed);
	assert_int_equal(walk(maker_done(&outer), &seen, &err), 0);
	assert_int_equal(seen.bytes, packed.len);
	strbuf_fini(&seen.text);
	maker_fini(&outer);
	maker_fini(&inner);
}

static void packed_twice(void **state)
{
	struct maker inner, outer;

	maker_open(&inner, MADE_GZ);
	maker_file(&inner, "inside", STR("{}"));
	maker_open(&outer, MADE_GZ);
	maker_file(&outer, "inside", maker_done(&inner));
	expect_error(maker_done(&outer), -EBADMSG, "twice", 0);
	maker_fini(&outer);
	maker_fini(&inner);
}

/* `n` equal bytes. To be freed. */
static struct str blanks(size_t n)
{
	char *bytes = xmalloc(n);

	memset(bytes, ' ', n);
	return (struct str){ bytes, n };
}

static void bombs(void **state)
{
	static const enum made kinds[] = { MADE_ZIP, MADE_TAR_GZ, MADE_GZ };
	struct str bytes = blanks(8u << 20);
	struct maker maker;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		maker_open(&maker, kinds[i]);
		maker_file(&maker, "blanks.json", bytes);
		expect_error(maker_done(&maker), -EFBIG, "unpacks to more than", 0);
		maker_fini(&maker);
	}
	free((char *)(uintptr_t)bytes.p);
}

/* Names are no content, but they unpack at the same price, so they are counted too. */
static void bomb_of_names(void **state)
{
	struct maker maker;
	char *name = xmalloc(900001);

	memset(name, 'n', 900000);
	name[900000] = '\0';
	maker_open(&maker, MADE_TAR_GZ);
	for (int i = 0; i < 4; i++)
		maker_file(&maker, name, STR("{}"));
	expect_error(maker_done(&maker), -EFBIG, "unpacks to more than", SOME);
	maker_fini(&maker);
	free(name);
}

static void one_file_too_large(void **state)
{
	struct str bytes = blanks(REGISTRY_MAX_BYTES + 1);
	struct maker maker;

	maker_open(&maker, MADE_ZIP_STORED);
	maker_file(&maker, "small.json", STR("{}"));
	maker_file(&maker, "large.json", bytes);
	expect_error(maker_done(&maker), -EFBIG, "'large.json' is larger than 33554432 bytes", 1);
	maker_fini(&maker);
	free((char *)(uintptr_t)bytes.p);
}

static void archive_too_large(void **state)
{
	struct str bytes = blanks(ARCHIVE_MAX_BYTES + 1);

	expect_error(bytes, -EFBIG, "larger than 67108864 bytes", 0);
	free((char *)(uintptr_t)bytes.p);
}

static void many_files(void **state)
{
	static const enum made kinds[] = { MADE_ZIP, MADE_TAR_GZ };
	struct maker maker;
	struct seen seen;
	struct err err;
	char name[32];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		maker_open(&maker, kinds[i]);
		for (int k = 0; k < 1000; k++) {
			snprintf(name, sizeof(name), "%d.json", k);
			maker_file(&maker, name, STR("{}"));
		}
		assert_int_equal(walk(maker_done(&maker), &seen, &err), 0);
		assert_int_equal(seen.n, 1000);
		strbuf_fini(&seen.text);
		maker_fini(&maker);
	}
}

/* A zip says so in its listing, before the first file; a tar when it comes to it. */
static void too_many_files(void **state)
{
	struct maker maker;

	maker_open(&maker, MADE_ZIP_STORED);
	for (int k = 0; k <= ARCHIVE_MAX_ENTRIES; k++)
		maker_file(&maker, "x", STR(""));
	expect_error(maker_done(&maker), -EFBIG, "more than 20000 files", 0);
	maker_fini(&maker);
	maker_open(&maker, MADE_TAR);
	for (int k = 0; k <= ARCHIVE_MAX_ENTRIES; k++)
		maker_file(&maker, "y", STR(""));
	expect_error(maker_done(&maker), -EFBIG, "more than 20000 files", ARCHIVE_MAX_ENTRIES);
	maker_fini(&maker);
}

/* Cut anywhere, an archive gives whole files or an error, never a part of one. */
static void cut_anywhere(void **state)
{
	static const enum made kinds[] = { MADE_ZIP, MADE_ZIP_STORED, MADE_TAR, MADE_TAR_GZ,
					   MADE_GZ };
	struct str content = STR("0123456789abcdefghijklmnopqrstuvwxyz, and some more of it");
	struct maker maker;
	struct seen seen;
	struct err err;
	size_t n_errors = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		maker_open(&maker, kinds[i]);
		maker_file(&maker, "one.json", content);
		if (kinds[i] != MADE_GZ)
			maker_file(&maker, "two.json", content);
		maker_done(&maker);
		for (size_t len = 20; len < maker.out.len; len++) {
			int r = walk((struct str){ maker.out.p, len }, &seen, &err);

			n_errors += r < 0;
			if (r == 0 && kinds[i] != MADE_TAR)
				assert_true(seen.bytes % content.len == 0 || seen.bytes == len);
			if (r < 0)
				assert_int_equal(seen.bytes % content.len, 0);
			strbuf_fini(&seen.text);
		}
		maker_fini(&maker);
	}
	assert_true(n_errors > 500);
}

static void damaged_content(void **state)
{
	struct maker maker;
	size_t at;

	maker_open(&maker, MADE_ZIP_STORED);
	maker_file(&maker, "one.json", STR("{\"whole\":true}"));
	at = str_find(maker_done(&maker), STR("true"));
	maker.out.p[at] = 'T';
	expect_error(strbuf_str(&maker.out), -EBADMSG, "cannot be unpacked", 0);
	maker_fini(&maker);
}

/* The method in a zip's two headers, changed to LZMA. */
static void strange_method(void **state)
{
	struct maker maker;
	size_t at;

	maker_open(&maker, MADE_ZIP_STORED);
	maker_file(&maker, "one.json", STR("{}"));
	at = str_find(maker_done(&maker), STR("PK\x01\x02"));
	maker.out.p[8] = 14;
	maker.out.p[at + 10] = 14;
	expect_error(strbuf_str(&maker.out), -EBADMSG, "pack it with deflate", 0);
	maker_fini(&maker);
}

static void the_callback_ends_it(void **state)
{
	struct maker maker;
	struct seen seen;
	struct err err = { "" };

	maker_open(&maker, MADE_ZIP);
	maker_file(&maker, "one.json", STR("1"));
	maker_file(&maker, "two.json", STR("2"));
	seen_init(&seen);
	seen.answer = -ECANCELED;
	assert_int_equal(archive_each(maker_done(&maker), PLACE, see, &seen, &err), -ECANCELED);
	assert_int_equal(seen.n, 1);
	assert_string_equal(err.text, "");
	assert_int_equal(archive_each(STR("plain"), PLACE, see, &seen, &err), -ECANCELED);
	strbuf_fini(&seen.text);
	maker_fini(&maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),
		cmocka_unit_test(one_gzip),
		cmocka_unit_test(plain_bytes),
		cmocka_unit_test(plain_is_lent),
		cmocka_unit_test(names_are_only_names),
		cmocka_unit_test(nested_is_not_opened),
		cmocka_unit_test(packed_twice),
		cmocka_unit_test(bombs),
		cmocka_unit_test(bomb_of_names),
		cmocka_unit_test(one_file_too_large),
		cmocka_unit_test(archive_too_large),
		cmocka_unit_test(many_files),
		cmocka_unit_test(too_many_files),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(damaged_content),
		cmocka_unit_test(strange_method),
		cmocka_unit_test(the_callback_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
