#include "event/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define GUARD_MAGIC   "rfeguard"
#define GUARD_VERSION 1
#define N_SLOTS       256 /* threads that decode at once; more go unguarded */
#define N_CRASHED     256 /* deliveries remembered; the oldest gives way */

enum { SLOT_FREE, SLOT_BUSY, SLOT_CRASHED };

struct slot {
	atomic_uint state;
	struct uuid delivery;
};

struct crashed {
	struct uuid delivery;
	uint32_t n;
};

/* The file, as mapped: written by this machine for itself. */
struct guard_file {
	char magic[8];
	uint32_t version;
	uint32_t n_crashed; /* ever added; the table holds the last N_CRASHED */
	struct slot slots[N_SLOTS];
	struct crashed crashed[N_CRASHED];
};

static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
static struct sigaction old_actions[ARRAY_LEN(signals)];
static struct guard_file *guard;
static _Thread_local struct slot *volatile own_slot;
static _Thread_local unsigned next_slot;

/* --- the crash -------------------------------------------------------------------------------- */

/* Async-signal-safe: one store into the mapped file, then whoever had the signal before us. */
static void on_crash(int signal, siginfo_t *info, void *context)
{
	struct slot *slot = own_slot;

	if (slot)
		atomic_store(&slot->state, SLOT_CRASHED);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (signals[i] == signal)
			sigaction(signal, &old_actions[i], NULL);
	}
	/* A fault comes again when the instruction is tried again; what was sent has to be sent. */
	if (info->si_code <= 0)
		raise(signal);
}

static void install_handler(void)
{
	struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &action, &old_actions[i]);
}

/* --- the file --------------------------------------------------------------------------------- */

static struct crashed *find_crashed(struct guard_file *file, struct uuid delivery)
{
	size_t n = file->n_crashed < N_CRASHED ? file->n_crashed : N_CRASHED;

	for (size_t i = 0; i < n; i++) {
		if (uuid_eq(file->crashed[i].delivery, delivery))
			return &file->crashed[i];
	}
	return NULL;
}

static void count_crash(struct guard_file *file, struct uuid delivery)
{
	struct crashed *crashed = find_crashed(file, delivery);

	if (!crashed) {
		crashed = &file->crashed[file->n_crashed++ % N_CRASHED];
		*crashed = (struct crashed){ .delivery = delivery };
	}
	crashed->n++;
}

/* What the last run left: slots of threads that crashed are counted, of threads that were merely
 * stopped (SIGKILL, power) are not. */
static void read_last_run(struct guard_file *file)
{
	if (memcmp(file->magic, GUARD_MAGIC, sizeof(file->magic)) != 0 ||
	    file->version != GUARD_VERSION) {
		memset(file, 0, sizeof(*file));
		memcpy(file->magic, GUARD_MAGIC, sizeof(file->magic));
		file->version = GUARD_VERSION;
	}
	for (size_t i = 0; i < N_SLOTS; i++) {
		if (atomic_load(&file->slots[i].state) == SLOT_CRASHED)
			count_crash(file, file->slots[i].delivery);
		atomic_store(&file->slots[i].state, SLOT_FREE);
	}
}

int guard_open(const char *path, struct err *err)
{
	struct guard_file *file = MAP_FAILED;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), r = 0;

	/* Written out at once: a full disk must show here, not as SIGBUS later. */
	if (fd >= 0)
		r = -posix_fallocate(fd, 0, sizeof(*file));
	if (fd >= 0 && r == 0)
		file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED) {
		r = r < 0 ? r : -errno;
		r = err_set(err, r, "decode guard: cannot map '%s': %s", path, strerror(-r));
		goto out;
	}
	read_last_run(file);
	guard = file;
	install_handler();
out:
	if (fd >= 0)
		close(fd);
	return r;
}

void guard_close(void)
{
	if (!guard)
		return;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &old_actions[i], NULL);
	munmap(guard, sizeof(*guard));
	guard = NULL;
	own_slot = NULL;
}

/* --- around each decode ----------------------------------------------------------------------- */

void guard_enter(struct uuid delivery)
{
	if (!guard)
		return;
	for (size_t i = 0; i < N_SLOTS; i++) {
		struct slot *slot = &guard->slots[(next_slot + i) % N_SLOTS];
		unsigned expected = SLOT_FREE;

		if (!atomic_compare_exchange_strong(&slot->state, &expected, SLOT_BUSY))
			continue;
		slot->delivery = delivery;
		next_slot = (unsigned)(slot - guard->slots); /* the same one again next time */
		own_slot = slot;
		return;
	}
}

void guard_leave(void)
{
	struct slot *slot = own_slot;

	if (!slot)
		return;
	own_slot = NULL;
	atomic_store(&slot->state, SLOT_FREE);
}

unsigned guard_crashes(struct uuid delivery)
{
	struct crashed *crashed;

	if (!guard || guard->n_crashed == 0)
		return 0;
	crashed = find_crashed(guard, delivery);
	return crashed ? crashed->n : 0;
}
