/* faults: a disk and a clock that fail when told to. Preloaded into a process, it maps the file
 * FAULTS_CONTROL, which tests/faults/controls.py writes while the process runs:
 *
 *   clock_offset_us   added to the time of day; the monotonic clock never steps
 *   disk              what happens to the files under FAULTS_UNDER:
 *     DISK_FULL         nothing grows: ENOSPC, also when room is reserved
 *     DISK_EIO          a write is refused
 *     DISK_SHORT        a write takes half of what it was given
 *     DISK_NO_SYNC      fsync and fdatasync fail, and what was written since the last good one is
 *                       gone, as a kernel does that calls lost pages clean
 *     DISK_HANG         fsync and fdatasync wait for another word
 *   fired             counts the calls that failed
 *
 * Goes before other preloaded libraries: those see the calls that come through.
 *
 * Thread: any. Trouble of our own ends the process.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define US_PER_S 1000000
#define HANG_US  10000 /* between looks whether it is over */

enum { DISK_GOOD, DISK_FULL, DISK_EIO, DISK_SHORT, DISK_NO_SYNC, DISK_HANG };

/* The file, as mapped. */
struct control {
	_Atomic int64_t clock_offset_us;
	_Atomic int32_t disk;
	_Atomic uint32_t fired;
};

/* Bytes written to the file of ours that was written last, and not synced yet. */
struct unsynced {
	int fd;
	off_t from, to;
};

static struct control *control;
static char under[PATH_MAX];
static struct unsynced unsynced = { .fd = -1 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	ssize_t (*write)(int fd, const void *p, size_t n);
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	ssize_t (*pwritev)(int fd, const struct iovec *parts, int n, off_t at);
	int (*posix_fallocate)(int fd, off_t at, off_t n);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*clock_gettime)(clockid_t id, struct timespec *out);
} real;

__attribute__((noreturn)) static void die(const char *what)
{
	dprintf(STDERR_FILENO, "faults: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static void *symbol(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		die(name);
	return found;
}

/* Others' constructors may write before ours runs. */
static void find_real(void)
{
	if (real.clock_gettime)
		return;
	*(void **)&real.write = symbol("write");
	*(void **)&real.pwrite = symbol("pwrite");
	*(void **)&real.pwritev = symbol("pwritev");
	*(void **)&real.posix_fallocate = symbol("posix_fallocate");
	*(void **)&real.fsync = symbol("fsync");
	*(void **)&real.fdatasync = symbol("fdatasync");
	*(void **)&real.clock_gettime = symbol("clock_gettime");
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("FAULTS_CONTROL"), *root = getenv("FAULTS_UNDER");
	int fd;
	void *mapped;

	find_real();
	if (!path || !root)
		return;
	if (!realpath(root, under))
		snprintf(under, sizeof(under), "%s", root); /* made later */
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(path);
	mapped = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap");
	close(fd);
	control = mapped;
}

/* --- the disk --------------------------------------------------------------------------------- */

static bool is_ours(int fd)
{
	char link[64], path[PATH_MAX];
	size_t n = strlen(under);
	ssize_t have;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	have = readlink(link, path, sizeof(path) - 1);
	return have > (ssize_t)n && memcmp(path, under, n) == 0 && path[n] == '/';
}

/* The fault this descriptor is to suffer now. */
static int32_t fault_of(int fd)
{
	int32_t disk = control ? atomic_load_explicit(&control->disk, memory_order_relaxed) : 0;

	return disk != DISK_GOOD && is_ours(fd) ? disk : DISK_GOOD;
}

static int failed(int error)
{
	atomic_fetch_add(&control->fired, 1);
	errno = error;
	return -1;
}

/* Whether a file that ends behind `end` would grow. */
static bool grows(int fd, off_t end)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && end > st.st_size;
}

static void note_written(int fd, off_t from, ssize_t n)
{
	if (!control || n <= 0 || !is_ours(fd))
		return;
	pthread_mutex_lock(&lock);
	if (unsynced.fd != fd || unsynced.to == unsynced.from)
		unsynced = (struct unsynced){ fd, from, from };
	if (from < unsynced.from)
		unsynced.from = from;
	if (from + n > unsynced.to)
		unsynced.to = from + n;
	pthread_mutex_unlock(&lock);
}

