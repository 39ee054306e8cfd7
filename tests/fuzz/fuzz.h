/* What every fuzz target shares: the entry, its check, and a file to write bytes into. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* One input; always 0. Whatever it finds it aborts on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An invariant of the target: says which, and aborts, whatever the build's flags are. */
#define CHECK(condition) CHECK_SAYING(condition, "%s", "")
#define CHECK_SAYING(condition, ...)                                                               \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s ", __FILE__, __LINE__, #condition);     \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* `data` as a str; the sanitizer sees reads before and behind it. */
static inline struct str fuzz_str(const uint8_t *data, size_t size)
{
	return (struct str){ (const char *)data, size };
}

/* Whether `part` is absent or lies within `whole`. */
static inline bool fuzz_within(struct str part, struct str whole)
{
	return !part.p || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static char fuzz_dir_name[64];

static inline void fuzz_dir_remove(void)
{
	DIR *dir = opendir(fuzz_dir_name);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(fuzz_dir_name);
}

/* A directory of this process, in memory where there is one; removed when it ends. */
static inline const char *fuzz_dir(void)
{
	if (!fuzz_dir_name[0]) {
		snprintf(fuzz_dir_name, sizeof(fuzz_dir_name), "%s/rfeventd-fuzz-XXXXXX",
			 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		CHECK(mkdtemp(fuzz_dir_name));
		atexit(fuzz_dir_remove);
	}
	return fuzz_dir_name;
}

static inline void fuzz_write(const char *path, struct str content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 &&
	      write(fd, content.p ? content.p : "", content.len) == (ssize_t)content.len);
	close(fd);
}

#endif
