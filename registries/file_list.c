#include "registries/file_list_priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "registries/limits.h"

/* A folder on the way down to the present one, so that links in a circle are seen. */
struct ancestor {
	const struct ancestor *above;
	dev_t dev;
	ino_t ino;
};

static void add_path(struct file_list *list, char *path)
{
	if (list->n == list->room) {
		list->room = list->room > 0 ? list->room * 2 : 256;
		list->paths = xrealloc(list->paths, list->room * sizeof(*list->paths));
	}
	list->paths[list->n++] = (struct file_path){ path, list->folder };
}

static void walk(struct file_list *list, const char *dir, const struct ancestor *above, int depth);

static bool is_circle(const struct ancestor *above, const struct stat *st)
{
	for (; above; above = above->above) {
		if (above->dev == st->st_dev && above->ino == st->st_ino)
			return true;
	}
	return false;
}

/* Links are followed: files are often mounted as such. */
static void visit(struct file_list *list, const char *dir, const char *name,
		  const struct ancestor *above, int depth)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode)) {
			if (!is_circle(above, &st))
				walk(list, path, above, depth + 1);
		} else if (S_ISREG(st.st_mode) && str_ends_with(str_of(name), STR(".json"))) {
			add_path(list, path);
			path = NULL; /* the list has it */
		}
	}
	free(path);
}

static void walk(struct file_list *list, const char *dir, const struct ancestor *above, int depth)
{
	struct ancestor here = { .above = above };
	struct dirent *entry;
	struct stat st;
	DIR *stream;

	if (depth > REGISTRY_SET_MAX_DEPTH || list->n_dirs >= REGISTRY_SET_MAX_DIRS) {
		list->cut = true;
		return;
	}
	stream = opendir(dir);
	if (!stream) {
		if (errno != ENOENT)
			log_warn("registries", "cannot read a folder", LOG_T("folder", dir),
				 LOG_T("err", strerror(errno)));
		return;
	}
	list->n_dirs++;
	if (fstat(dirfd(stream), &st) == 0) {
		here.dev = st.st_dev;
		here.ino = st.st_ino;
	}
	while ((entry = readdir(stream))) {
		if (list->n >= REGISTRY_SET_MAX_FILES) {
			list->cut = true;
			break;
		}
		if (entry->d_name[0] != '.')
			visit(list, dir, entry->d_name, &here, depth);
	}
	closedir(stream);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct file_path *)a)->text, ((const struct file_path *)b)->text);
}

void file_list_walk(struct file_list *list, const char *dir, size_t folder)
{
	size_t first = list->n;

	list->folder = folder;
	walk(list, dir, NULL, 0);
	if (list->n > first)
		qsort(list->paths + first, list->n - first, sizeof(*list->paths), compare_paths);
}

void file_list_fini(struct file_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->paths[i].text);
	free(list->paths);
	*list = (struct file_list){ 0 };
}
