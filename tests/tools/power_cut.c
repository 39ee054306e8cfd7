/* power_cut: a disk that forgets. Preloaded into a process, it keeps, beside the directory
 * POWER_CUT_ROOT, what a power cut would leave of it; tests/e2e/power_cut.py then puts that in the
 * directory's place. What counts as durable is what POSIX promises, and no more:
 *
 *   fsync, fdatasync of a file         its bytes and its size, as they are during the call
 *   a write to an O_DSYNC descriptor   the same, when it returns
 *   fsync of a directory               its names: those made, renamed and removed until then
 *   anything else                      nothing: a synced file without a synced name is gone
 *
 * sync, syncfs, msync and sync_file_range count for nothing, so a program that relied on them
 * would lose here. A call that is not watched below can only lose more, never keep more: bytes are
 * taken over at a sync alone. What the directory holds at the first start is durable; a process
 * that finds a twin goes on with it, as after a crash that left the power on.
 *
 * POWER_CUT_TWIN, at first an empty directory, receives:
 *   nodes/<n>          a file as it is on disk, or a directory of such names: a hard link for a
 *                      file, a symbolic link "../<n>" for a directory
 *   nodes/1            POWER_CUT_ROOT itself
 *   inodes/<n>         a symbolic link to the inode number that node n has in POWER_CUT_ROOT;
 *                      none when it has no name there any more
 * A directory with a name that starts with POWER_CUT_OPAQUE is no business of ours: a symbolic
 * link ":<inode number>" stands for it.
 * POWER_CUT_IGNORE: "fdatasync" or "directories" are not taken over when they are synced.
 *
 * Thread: any; one lock. Children are left alone. Trouble of our own ends the process.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_NODES   65536 /* files and directories seen in one run */
#define NAME_BYTES  24    /* of a node */
#define COPY_BYTES  65536
#define CLEAN_BELOW UINT64_MAX

struct node {
	ino_t ino;       /* 0: forgotten, its inode may come again as another file */
	bool is_whole;   /* was taken over once: from then on, the changed bytes are enough */
	uint64_t lo, hi; /* bytes changed since: [lo, hi); lo CLEAN_BELOW: none */
	int fd;          /* of the twin */
};

static struct {
	bool on, ignore_fdatasync, ignore_directories;
	char root[PATH_MAX];
	size_t root_len;
	const char *opaque;
	dev_t dev;
	int nodes_fd, inodes_fd;
	struct node nodes[MAX_NODES]; /* node n is nodes[n - 1] */
	size_t n_nodes;
	pthread_mutex_t lock;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct {
	ssize_t (*write)(int fd, const void *p, size_t n);
	ssize_t (*writev)(int fd, const struct iovec *parts, int n);
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	int (*ftruncate)(int fd, off_t n_bytes);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*unlink)(const char *path);
	int (*unlinkat)(int dir_fd, const char *name, int flags);
	int (*remove)(const char *path);
	int (*rmdir)(const char *path);
	int (*rename)(const char *from, const char *to);
	int (*renameat)(int from_fd, const char *from, int to_fd, const char *to);
} real;

