#include "api/negotiate.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/secrets.h"

static struct str cut_at(struct str *rest, char c)
{
	size_t end = str_find_char(*rest, c);
	struct str first = { rest->p, end };

	end += end < rest->len;
	*rest = (struct str){ rest->p + end, rest->len - end };
	return str_trim(first);
}

/* Whether the parameters behind an item say q=0: not wanted. */
static bool is_refused(struct str parameters)
{
	while (parameters.len > 0) {
		struct str one = cut_at(&parameters, ';');

		if (one.len < 3 || (one.p[0] | 0x20) != 'q' || one.p[1] != '=')
			continue;
		for (size_t i = 2; i < one.len; i++) {
			if (one.p[i] >= '1' && one.p[i] <= '9')
				return false;
		}
		return true;
	}
	return false;
}

/* How closely a media range fits: 3 "a/b", 2 "a/<any>", 1 any, 0 not. */
static int closeness(struct str range, struct str type)
{
	size_t slash = str_find_char(type, '/');

	if (str_eq_nocase(range, type))
		return 3;
	if (range.len == slash + 2 && range.p[slash + 1] == '*' &&
	    str_eq_nocase((struct str){ range.p, slash + 1 }, (struct str){ type.p, slash + 1 }))
		return 2;
	return str_eq(range, STR("*/*")) || str_eq(range, STR("*")) ? 1 : 0;
}

bool negotiate_accepts(struct str accept, const char *type)
{
	bool accepted = false;
	int best = 0;

	if (str_trim(accept).len == 0)
		return true;
	while (accept.len > 0) {
		struct str item = cut_at(&accept, ',');
		int close = closeness(cut_at(&item, ';'), str_of(type));

		if (close > best) {
			best = close;
			accepted = !is_refused(item);
		}
	}
	return accepted;
}

bool negotiate_gzip(struct str accept_encoding)
{
	bool any = false;

	while (accept_encoding.len > 0) {
		struct str item = cut_at(&accept_encoding, ',');
		struct str coding = cut_at(&item, ';');

		if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")))
			return !is_refused(item);
		if (str_eq(coding, STR("*")))
			any = !is_refused(item);
	}
	return any;
}

bool negotiate_is_type(struct str content_type, const char *type)
{
	return str_eq_nocase(cut_at(&content_type, ';'), str_of(type));
}

char *etag_of(struct str body, char out[ETAG_BYTES])
{
	uint8_t digest[SHA256_BYTES];
	size_t n = 0;

	secrets_sha256(body, digest);
	n += (size_t)snprintf(out, ETAG_BYTES, "W/\"");
	for (size_t i = 0; i < 8; i++)
		n += (size_t)snprintf(out + n, ETAG_BYTES - n, "%02x", digest[i]);
	snprintf(out + n, ETAG_BYTES - n, "\"");
	return out;
}

static struct str without_weak(struct str tag)
{
	return str_starts_with(tag, STR("W/")) ? (struct str){ tag.p + 2, tag.len - 2 } : tag;
}

bool etag_is_listed(struct str list, const char *etag)
{
	while (list.len > 0) {
		struct str one = cut_at(&list, ',');

		if (str_eq(one, STR("*")) || str_eq(without_weak(one), without_weak(str_of(etag))))
			return true;
	}
	return false;
}
