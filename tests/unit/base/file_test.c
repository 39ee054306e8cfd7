#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

static char dir[] = "/tmp/file_test.XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char *command = xasprintf("rm -rf %s", dir);
	int r = system(command);

	free(command);
	return r;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_replace_and_read(void **state)
{
	char *path = xasprintf("%s/file", dir);
	mode_t before = umask(077);
	char *content;
	struct err err;
	size_t n;

	/* The mode asked for holds whatever the umask. */
	assert_int_equal(file_replace(path, STR("old"), 0600, &err), 0);
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(file_replace(path, STR("ne\0w"), 0644, &err), 0);
	assert_int_equal(mode_of(path), 0644);
	assert_int_equal(file_read(path, 4, &content, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_memory_equal(content, "ne\0w", 5);
	free(content);
	assert_int_equal(file_read(path, 3, &content, &n, &err), -EFBIG);
	assert_non_null(strstr(err.text, "larger than 3 bytes"));
	assert_int_equal(file_replace(path, STR(""), 0644, &err), 0);
	assert_int_equal(file_read(path, 3, &content, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_string_equal(content, "");
	free(content);
	free(path);
	umask(before);
}

static void test_large(void **state)
{
	char *path = xasprintf("%s/large", dir);
	size_t n_bytes = 3000000, n;
	char *bytes = xmalloc(n_bytes), *content;
	struct err err;

	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = (char)(i * 7);
	assert_int_equal(file_replace(path, (struct str){ bytes, n_bytes }, 0600, &err), 0);
	assert_int_equal(file_read(path, n_bytes, &content, &n, &err), 0);
	assert_int_equal(n, n_bytes);
	assert_memory_equal(content, bytes, n_bytes);
	free(content);
	free(bytes);
	free(path);
}

/* A file that does not tell its size. */
static void test_no_size(void **state)
{
	struct err err;
	char *content;
	size_t n;

	assert_int_equal(file_read("/proc/self/status", 1 << 20, &content, &n, &err), 0);
	assert_true(n > 100);
	assert_int_equal(strlen(content), n);
	free(content);
	assert_int_equal(file_read("/proc/self/status", 10, &content, &n, &err), -EFBIG);
}

static void test_failures(void **state)
{
	struct err err;
	char *content = NULL;
	size_t n;

	assert_int_equal(file_read("/nonexistent/x", 10, &content, &n, &err), -ENOENT);
	assert_non_null(strstr(err.text, "'/nonexistent/x'"));
	assert_int_equal(file_read("/tmp", 10, &content, &n, &err), -EISDIR);
	assert_null(content);
	assert_int_equal(file_replace("/nonexistent/x", STR("a"), 0600, &err), -ENOENT);
	assert_int_equal(file_sync_dir("/nonexistent", &err), -ENOENT);
	assert_int_equal(file_sync_dir(dir, &err), 0);
}

/* What cannot be renamed into place leaves nothing beside it. */
static void test_no_leftover(void **state)
{
	char *path = xasprintf("%s/taken/inside", dir);
	char *taken = xasprintf("%s/taken", dir);
	char *command = xasprintf("test $(ls %s | grep -c taken) = 1", dir);
	struct err err;

	assert_int_equal(file_make_dirs(path, 0700, &err), 0);
	assert_true(file_replace(taken, STR("a"), 0600, &err) < 0);
	assert_int_equal(system(command), 0);
	free(path);
	free(taken);
	free(command);
}

static void test_make_dirs(void **state)
{
	char *path = xasprintf("%s/a/b//c/", dir);
	char *first = xasprintf("%s/a", dir);
	char *file = xasprintf("%s/a/f", dir), *below = xasprintf("%s/a/f/x", dir);
	struct err err;

	assert_int_equal(file_make_dirs(path, 0750, &err), 0);
	assert_int_equal(chmod(first, 0711), 0);
	assert_int_equal(file_make_dirs(path, 0750, &err), 0);
	assert_int_equal(mode_of(first), 0711);
	assert_int_equal(mode_of(path), 0750);
	assert_int_equal(file_make_dirs("/", 0700, &err), 0);
	assert_int_equal(file_replace(file, STR("a"), 0600, &err), 0);
	assert_int_equal(file_make_dirs(file, 0700, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "in the way"));
	assert_int_equal(file_make_dirs(below, 0700, &err), -ENOTDIR);
	free(path);
	free(first);
	free(file);
	free(below);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace_and_read), cmocka_unit_test(test_large),
		cmocka_unit_test(test_no_size),          cmocka_unit_test(test_failures),
		cmocka_unit_test(test_no_leftover),      cmocka_unit_test(test_make_dirs),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
