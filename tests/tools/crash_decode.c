/* crash_decode: the daemon with a decoder that dies of a body with CRASH_MARK in it. Linked with
 * --wrap=decode_text, so that the crash is where a real one would be: behind the decode guard. */
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "event/decode_priv.h"

#define CRASH_MARK "end of the decoder"

struct str __real_decode_text(struct arena *arena, struct str raw, uint64_t *quirks);
struct str __wrap_decode_text(struct arena *arena, struct str raw, uint64_t *quirks);

struct str __wrap_decode_text(struct arena *arena, struct str raw, uint64_t *quirks)
{
	if (memmem(raw.p, raw.len, CRASH_MARK, strlen(CRASH_MARK)))
		raise(SIGSEGV);
	return __real_decode_text(arena, raw, quirks);
}
