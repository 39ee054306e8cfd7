/* Registry: one loaded MessageRegistry, and sets of them.
 *
 * A set is an immutable snapshot shared by reference; identity of a registry is (source, prefix,
 * version, language, content hash). Tolerant of every defect of spec 5.1, each one named in a
 * list of findings. Parsing is pure: bytes in, registry out.
 */
#ifndef REGISTRIES_REGISTRY_H
#define REGISTRIES_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/event.h"

struct err;
struct registry;
struct registry_set;

/* One message of a registry. Texts live as long as the registry; p NULL: not given. */
struct message {
	struct str key; /* trimmed */
	struct str text;
	struct str description, resolution;
	enum severity severity;
	unsigned n_args;      /* highest %n in the text: NumberOfArgs is not believed */
	uint64_t number_args; /* bit n - 1: %n is declared a number (of the first 64) */
	bool clears_same_origin;
	bool clears_all;
	struct str *clears; /* keys of the same registry, even those it does not have */
	size_t n_clears;
};

struct registry_finding { /* one defect, for lint and the log */
	const char *code; /* "number_of_args_wrong", "key_blank" … literal */
	struct str key;   /* message it is about, p NULL for the file */
	struct str words;
	struct registry_finding *next;
};

/* Parse one file. `place` names it in errors, and its last part is compared with the prefix.
 * -EFBIG when it is too large, -EBADMSG when it is not JSON, -EINVAL when it is not a message
 * registry at all, all with words; defects that can be lived with become findings. *out is new. */
int registry_parse(struct str json, const char *place, struct registry **out, struct err *err);
void registry_unref(struct registry *registry); /* NULL is allowed */
struct str registry_prefix(const struct registry *registry);
struct str registry_version(const struct registry *registry); /* "1.2.0" */
/* A regular tag: "ja" where the file says "jp". */
struct str registry_language(const struct registry *registry);
struct str registry_sha256(const struct registry *registry); /* hex */
const char *registry_place(const struct registry *registry);
void registry_version_numbers(const struct registry *registry, unsigned out[3]);
size_t registry_count(const struct registry *registry);
/* In ascending order of keys. */
const struct message *registry_message_at(const struct registry *registry, size_t i);
/* By the exact key; NULL when it is not there. */
const struct message *registry_find(const struct registry *registry, struct str key);
const struct registry_finding *registry_findings(const struct registry *registry);

/* A set of these registries: takes the references. Of equal files one is kept. */
struct registry_set *registry_set_new(struct registry *const *registries, size_t n);

/* Read all *.json below the folders (missing folders are fine, hidden files are passed over). Files
 * that are no message registry are skipped and counted, and named in the log when they cannot be
 * read or are not JSON. Of two registries of one prefix, version and language the one of the later
 * folder answers. Takes a second or so for hundreds of files: not on a thread that serves.
 * `result` may be NULL. */
struct registry_load_result {
	size_t n_loaded, n_skipped, n_findings;
	size_t n_same; /* files equal to one that is loaded */
};
struct registry_set *registry_set_load(const char *const *dirs, size_t n_dirs,
				       struct registry_load_result *result);
/* Say that `source` serves the registries with these hashes itself, and so means them first (spec
 * 5.3); hashes that the set has not are passed over. Only while the set is not shared yet. */
void registry_set_hold(struct registry_set *set, struct uuid source, const char *const *sha256,
		       size_t n);
size_t registry_set_n_sources(const struct registry_set *set); /* that were said to hold some */
/* Whether the source serves this registry of the set itself. */
bool registry_set_is_held(const struct registry_set *set, struct uuid source,
			  const struct registry *registry);
struct registry_set *registry_set_ref(struct registry_set *set);
void registry_set_unref(struct registry_set *set); /* NULL is allowed */
/* The pair that base/slot.h wants. */
void *registry_set_slot_ref(void *set);
void registry_set_slot_unref(void *set);
size_t registry_set_count(const struct registry_set *set); /* 0 for NULL */
/* By prefix, oldest version first; of one version the one that answers first. */
const struct registry *registry_set_at(const struct registry_set *set, size_t i);

#endif