__attribute__((noreturn)) static void die(const char *what)
{
	dprintf(STDERR_FILENO, "power_cut: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static const char *node_name(size_t n, char text[NAME_BYTES])
{
	snprintf(text, NAME_BYTES, "%zu", n);
	return text;
}

/* 0: not known. */
static size_t node_find(const struct stat *st)
{
	for (size_t i = disk.n_nodes; i-- > 0;) {
		if (disk.nodes[i].ino == st->st_ino && disk.dev == st->st_dev)
			return i + 1;
	}
	return 0;
}

/* An empty file or directory, without a name yet. */
static size_t node_new(const struct stat *st)
{
	struct node *node = &disk.nodes[disk.n_nodes];
	char name[NAME_BYTES], inode[NAME_BYTES];
	bool is_dir = S_ISDIR(st->st_mode);

	if (disk.n_nodes == MAX_NODES)
		die("too many files");
	node_name(++disk.n_nodes, name);
	*node = (struct node){ st->st_ino, .lo = CLEAN_BELOW };
	if (is_dir && mkdirat(disk.nodes_fd, name, 0700) < 0)
		die("cannot make a directory");
	node->fd = openat(disk.nodes_fd, name,
			  (is_dir ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT | O_EXCL) | O_CLOEXEC,
			  0600);
	if (node->fd < 0 || fchmod(node->fd, st->st_mode & 07777) < 0)
		die("cannot make a file");
	snprintf(inode, sizeof(inode), "%ju", (uintmax_t)st->st_ino);
	if (symlinkat(inode, disk.inodes_fd, name) < 0)
		die("cannot note an inode");
	return disk.n_nodes;
}

static size_t node_of(const struct stat *st)
{
	size_t n = node_find(st);

	return n ? n : node_new(st);
}

/* A name was removed: when it was the last one, the inode may come again as another file. */
static void node_forget(const struct stat *st)
{
	size_t n = node_find(st);
	char name[NAME_BYTES];

	if (n && (S_ISDIR(st->st_mode) || st->st_nlink <= 1)) {
		disk.nodes[n - 1].ino = 0;
		close(disk.nodes[n - 1].fd);
		real.unlinkat(disk.inodes_fd, node_name(n, name), 0);
	}
}

static bool has_opaque_name(const char *name)
{
	return strncmp(name, disk.opaque, strlen(disk.opaque)) == 0;
}

/* Whether `fd` lies below the root, and not in what is no business of ours. */
static bool is_inside(int fd, const struct stat *st)
{
	char link[64], path[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < (ssize_t)disk.root_len || memcmp(path, disk.root, disk.root_len) != 0)
		return false;
	path[n] = '\0';
	if (path[disk.root_len] == '\0')
		return true;
	name = path + disk.root_len + 1;
	if (path[disk.root_len] != '/')
		return false;
	return !has_opaque_name(name) || (S_ISREG(st->st_mode) && !strchr(name, '/'));
}

/* --- files ------------------------------------------------------------------------------------ */

static bool is_zero(const char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Bytes [lo, hi) of `from`, which may be shorter. */
static void copy_bytes(int from, int to, uint64_t lo, uint64_t hi, bool leave_zeros)
{
	static char bytes[COPY_BYTES];

	while (lo < hi) {
		size_t most = hi - lo < sizeof(bytes) ? (size_t)(hi - lo) : sizeof(bytes);
		ssize_t n = pread(from, bytes, most, (off_t)lo);

		if (n < 0)
			die("cannot read a file");
		if (n == 0)
			break;
		if (!(leave_zeros && is_zero(bytes, (size_t)n)) &&
		    real.pwrite(to, bytes, (size_t)n, (off_t)lo) != n)
			die("cannot write a file");
		lo += (uint64_t)n;
	}
}

/* `fd` may be open for writing alone: read it through a descriptor of our own. */
static int open_again(int fd, int flags)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return open(link, flags | O_CLOEXEC);
}

static void take_file(int fd, const struct stat *st)
{
	struct node *node = &disk.nodes[node_of(st) - 1];
	int from = open_again(fd, O_RDONLY);
	struct stat before;

	if (from < 0 || fstat(node->fd, &before) < 0)
		die("cannot open a file again");
	if (real.ftruncate(node->fd, st->st_size) < 0 || fchmod(node->fd, st->st_mode & 07777) < 0)
		die("cannot size a file");
	if (!node->is_whole)
		copy_bytes(from, node->fd, 0, (uint64_t)st->st_size, before.st_size == 0);
	else if (node->lo != CLEAN_BELOW)
		copy_bytes(from, node->fd, node->lo, node->hi, false);
	node->is_whole = true;
	node->lo = CLEAN_BELOW;
	node->hi = 0;
	close(from);
}

/* --- directories ------------------------------------------------------------------------------ */

/* Give `name` in the twin's directory another meaning, at once. */
static void put_name(int dir_fd, const char *name, const char *made)
{
	if (real.renameat(dir_fd, made, dir_fd, name) < 0)
		die("cannot rename");
	if (real.unlinkat(dir_fd, made, 0) < 0 &&
	    errno != ENOENT) /* two links of one file stay two */
		die("cannot remove a name");
}

static void put_link(int dir_fd, const char *name, const char *target)
{
	static const char made[] = ".power-cut-new";
	char now[NAME_BYTES + 4];
	ssize_t n = readlinkat(dir_fd, name, now, sizeof(now));

	if (n == (ssize_t)strlen(target) && memcmp(now, target, (size_t)n) == 0)
		return;
	if (symlinkat(target, dir_fd, made) < 0)
		die("cannot make a link");
	put_name(dir_fd, name, made);
}

static void put_file(int dir_fd, const char *name, size_t n)
{
	static const char made[] = ".power-cut-new";
	char node[NAME_BYTES];
	struct stat now, wanted;

	if (fstat(disk.nodes[n - 1].fd, &wanted) < 0)
		die("cannot look at a file");
	if (fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == wanted.st_ino)
		return;
	if (linkat(disk.nodes_fd, node_name(n, node), dir_fd, made, 0) < 0)
		die("cannot link a file");
	put_name(dir_fd, name, made);
}

/* Directory `name` in the directory `fd`. */
static bool is_opaque(int fd, const char *name)
{
	struct stat st;

	return has_opaque_name(name) && fstat(fd, &st) == 0 && node_find(&st) == 1;
}

/* One name of the directory `fd`, as it is now. */
static void take_name(int fd, struct node *dir, const char *name, const struct stat *st)
{
	char target[NAME_BYTES + 4];

	if (S_ISREG(st->st_mode)) {
		put_file(dir->fd, name, node_of(st));
	} else if (S_ISDIR(st->st_mode)) {
		if (is_opaque(fd, name))
			snprintf(target, sizeof(target), ":%ju", (uintmax_t)st->st_ino);
		else
			snprintf(target, sizeof(target), "../%zu", node_of(st));
		put_link(dir->fd, name, target);
	}
}

static DIR *list(int fd)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);

	if (!dir)
		die("cannot list a directory");
	return dir;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void take_directory(int fd, const struct stat *st)
{
	struct node *node = &disk.nodes[node_of(st) - 1];
	DIR *dir = list(fd);
	struct dirent *entry;
	struct stat found;

	while ((entry = readdir(dir))) {
		if (!is_dots(entry->d_name) &&
		    fstatat(fd, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0)
			take_name(fd, node, entry->d_name, &found);
	}
	closedir(dir);
	dir = list(node->fd);
	while ((entry = readdir(dir))) {
		if (!is_dots(entry->d_name) &&
		    fstatat(fd, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) < 0 &&
		    real.unlinkat(node->fd, entry->d_name, 0) < 0)
			die("cannot remove a name");
	}
	closedir(dir);
}

/* --- the start -------------------------------------------------------------------------------- */

static void adopt(int fd);

static void adopt_name(int fd, const char *name)
{
	struct stat st;
	int found;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !(S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && !is_opaque(fd, name))))
		return;
	found = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0)
		die("cannot open what is there at the start");
	if (S_ISDIR(st.st_mode))
		adopt(found);
	else
		take_file(found, &st);
	close(found);
}

