/* Parsing of one registry file, shared by the files that do it. Private to the room. */
#ifndef REGISTRIES_REGISTRY_PARSE_PRIV_H
#define REGISTRIES_REGISTRY_PARSE_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "registries/registry.h"

struct map;

struct parse {
	struct registry *registry;
	struct map *texts; /* every text once: content -> its place in the arena */
	struct registry_finding **last;
	size_t n_findings;
	bool full; /* the arena's cap was reached: the result must not be used */
};

/* Note a defect. `key` lives as long as the registry; p NULL for the file. */
void parse_note(struct parse *parse, const char *code, struct str key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* As much of a file's own name as the words of a defect show. Borrows. */
struct str parse_front(const char *text);
/* `s` in the registry's arena, once however often it occurs. */
struct str parse_keep(struct parse *parse, struct str s);
/* A JSON string as a str that borrows; p NULL for anything else. */
struct str parse_text(const json_t *value);
/* The Messages object into the registry, in ascending order of keys. */
void parse_messages(struct parse *parse, json_t *messages);

#endif
