#include "storage/journal_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

/* --- the directory ---------------------------------------------------------------------------- */

/* Synced although it is there: whoever made it may not have lived to do so. */
int journal_make_dir(const char *dir, struct err *err)
{
	char *above = xstrdup(dir);
	int r = file_make_dirs(dir, 0700, err);

	for (char *slash = strrchr(above, '/'); r == 0 && slash; slash = strrchr(above, '/')) {
		*slash = '\0';
		r = file_sync_dir(above[0] ? above : "/", err);
		/* Then it is not one that we made, or one that cannot be synced. */
		if (r == -EACCES || r == -EROFS || r == -EINVAL)
			r = 0;
	}
	if (r == 0 && dir[0] != '/')
		r = file_sync_dir(".", err);
	free(above);
	return r;
}

static int lock_refused(struct journal *journal, struct err *err)
{
	char pid[16] = "";
	ssize_t n = pread(journal->lock_fd, pid, sizeof(pid) - 1, 0);

	if (n > 0)
		pid[strcspn(pid, "\n")] = '\0';
	return err_set(err, -EBUSY,
		       "journal: '%s' is in use by another rfeventd%s%s; stop it, or give this one "
		       "another state_dir",
		       journal->dir, n > 0 ? ", process " : "", pid);
}

int journal_lock_dir(struct journal *journal, struct err *err)
{
	char pid[16];
	int n;

	journal->dir_fd = open(journal->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal->dir_fd < 0)
		return err_set(err, -errno, "journal: cannot open '%s': %s", journal->dir,
			       strerror(errno));
	journal->lock_fd = openat(journal->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (journal->lock_fd < 0)
		return err_set(err, -errno, "journal: cannot open '%s/lock': %s", journal->dir,
			       strerror(errno));
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? lock_refused(journal, err)
			       : err_set(err, -errno, "journal: cannot lock '%s/lock': %s",
					 journal->dir, strerror(errno));
	/* The number is for words only: a lock without it holds as well. */
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(journal->lock_fd, 0) < 0 || pwrite(journal->lock_fd, pid, (size_t)n, 0) < 0)
		log_warn("storage", "journal: process number not written to the lock file",
			 LOG_T("err", strerror(errno)));
	return 0;
}

/* --- the list of segments --------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->view.number;
	uint64_t y = ((const struct segment *)b)->view.number;

	return x < y ? -1 : x > y;
}

/* One file of the directory, into the list. */
static int find_segment_file(struct journal *journal, const char *name, struct err *err)
{
	struct segment_file file;
	struct err why;
	int r = segment_inspect(journal->dir_fd, name, &file, &why);

	if (r == -EBADF) {
		log_warn("storage", "journal: file left alone", LOG_T("err", why.text));
		return 0;
	}
	if (r < 0)
		return err_set(err, r, "%s", why.text);
	if (file.view.number >= journal->next_number)
		journal->next_number = file.view.number + 1;
	if (file.view.sealed && file.view.end == file.view.first) {
		r = segment_unlink(journal->dir_fd, file.view.number, file.view.id);
		return r < 0 ? err_set(err, r, "journal: cannot delete the empty '%s': %s", name,
				       strerror(-r))
			     : 0;
	}
	journal_list_add(journal, &(struct segment){
					  .view = file.view,
					  .size = file.size,
					  .sealed_us = file.sealed_us,
					  .is_resolved = file.view.sealed,
					  .is_known = file.is_known,
				  });
	journal->segments[journal->n_segments - 1].view.sealed = true;
	return 0;
}

int journal_find_segments(struct journal *journal, struct err *err)
{
	DIR *dir = opendir(journal->dir);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "journal: cannot list '%s': %s", journal->dir,
			       strerror(errno));
	journal->next_number = 1;
	while (r == 0 && (entry = readdir(dir))) {
		if (str_ends_with(str_of(entry->d_name), STR(".journal")))
			r = find_segment_file(journal, entry->d_name, err);
	}
	closedir(dir);
	if (journal->n_segments > 0)
		qsort(journal->segments, journal->n_segments, sizeof(journal->segments[0]),
		      by_number);
	return r;
}