/* What is in the directory `fd` is durable. */
static void adopt(int fd)
{
	struct stat st;
	struct dirent *entry;
	DIR *dir;

	if (fstat(fd, &st) < 0)
		die("cannot look at a directory");
	node_of(&st); /* above those in it: the root is the first */
	dir = list(fd);
	while ((entry = readdir(dir))) {
		if (!is_dots(entry->d_name))
			adopt_name(fd, entry->d_name);
	}
	closedir(dir);
	take_directory(fd, &st);
}

/* The nodes of a twin that an earlier process left. */
static void find_nodes(void)
{
	DIR *dir = list(disk.nodes_fd);
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		size_t n = strtoull(entry->d_name, NULL, 10);
		char inode[NAME_BYTES] = "";
		struct node *node;

		if (n == 0 || n > MAX_NODES)
			continue;
		node = &disk.nodes[n - 1];
		disk.n_nodes = n > disk.n_nodes ? n : disk.n_nodes;
		if (readlinkat(disk.inodes_fd, entry->d_name, inode, sizeof(inode) - 1) < 0)
			continue;
		*node = (struct node){ strtoull(inode, NULL, 10), .lo = CLEAN_BELOW };
		node->fd = openat(disk.nodes_fd, entry->d_name, O_RDWR | O_CLOEXEC);
		if (node->fd < 0 && errno == EISDIR)
			node->fd = openat(disk.nodes_fd, entry->d_name,
					  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (node->fd < 0)
			die("cannot open a node");
	}
	closedir(dir);
}

