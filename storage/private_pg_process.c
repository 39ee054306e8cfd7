#include "storage/private_pg_process_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define LOG_MAX_BYTES      (16 << 20) /* then the log is put aside as .old */
#define PID_FILE_MAX_BYTES 4096
#define PASSWD_BYTES       16384
#define EXIT_NOT_STARTED   127

/* --- the user --------------------------------------------------------------------------------- */

static int load_groups(struct pg_user *user)
{
	user->n_groups = 64;
	user->groups = xcalloc((size_t)user->n_groups, sizeof(user->groups[0]));
	while (getgrouplist(user->name, user->gid, user->groups, &user->n_groups) < 0)
		user->groups =
			xrealloc(user->groups, (size_t)user->n_groups * sizeof(user->groups[0]));
	return 0;
}

/* By name, or by uid when `name` is NULL. */
static int look_up(const char *name, uid_t uid, struct pg_user *out, struct err *err)
{
	char *texts = xmalloc(PASSWD_BYTES);
	struct passwd entry, *found = NULL;
	int r = name ? getpwnam_r(name, &entry, texts, PASSWD_BYTES, &found)
		     : getpwuid_r(uid, &entry, texts, PASSWD_BYTES, &found);

	if (found) {
		*out = (struct pg_user){
			.name = xstrdup(found->pw_name),
			.uid = found->pw_uid,
			.gid = found->pw_gid,
		};
		r = load_groups(out);
	} else if (name) {
		r = err_set(
			err, r ? -r : -ENOENT,
			"private postgres: there is no user '%s' to run it; install the "
			"Debian package 'postgresql', which makes 'postgres', or set storage.url",
			name);
	} else {
		r = err_set(err, r ? -r : -ENOENT,
			    "private postgres: uid %u has no name in the user database, which "
			    "PostgreSQL needs; give it one, or set storage.url",
			    (unsigned)uid);
	}
	free(texts);
	return r;
}

int pg_user_find(const char *wanted, const char *data_dir, struct pg_user *out, struct err *err)
{
	bool is_root = geteuid() == 0;
	struct pg_user user;
	struct stat st;
	int r;

	if (wanted)
		r = look_up(wanted, 0, &user, err);
	else if (!is_root)
		r = look_up(NULL, geteuid(), &user, err);
	else if (stat(data_dir, &st) == 0 && st.st_uid != 0)
		r = look_up(NULL, st.st_uid, &user, err);
	else
		r = look_up("postgres", 0, &user, err);
	if (r < 0)
		return r;
	user.is_other = user.uid != geteuid();
	if (user.uid == 0)
		r = err_set(err, -EINVAL,
			    "private postgres: PostgreSQL never runs as root; name "
			    "another user");
	else if (user.is_other && !is_root)
		r = err_set(err, -EPERM,
			    "private postgres: only root can run it as another user ('%s')",
			    user.name);
	else if (stat(data_dir, &st) == 0 && st.st_uid != user.uid)
		r = err_set(err, -EPERM,
			    "private postgres: '%s' belongs to uid %u, not to '%s'; start rfeventd "
			    "as the user who started it first, or as root",
			    data_dir, (unsigned)st.st_uid, user.name);
	if (r < 0)
		pg_user_fini(&user);
	else
		*out = user;
	return r;
}

void pg_user_fini(struct pg_user *user)
{
	free(user->name);
	free(user->groups);
	*user = (struct pg_user){ 0 };
}

/* Between fork and exec: calls that are safe there only. */
static bool become(const struct pg_user *user)
{
	return !user->is_other || (setgroups((size_t)user->n_groups, user->groups) == 0 &&
				   setresgid(user->gid, user->gid, user->gid) == 0 &&
				   setresuid(user->uid, user->uid, user->uid) == 0);
}

