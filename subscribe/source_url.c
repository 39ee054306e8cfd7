#include "subscribe/source_url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "subscribe/limits.h"

/* How much of a bad address the words of an error show. */
#define SHOWN_BYTES    120
#define NAME_MAX_BYTES 253 /* of a host: RFC 1035, section 2.3.4 */
#define ZONE_MAX_BYTES 33  /* of an address, with its percent sign */

static struct str shown(struct str s)
{
	return s.len > SHOWN_BYTES ? (struct str){ s.p, SHOWN_BYTES } : s;
}

static struct str after(struct str s, size_t n)
{
	return (struct str){ s.p + n, s.len - n };
}

static bool is_one_of(char c, const char *bytes)
{
	return c != '\0' && strchr(bytes, c);
}

/* Index of the first byte that is one of these, or s.len. */
static size_t find_any(struct str s, const char *bytes)
{
	size_t i = 0;

	while (i < s.len && !is_one_of(s.p[i], bytes))
		i++;
	return i;
}

static bool is_of(struct str s, const char *others)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.p[i]) && !is_one_of(s.p[i], others))
			return false;
	return s.len > 0;
}

/* With its zone, if it has one: "fe80::1%eth0". */
static bool is_ipv6(struct str s)
{
	struct str address = { s.p, str_find_char(s, '%') };
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ignored;

	if (address.len < s.len && !is_of(after(s, address.len + 1), ".-_"))
		return false;
	if (address.len >= sizeof(text) || s.len - address.len > ZONE_MAX_BYTES)
		return false;
	memcpy(text, address.p, address.len);
	text[address.len] = '\0';
	return inet_pton(AF_INET6, text, &ignored) == 1;
}

static bool is_port(struct str s)
{
	uint64_t port;

	return str_to_u64(s, &port) && port > 0 && port <= 65535;
}

/* A name or an address, "[…]" around an IPv6 address, with a port or without. */
static bool is_authority(struct str s)
{
	bool bracketed = s.len > 0 && s.p[0] == '[';
	size_t end = str_find_char(s, bracketed ? ']' : ':');
	struct str rest;

	if (bracketed && (end == s.len || !is_ipv6((struct str){ s.p + 1, end - 1 })))
		return false;
	if (!bracketed && (end > NAME_MAX_BYTES || !is_of((struct str){ s.p, end }, ".-_")))
		return false;
	rest = after(s, bracketed ? end + 1 : end);
	return rest.len == 0 || (rest.p[0] == ':' && is_port(after(rest, 1)));
}

static void put_lower(struct strbuf *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		strbuf_put_char(out, (char)tolower((unsigned char)s.p[i]));
}

/* The length of "scheme://" at the start; 0 when there is none that we speak. */
static size_t scheme_length(struct str url)
{
	if (url.len > 8 && str_eq_nocase((struct str){ url.p, 8 }, STR("https://")))
		return 8;
	if (url.len > 7 && str_eq_nocase((struct str){ url.p, 7 }, STR("http://")))
		return 7;
	return 0;
}

int source_url_origin(struct str url, struct strbuf *out, struct err *err)
{
	size_t scheme = scheme_length(url);
	struct str host = after(url, scheme), own_port = scheme == 8 ? STR(":443") : STR(":80");

	host.len = find_any(host, "/?#");
	if (scheme == 0 || !is_authority(host))
		return err_set(err, -EINVAL, "'%.*s' is not https://HOST or https://HOST:PORT",
			       STR_ARG(shown(url)));
	if (str_ends_with(host, own_port))
		host.len -= own_port.len;
	put_lower(out, (struct str){ url.p, scheme });
	put_lower(out, host);
	return out->failed ? err_set(err, -ENAMETOOLONG, "address: longer than %zu bytes",
				     out->max_bytes)
			   : 0;
}

static bool needs_escape(char c)
{
	return (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f || is_one_of(c, "\"<>\\^`{|}");
}

static void put_escaped(struct strbuf *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (needs_escape(s.p[i]))
			strbuf_putf(out, "%%%02X", (unsigned char)s.p[i]);
		else
			strbuf_put_char(out, s.p[i]);
}

/* Whether `reference` names a host, with a scheme or without ("//host/x"). */
static bool names_host(struct str reference)
{
	size_t end = find_any(reference, "/?");

	return str_starts_with(reference, STR("//")) ||
	       str_find_char((struct str){ reference.p, end }, ':') < end;
}

/* Drop scheme and host when they are the source's own. */
static bool strip_origin(struct str origin, struct str *reference)
{
	struct strbuf full, found;
	size_t scheme;
	bool same;

	strbuf_init(&full, 2 * FETCH_MAX_URI_BYTES);
	strbuf_init(&found, FETCH_MAX_URI_BYTES);
	if (str_starts_with(*reference, STR("//")))
		strbuf_put(&full, (struct str){ origin.p, str_find_char(origin, ':') + 1 });
	scheme = full.len;
	strbuf_put(&full, *reference);
	same = !full.failed && source_url_origin(strbuf_str(&full), &found, NULL) == 0 &&
	       str_eq(strbuf_str(&found), origin);
	if (same) {
		size_t host = scheme ? 2 : scheme_length(*reference);

		*reference = after(*reference, host + find_any(after(*reference, host), "/?"));
	}
	strbuf_fini(&full);
	strbuf_fini(&found);
	return same;
}

/* The folder that `from` lies in, with its slash. */
static struct str folder_of(struct str from)
{
	size_t n = find_any(from, "?");

	while (n > 0 && from.p[n - 1] != '/')
		n--;
	return (struct str){ from.p, n };
}

int source_url_path(struct str origin, struct str from, struct str reference, struct strbuf *out,
		    struct err *err)
{
	struct str given = str_trim(reference), rest = given;

	rest.len = str_find_char(rest, '#');
	if (rest.len == 0)
		return err_set(err, -EINVAL, "an empty address");
	if (rest.len > FETCH_MAX_URI_BYTES)
		return err_set(err, -ENAMETOOLONG, "an address of more than %d bytes: %.*s",
			       FETCH_MAX_URI_BYTES, STR_ARG(shown(given)));
	if (names_host(rest) && !strip_origin(origin, &rest))
		return err_set(err, -EXDEV, "leads away from %.*s, not followed: %.*s",
			       STR_ARG(origin), STR_ARG(shown(given)));
	if (rest.len == 0 || rest.p[0] == '?')
		strbuf_put_char(out, '/');
	else if (rest.p[0] != '/')
		put_escaped(out, folder_of(from));
	put_escaped(out, rest);
	if (!out->failed && out->p[0] != '/')
		return err_set(err, -EINVAL, "not an address: %.*s", STR_ARG(shown(given)));
	return out->failed ? err_set(err, -ENAMETOOLONG, "an address of more than %zu bytes",
				     out->max_bytes)
			   : 0;
}