static void find_real(void)
{
	static const struct {
		const char *name;
		void *at;
	} calls[] = {
		{ "write", &real.write },     { "writev", &real.writev },
		{ "pwrite64", &real.pwrite }, { "ftruncate64", &real.ftruncate },
		{ "fsync", &real.fsync },     { "fdatasync", &real.fdatasync },
		{ "unlink", &real.unlink },   { "unlinkat", &real.unlinkat },
		{ "remove", &real.remove },   { "rmdir", &real.rmdir },
		{ "rename", &real.rename },   { "renameat", &real.renameat },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		void *call = dlsym(RTLD_NEXT, calls[i].name);

		if (!call)
			die(calls[i].name);
		memcpy(calls[i].at, &call, sizeof(call));
	}
}

static void lock_all(void)
{
	pthread_mutex_lock(&disk.lock);
}

static void unlock_all(void)
{
	pthread_mutex_unlock(&disk.lock);
}

static void end_in_child(void)
{
	disk.on = false;
	pthread_mutex_unlock(&disk.lock);
}

static int open_dir_in(const char *above, const char *name, bool *is_new)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", above, name) >= (int)sizeof(path))
		die("a path is too long");
	*is_new = mkdir(path, 0700) == 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die("cannot make the twin");
	return fd;
}

__attribute__((constructor)) static void start(void)
{
	const char *root = getenv("POWER_CUT_ROOT"), *twin = getenv("POWER_CUT_TWIN");
	const char *opaque = getenv("POWER_CUT_OPAQUE"), *ignore = getenv("POWER_CUT_IGNORE");
	struct stat st;
	bool is_new;
	int fd;

	find_real();
	unsetenv("LD_PRELOAD");
	if (!root || !twin)
		return;
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !realpath(root, disk.root))
		die("cannot open the root");
	disk.dev = st.st_dev;
	disk.root_len = strlen(disk.root);
	disk.opaque = opaque && *opaque ? opaque : "/";
	disk.ignore_fdatasync = ignore && strcmp(ignore, "fdatasync") == 0;
	disk.ignore_directories = ignore && strcmp(ignore, "directories") == 0;
	disk.inodes_fd = open_dir_in(twin, "inodes", &is_new);
	disk.nodes_fd = open_dir_in(twin, "nodes", &is_new);
	if (is_new)
		adopt(fd);
	else
		find_nodes();
	close(fd);
	pthread_atfork(lock_all, unlock_all, end_in_child);
	disk.on = true;
}

/* --- what a sync makes durable ---------------------------------------------------------------- */

