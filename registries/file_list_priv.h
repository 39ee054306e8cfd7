/* File list: the JSON files below folders. Private to the room. */
#ifndef REGISTRIES_FILE_LIST_PRIV_H
#define REGISTRIES_FILE_LIST_PRIV_H

#include <stdbool.h>
#include <stddef.h>

struct file_list {
	struct file_path {
		char *text;    /* new */
		size_t folder; /* the number given to file_list_walk() */
	} * paths;
	size_t n, room;
	size_t folder; /* the one being walked */
	size_t n_dirs; /* entered so far */
	bool cut;      /* a cap was reached */
};

/* Add all *.json below `dir`, in the order of their paths. Links are followed, hidden files passed
 * over, a missing folder is fine; one that cannot be read is named in the log. */
void file_list_walk(struct file_list *list, const char *dir, size_t folder);
void file_list_fini(struct file_list *list);

#endif
