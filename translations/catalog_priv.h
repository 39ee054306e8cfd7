/* Inside of a catalog. Private to the room. */
#ifndef TRANSLATIONS_CATALOG_PRIV_H
#define TRANSLATIONS_CATALOG_PRIV_H

#include "translations/catalog.h"
#include "translations/limits.h"

struct arena;

struct catalog {
	struct arena *arena; /* owns this struct too */
	struct str place;    /* NUL-terminated */
	char language[LANGUAGE_MAX_BYTES];
	struct str prefix, version;
	struct translated *messages;
	size_t n_messages;
	struct catalog_finding *findings, **last_finding;
	size_t n_findings;
	bool full; /* the arena's cap was reached */
};

#endif