/* --- finding the end of what was not sealed --------------------------------------------------- */

static bool next_unresolved(struct journal *journal, uint64_t from_number, struct segment *out)
{
	bool found = false;

	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; !found && i < journal->n_segments; i++) {
		found = !journal->segments[i].is_resolved &&
			journal->segments[i].view.number >= from_number;
		if (found)
			*out = journal->segments[i];
	}
	pthread_mutex_unlock(&journal->lock);
	return found;
}

/* Not sealed it can be read as well: the next start will find the same end. */
static void seal(struct journal *journal, struct segment *segment)
{
	struct journal_segment *view = &segment->view;
	int fd = segment_open(journal->dir_fd, view->number, view->id, O_RDWR);
	int r = fd < 0 ? fd : segment_seal(fd, view->id, view->end, segment->sealed_us);

	if (r == 0)
		segment->size = view->end;
	if (r == 0 && journal_sys.fdatasync(fd) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	if (r < 0)
		log_warn("storage", "journal: segment not sealed, it will be scanned at start",
			 LOG_I("segment", view->number), LOG_T("err", strerror(-r)));
}

/* Scan and seal. One without a whole record is deleted, unless its header is damaged: then its
 * records may have been unreadable for the same reason. */
static int resolve(struct journal *journal, struct journal_reader *reader, struct segment *segment,
		   struct err *err)
{
	struct journal_segment *view = &segment->view;
	int r = segment_scan(reader, view, segment->size, &view->end, err);

	if (r < 0)
		return r;
	if (view->end == view->first) {
		if (!segment->is_known || r == 1)
			return err_set(err, -EBADMSG, "journal: nothing whole in segment %llu",
				       (unsigned long long)view->number);
		r = segment_unlink(journal->dir_fd, view->number, view->id);
		return r < 0 ? err_set(err, r, "journal: cannot delete an empty segment: %s",
				       strerror(-r))
			     : 0;
	}
	/* Sealing gives up what lies behind the end: not while some of it could not be read. */
	if (r == 0)
		seal(journal, segment);
	return 0;
}

static void set_resolved(struct journal *journal, const struct segment *resolved)
{
	struct segment *segment;

	log_info("storage", "journal: end of an unsealed segment found",
		 LOG_I("segment", resolved->view.number), LOG_I("end", resolved->view.end));
	pthread_mutex_lock(&journal->lock);
	segment = journal_list_find(journal, resolved->view.id);
	segment->view.end = resolved->view.end;
	segment->is_resolved = true;
	journal_list_resize(journal, segment, resolved->size);
	if (resolved->view.end == resolved->view.first)
		journal_list_remove(journal, segment);
	pthread_mutex_unlock(&journal->lock);
}

static void set_refused(struct journal *journal, const struct segment *refused,
			const struct err *err)
{
	if (!refused->was_refused)
		log_warn("storage", "journal: segment cannot be read, left alone",
			 LOG_T("err", err->text));
	pthread_mutex_lock(&journal->lock);
	journal_list_find(journal, refused->view.id)->was_refused = true;
	pthread_mutex_unlock(&journal->lock);
}

void journal_resolve_all(struct journal *journal)
{
	struct journal_reader *reader = NULL;
	struct segment segment = { .view = { .number = 0 } };
	struct err err;

	pthread_mutex_lock(&journal->resolving);
	for (uint64_t from = 0; next_unresolved(journal, from, &segment);
	     from = segment.view.number + 1) {
		if (!reader)
			reader = journal_reader_new(journal->dir);
		if (resolve(journal, reader, &segment, &err) < 0)
			set_refused(journal, &segment, &err);
		else
			set_resolved(journal, &segment);
	}
	pthread_mutex_unlock(&journal->resolving);
	journal_reader_free(reader);
}