/* The sync of `fd` succeeded. */
static void take(int fd, bool is_fdatasync)
{
	struct stat st;

	if (!disk.on || fstat(fd, &st) < 0 || st.st_dev != disk.dev ||
	    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return;
	pthread_mutex_lock(&disk.lock);
	/* Looked at again, under the lock: it may have grown. */
	if ((node_find(&st) || is_inside(fd, &st)) && fstat(fd, &st) == 0) {
		if (S_ISDIR(st.st_mode) && !disk.ignore_directories)
			take_directory(fd, &st);
		else if (S_ISREG(st.st_mode) && !(is_fdatasync && disk.ignore_fdatasync))
			take_file(fd, &st);
	}
	pthread_mutex_unlock(&disk.lock);
}

int fsync(int fd)
{
	int r = real.fsync(fd);

	if (r == 0)
		take(fd, false);
	return r;
}

int fdatasync(int fd)
{
	int r = real.fdatasync(fd);

	if (r == 0)
		take(fd, true);
	return r;
}

/* --- what changes a file ---------------------------------------------------------------------- */

/* Bytes [at, at + n) of `fd`; n 0: all behind. */
static void note_change(int fd, uint64_t at, uint64_t n)
{
	uint64_t end = n > 0 ? at + n : UINT64_MAX;
	struct stat st;
	size_t found;

	if (!disk.on || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	pthread_mutex_lock(&disk.lock);
	found = node_find(&st);
	if (found) {
		struct node *node = &disk.nodes[found - 1];

		node->lo = at < node->lo ? at : node->lo;
		node->hi = end > node->hi ? end : node->hi;
	}
	pthread_mutex_unlock(&disk.lock);
}

static void note_write(int fd, off_t at, ssize_t n)
{
	int error = errno;

	if (disk.on && n > 0 && at >= 0) {
		note_change(fd, (uint64_t)at, (uint64_t)n);
		if (fcntl(fd, F_GETFL) & O_DSYNC)
			take(fd, true);
	}
	errno = error;
}

/* Where a write through the descriptor's own position has begun; -1: not a file. */
static off_t begun(int fd, ssize_t n)
{
	off_t end = n > 0 && disk.on ? lseek(fd, 0, SEEK_CUR) : -1;

	return end < n ? -1 : end - n;
}

ssize_t write(int fd, const void *p, size_t n)
{
	ssize_t done = real.write(fd, p, n);
	int error = errno;
	off_t at = begun(fd, done);

	errno = error;
	note_write(fd, at, done);
	return done;
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	ssize_t done = real.writev(fd, parts, n);
	int error = errno;
	off_t at = begun(fd, done);

	errno = error;
	note_write(fd, at, done);
	return done;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	ssize_t done = real.pwrite(fd, p, n, at);

	note_write(fd, at, done);
	return done;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) __attribute__((alias("pwrite64")));

int ftruncate64(int fd, off_t n_bytes)
{
	int r = real.ftruncate(fd, n_bytes);

	if (r == 0)
		note_change(fd, (uint64_t)n_bytes, 0);
	return r;
}

int ftruncate(int fd, off_t n_bytes) __attribute__((alias("ftruncate64")));

/* --- what frees an inode ---------------------------------------------------------------------- */

/* Before a name goes: whether there is one. Holds the lock until gone(). */
static bool going(int dir_fd, const char *name, struct stat *st)
{
	pthread_mutex_lock(&disk.lock);
	return disk.on && fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int gone(bool was_there, const struct stat *st, int r)
{
	if (was_there && r == 0)
		node_forget(st);
	pthread_mutex_unlock(&disk.lock);
	return r;
}

int unlink(const char *path)
{
	struct stat st;
	bool was_there = going(AT_FDCWD, path, &st);

	return gone(was_there, &st, real.unlink(path));
}

int unlinkat(int dir_fd, const char *name, int flags)
{
	struct stat st;
	bool was_there = going(dir_fd, name, &st);

	return gone(was_there, &st, real.unlinkat(dir_fd, name, flags));
}

int remove(const char *path)
{
	struct stat st;
	bool was_there = going(AT_FDCWD, path, &st);

	return gone(was_there, &st, real.remove(path));
}

int rmdir(const char *path)
{
	struct stat st;
	bool was_there = going(AT_FDCWD, path, &st);

	return gone(was_there, &st, real.rmdir(path));
}

int rename(const char *from, const char *to)
{
	struct stat st;
	bool was_there = going(AT_FDCWD, to, &st);

	return gone(was_there, &st, real.rename(from, to));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat st;
	bool was_there = going(to_fd, to, &st);

	return gone(was_there, &st, real.renameat(from_fd, from, to_fd, to));
}
