#include "receiver/token.h"

#define EVENTS_PATH STR("/events")

bool token_is_events_path(struct str path)
{
	return str_starts_with(path, EVENTS_PATH) &&
	       (path.len == EVENTS_PATH.len || path.p[EVENTS_PATH.len] == '/');
}

static bool is_base32(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
}

size_t token_of_path(struct str path, char out[RECEIVER_TOKEN_MAX_CHARS + 1])
{
	size_t start = EVENTS_PATH.len + 1, n = 0;

	if (!token_is_events_path(path))
		return 0;
	while (start + n < path.len && is_base32(path.p[start + n])) {
		if (n == RECEIVER_TOKEN_MAX_CHARS)
			return 0;
		out[n] = char_lower(path.p[start + n]);
		n++;
	}
	out[n] = '\0';
	return n < RECEIVER_TOKEN_MIN_CHARS ? 0 : n;
}
