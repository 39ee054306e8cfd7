#include "base/uuid.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secrets.h"

/* Random bytes fetched ahead, so that an id does not cost a system call. */
#define POOL_BYTES 512

static struct uuid marked(struct uuid id, uint8_t version)
{
	id.b[6] = (uint8_t)((id.b[6] & 0x0f) | version << 4);
	id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
	return id;
}

static void pooled_random(void *out, size_t n_bytes)
{
	static _Thread_local uint8_t pool[POOL_BYTES];
	static _Thread_local size_t left;

	if (left < n_bytes) {
		secrets_random(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= n_bytes;
	memcpy(out, pool + left, n_bytes);
}

struct uuid uuid_v4(void)
{
	struct uuid id = { { 0 } };

	secrets_random(id.b, sizeof(id.b));
	return marked(id, 4);
}

/* The 60 bits that order: 48 of milliseconds, 12 of the millisecond's fraction (RFC 9562, 6.2
 * method 3). A clock that stands or steps back counts on from the last one. */
struct uuid uuid_v7(int64_t time_us)
{
	static _Thread_local uint64_t last;
	uint64_t us = time_us > 0 ? (uint64_t)time_us : 0;
	uint64_t tick = (us / 1000) << 12 | (us % 1000) * 4096 / 1000;
	struct uuid id;

	if (tick <= last)
		tick = last + 1;
	last = tick;
	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(tick >> (52 - 8 * i));
	id.b[6] = (uint8_t)(tick >> 8 & 0x0f);
	id.b[7] = (uint8_t)tick;
	pooled_random(id.b + 8, 8);
	return marked(id, 7);
}

struct uuid uuid_digest(struct str domain, struct str text)
{
	size_t n = domain.len + 1 + text.len;
	uint8_t digest[SHA256_BYTES];
	char *joined = xmalloc(n);
	struct uuid id;

	if (domain.len > 0)
		memcpy(joined, domain.p, domain.len);
	joined[domain.len] = '\0';
	if (text.len > 0)
		memcpy(joined + domain.len + 1, text.p, text.len);
	secrets_sha256((struct str){ joined, n }, digest);
	free(joined);
	memcpy(id.b, digest, sizeof(id.b));
	return marked(id, 8);
}

static bool dash_before(int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

char *uuid_format(struct uuid id, char out[UUID_TEXT_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (dash_before(i))
			*p++ = '-';
		*p++ = digits[id.b[i] >> 4];
		*p++ = digits[id.b[i] & 15];
	}
	*p = '\0';
	return out;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(struct str text, struct uuid *out)
{
	const char *p = text.p;
	struct uuid id;

	if (text.len != UUID_TEXT_BYTES - 1)
		return false;
	for (int i = 0; i < 16; i++) {
		int high, low;

		if (dash_before(i) && *p++ != '-')
			return false;
		high = hex_value(*p++);
		low = hex_value(*p++);
		if (high < 0 || low < 0)
			return false;
		id.b[i] = (uint8_t)(high << 4 | low);
	}
	*out = id;
	return true;
}

bool uuid_eq(struct uuid a, struct uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool uuid_is_zero(struct uuid id)
{
	return uuid_eq(id, (struct uuid){ { 0 } });
}
