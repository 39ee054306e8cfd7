/* Clocks, latencies, CPU of processes. */
#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load/load.h"

static int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t utc_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

/* Values below HISTOGRAM_STEPS have a place each; above, each power of two has HISTOGRAM_STEPS / 2.
 */
static size_t place_of(uint64_t us)
{
	int shift = 0;

	while (us >> shift >= HISTOGRAM_STEPS)
		shift++;
	return (size_t)shift * (HISTOGRAM_STEPS / 2) + (size_t)(us >> shift);
}

static int64_t value_at(size_t place)
{
	size_t shift = place < HISTOGRAM_STEPS ? 0 : place / (HISTOGRAM_STEPS / 2) - 1;

	return (int64_t)((place - shift * (HISTOGRAM_STEPS / 2)) << shift);
}

void histogram_add(struct histogram *histogram, int64_t us)
{
	histogram->counts[place_of(us > 0 ? (uint64_t)us : 0)]++;
	histogram->n++;
	if (us > histogram->max_us)
		histogram->max_us = us;
}

int64_t histogram_percentile(const struct histogram *histogram, double part)
{
	uint64_t wanted = (uint64_t)((double)histogram->n * part);
	uint64_t seen = 0;

	for (size_t i = 0; i < sizeof(histogram->counts) / sizeof(histogram->counts[0]); i++) {
		seen += histogram->counts[i];
		if (seen > wanted)
			return value_at(i);
	}
	return histogram->max_us;
}

/* schedstat: "nanoseconds-on-cpu nanoseconds-waiting slices". */
static int64_t cpu_of_thread_ns(int pid, const char *tid)
{
	char path[300];
	int64_t ns = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%" SCNd64, &ns) != 1)
		ns = -1;
	fclose(file);
	return ns;
}

int64_t cpu_of_process_ns(int pid)
{
	char path[64];
	int64_t sum = -1;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return -1;
	for (const struct dirent *entry = readdir(tasks); entry; entry = readdir(tasks)) {
		int64_t ns = entry->d_name[0] == '.' ? -1 : cpu_of_thread_ns(pid, entry->d_name);

		if (ns >= 0)
			sum = (sum < 0 ? 0 : sum) + ns;
	}
	closedir(tasks);
	return sum;
}

int64_t cpu_of_self_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}