static bool can_search(const struct pg_user *user, const char *dir)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(become(user) && access(dir, X_OK) == 0 ? 0 : 1);
	if (pid < 0)
		return true; /* then starting it will tell */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int pg_user_reaches(const struct pg_user *user, const char *dir, struct err *err)
{
	char *part;
	int r = 0;

	/* Whole paths need every folder before them: the first that fails is the closed one. */
	if (can_search(user, dir))
		return 0;
	part = xstrdup(dir);
	for (char *slash = part; r == 0 && slash; slash = strchr(slash + 1, '/')) {
		char kept = slash[1];

		if (slash == part)
			slash[1] = '\0';
		else
			*slash = '\0';
		if (!can_search(user, part))
			r = err_set(err, -EACCES,
				    "private postgres: user '%s' cannot pass '%s' on the way to "
				    "'%s'; open it (chmod o+x '%s'), choose another state_dir, or "
				    "set storage.url",
				    user->name, part, dir, part);
		if (slash == part)
			slash[1] = kept;
		else
			*slash = '/';
	}
	if (r == 0)
		r = err_set(err, -EACCES,
			    "private postgres: user '%s' cannot pass '%s'; open it (chmod o+x "
			    "'%s'), choose another state_dir, or set storage.url",
			    user->name, dir, dir);
	free(part);
	return r;
}

/* --- starting --------------------------------------------------------------------------------- */

static int open_log(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	if (stat(path, &st) == 0 && st.st_size > LOG_MAX_BYTES) {
		char *aside = xasprintf("%s.old", path);

		rename(path, aside); /* when not, it grows on */
		free(aside);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -errno, "private postgres: cannot open '%s': %s", path,
			       strerror(errno));
	return fd;
}

/* The reading end of a pipe that holds `input`, or nothing at all. */
static int open_input(const char *input, struct err *err)
{
	int fds[2] = { -1, -1 };
	bool good;

	if (!input) {
		fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		good = fds[0] >= 0;
	} else {
		/* A few bytes always fit into an empty pipe. */
		good = pipe2(fds, O_CLOEXEC) == 0 && write(fds[1], input, strlen(input)) >= 0;
	}
	if (!good)
		return err_set(err, -errno, "private postgres: cannot start: %s", strerror(errno));
	if (fds[1] >= 0)
		close(fds[1]);
	return fds[0];
}