static void lose_written(int fd)
{
	static const char zeros[4096];

	pthread_mutex_lock(&lock);
	while (unsynced.fd == fd && unsynced.from < unsynced.to) {
		size_t left = (size_t)(unsynced.to - unsynced.from);
		ssize_t n = real.pwrite(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros),
					unsynced.from);

		if (n <= 0)
			die("cannot lose what was written");
		unsynced.from += n;
	}
	pthread_mutex_unlock(&lock);
}

static int synced(int fd, int (*call)(int fd))
{
	int r;

	for (bool first = true; fault_of(fd) == DISK_HANG; first = false) {
		if (first)
			atomic_fetch_add(&control->fired, 1);
		usleep(HANG_US);
	}
	if (fault_of(fd) == DISK_NO_SYNC) {
		lose_written(fd);
		return failed(EIO);
	}
	r = call(fd);
	pthread_mutex_lock(&lock);
	if (r == 0 && unsynced.fd == fd)
		unsynced.fd = -1;
	pthread_mutex_unlock(&lock);
	return r;
}

int fsync(int fd)
{
	find_real();
	return synced(fd, real.fsync);
}

int fdatasync(int fd)
{
	find_real();
	return synced(fd, real.fdatasync);
}

ssize_t write(int fd, const void *p, size_t n)
{
	off_t at;

	find_real();
	switch (fault_of(fd)) {
	case DISK_FULL:
		at = lseek(fd, 0, SEEK_CUR);
		return grows(fd, at + (off_t)n) ? failed(ENOSPC) : real.write(fd, p, n);
	case DISK_EIO: return failed(EIO);
	default: return real.write(fd, p, n);
	}
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t done;

	find_real();
	switch (fault_of(fd)) {
	case DISK_FULL:
		if (grows(fd, at + (off_t)n))
			return failed(ENOSPC);
		break;
	case DISK_EIO: return failed(EIO);
	case DISK_SHORT:
		if (n > 1) {
			atomic_fetch_add(&control->fired, 1);
			n /= 2;
		}
		break;
	default: break;
	}
	done = real.pwrite(fd, p, n, at);
	note_written(fd, at, done);
	return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
	off_t end = at;
	int32_t fault;

	find_real();
	fault = fault_of(fd);
	for (int i = 0; i < n; i++)
		end += (off_t)parts[i].iov_len;
	if (fault == DISK_FULL && grows(fd, end))
		return failed(ENOSPC);
	if (fault == DISK_EIO)
		return failed(EIO);
	return real.pwritev(fd, parts, n, at);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
	find_real();
	if (fault_of(fd) == DISK_FULL && grows(fd, at + n)) {
		failed(ENOSPC);
		return ENOSPC;
	}
	return real.posix_fallocate(fd, at, n);
}

/* --- the clock -------------------------------------------------------------------------------- */

static int64_t offset_us(void)
{
	return control ? atomic_load_explicit(&control->clock_offset_us, memory_order_relaxed) : 0;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
	int64_t offset;
	int r;

	find_real();
	r = real.clock_gettime(id, out);
	if (r < 0 || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
		return r;
	offset = offset_us();
	out->tv_sec += offset / US_PER_S;
	out->tv_nsec += offset % US_PER_S * 1000;
	if (out->tv_nsec < 0 || out->tv_nsec >= 1000000000) {
		out->tv_sec += out->tv_nsec < 0 ? -1 : 1;
		out->tv_nsec += out->tv_nsec < 0 ? 1000000000 : -1000000000;
	}
	return r;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -1;
	*out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* --- the names of programs built for large files ------------------------------------------------ */

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at) __attribute__((alias("pwrite")));
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off_t at)
	__attribute__((alias("pwritev")));
int posix_fallocate64(int fd, off_t at, off_t n) __attribute__((alias("posix_fallocate")));
