#include "event/quirks.h"

#include <assert.h>

static const struct {
	const char *name, *words;
} table[] = {
#define QUIRK(id, name, words) { name, words },
#include "event/quirks_table.h"
#undef QUIRK
};

static_assert(QUIRK_COUNT <= 64, "quirks are bits of a uint64_t");

const char *quirk_name(enum quirk quirk)
{
	assert(quirk < QUIRK_COUNT);
	return table[quirk].name;
}

const char *quirk_words(enum quirk quirk)
{
	assert(quirk < QUIRK_COUNT);
	return table[quirk].words;
}

uint64_t quirk_parse(struct str name)
{
	for (unsigned i = 0; i < QUIRK_COUNT; i++) {
		if (str_eq(name, str_of(table[i].name)))
			return 1ull << i;
	}
	return 0;
}