static void forget_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The child's half. */
static void __attribute__((noreturn))
begin(const struct pg_command *command, pid_t parent, int input, int log)
{
	static char locale[] = "LC_ALL=C", zone[] = "TZ=UTC", path[] = "PATH=/usr/bin:/bin",
		    home[] = "HOME=/";
	char *const environment[] = { path, home, locale, zone, NULL };
	static const char refused[] = "private postgres: cannot be started as its user\n";

	forget_signals();
	setsid();
	umask(077);
	if (dup2(input, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(EXIT_NOT_STARTED);
	close_range(3, ~0u, 0);
	if (become(command->user) && chdir("/") == 0) {
		/* Changing the user clears it, so only now; the parent may have gone meanwhile. */
		if (command->dies_with_us)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!command->dies_with_us || getppid() == parent)
			execve(command->argv[0], command->argv, environment);
	}
	if (write(2, refused, sizeof(refused) - 1) < 0)
		_exit(EXIT_NOT_STARTED);
	_exit(EXIT_NOT_STARTED);
}

pid_t pg_spawn(const struct pg_command *command, struct err *err)
{
	int input = -1, log;
	pid_t pid, parent = getpid();

	log = pid = open_log(command->log, err);
	if (log < 0)
		goto out;
	input = pid = open_input(command->input, err);
	if (input < 0)
		goto out;
	pid = fork();
	if (pid == 0)
		begin(command, parent, input, log);
	if (pid < 0)
		pid = err_set(err, -errno, "private postgres: cannot fork: %s", strerror(errno));
out:
	if (input >= 0)
		close(input);
	if (log >= 0)
		close(log);
	return pid;
}

void pg_last_line(const char *log, char *out, size_t size)
{
	char tail[512];
	int fd = open(log, O_RDONLY | O_CLOEXEC);
	off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	off_t from = end > (off_t)sizeof(tail) ? end - (off_t)sizeof(tail) : 0;
	ssize_t n = fd >= 0 ? pread(fd, tail, sizeof(tail), from) : 0;
	struct str line = str_trim((struct str){ tail, n > 0 ? (size_t)n : 0 });

	for (size_t i = line.len; i > 0; i--) {
		if (line.p[i - 1] == '\n') {
			line = (struct str){ line.p + i, line.len - i };
			break;
		}
	}
	snprintf(out, size, "%.*s", STR_ARG(line));
	if (fd >= 0)
		close(fd);
}

/* --- finding one that runs -------------------------------------------------------------------- */

static bool is_named_postgres(pid_t pid)
{
	char path[64], *name = NULL;
	bool is_it;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (file_read(path, 64, &name, &n, NULL) < 0)
		return false;
	is_it = str_eq(str_trim((struct str){ name, n }), STR("postgres"));
	free(name);
	return is_it;
}

bool pg_postmaster_is_alive(pid_t pid, const char *data_dir)
{
	char path[64], cwd[PATH_MAX];
	ssize_t n;

	if (pid <= 1 || (kill(pid, 0) < 0 && errno != EPERM) || !is_named_postgres(pid))
		return false;
	/* A server's current directory is its data. Without the right to look, its name does. */
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	n = readlink(path, cwd, sizeof(cwd));
	return n < 0 ? errno == EACCES : str_eq((struct str){ cwd, (size_t)n }, str_of(data_dir));
}

/* Line `at` of a text, from 0; empty when there is none. */
static struct str line_of(struct str text, int at)
{
	for (; at > 0 && text.len > 0; at--) {
		size_t n = str_find_char(text, '\n');

		n += n < text.len;
		text.p += n;
		text.len -= n;
	}
	text.len = str_find_char(text, '\n');
	return str_trim(text);
}

/* Lines: pid, data directory, start time, port, socket directory, address, shared memory, status */
bool pg_postmaster_find(const char *data_dir, struct pg_postmaster *out)
{
	char *path = xasprintf("%s/postmaster.pid", data_dir);
	char *content = NULL;
	struct str text, socket_dir;
	uint64_t pid = 0;
	size_t n = 0;
	bool found = false;

	if (file_read(path, PID_FILE_MAX_BYTES, &content, &n, NULL) < 0)
		goto out;
	text = (struct str){ content, n };
	socket_dir = line_of(text, 4);
	if (!str_to_u64(line_of(text, 0), &pid) || pid > INT_MAX ||
	    !pg_postmaster_is_alive((pid_t)pid, data_dir))
		goto out;
	out->pid = (pid_t)pid;
	out->is_stopping = str_eq(line_of(text, 7), STR("stopping"));
	if (!str_eq(line_of(text, 3), STR(PG_PORT)) || socket_dir.len >= sizeof(out->socket_dir))
		socket_dir.len = 0; /* none that we could use */
	snprintf(out->socket_dir, sizeof(out->socket_dir), "%.*s", STR_ARG(socket_dir));
	found = true;
out:
	free(content);
	free(path);
	return found;
}

void pg_lock_file_free(const char *path)
{
	char *content = NULL, *changed = NULL, task[64];
	uint64_t pid = 0;
	struct str first;
	struct err err;
	size_t n = 0;

	if (file_read(path, PID_FILE_MAX_BYTES, &content, &n, NULL) < 0)
		goto out;
	first = line_of((struct str){ content, n }, 0);
	if (!str_to_u64(first, &pid) || pid > INT_MAX || (pid_t)pid == getpid())
		goto out;
	snprintf(task, sizeof(task), "/proc/self/task/%d", (int)pid);
	if (access(task, F_OK) < 0)
		goto out;
	n -= (size_t)(first.p + first.len - content);
	changed = xasprintf("%d%.*s", (int)getpid(), (int)n, first.p + first.len);
	if (file_replace(path, str_of(changed), 0600, &err) < 0)
		log_warn("storage", "private postgres: its lock file names a thread of ours",
			 LOG_T("err", err.text));
out:
	free(changed);
	free(content);
}
