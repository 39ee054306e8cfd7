/* Replays a corpus without libFuzzer: each file of the folder in argv[1], or the one built in, and
 * each of its prefixes up to 4 KB. One test for run-unit; on a failure the file and the length. */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>

#include "base/file.h"

#define MAX_FILE_BYTES   (1u << 20)
#define MAX_PREFIX_BYTES 4096

static char under_way[512]; /* written before the input runs: a signal handler shows it */

static void show(int signal)
{
	size_t n = strlen(under_way);

	if (write(STDERR_FILENO, under_way, n) == (ssize_t)n)
		_exit(128 + signal);
	_exit(1);
}

/* In memory of its own, exactly as long: a read beyond is seen by the sanitizer. */
static void replay(const char *path, const char *bytes, size_t n)
{
	uint8_t *exact = xmalloc(n > 0 ? n : 1);

	snprintf(under_way, sizeof(under_way), "fails with %zu bytes of %s\n", n, path);
	if (n > 0)
		memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static void replay_file(const char *path)
{
	struct err err = { "" };
	char *bytes;
	size_t n;

	CHECK_SAYING(file_read(path, MAX_FILE_BYTES, &bytes, &n, &err) == 0, "(%s)", err.text);
	for (size_t prefix = 0; prefix < n && prefix <= MAX_PREFIX_BYTES; prefix++)
		replay(path, bytes, prefix);
	replay(path, bytes, n);
	free(bytes);
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "tests/fuzz/corpus/" FUZZ_NAME;
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, alphasort);
	size_t n_files = 0;

	signal(SIGABRT, show);
	CHECK_SAYING(n > 0, "(no folder '%s' here)", dir);
	for (int i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", dir, entries[i]->d_name);

		if (entries[i]->d_name[0] != '.') {
			replay_file(path);
			n_files++;
		}
		free(path);
		free(entries[i]);
	}
	free(entries);
	CHECK_SAYING(n_files > 0, "(no file in '%s')", dir);
	printf("[       OK ] replay_" FUZZ_NAME ": %zu files and their prefixes\n", n_files);
	return 0;
}
