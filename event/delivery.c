#include "event/delivery.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/limits.h"

/* The packed form, little-endian:
 *   u8 version | id[16] | source[16] | i64 received_us | u32 flags
 *   u16 len, peer | u16 len, token | u16 len, protocol | u32 len, raw
 */
#define PACK_VERSION 1

enum { NOT_PREPARED, SKIPPED, LEFT, PREPARED };

static atomic_size_t n_bytes_of_all;

size_t delivery_bytes(const struct delivery *delivery)
{
	return sizeof(*delivery) + arena_held(delivery->arena);
}

/* The arena has grown since the last time. */
static void count(struct delivery *delivery)
{
	size_t n_bytes = delivery_bytes(delivery);

	atomic_fetch_add_explicit(&n_bytes_of_all, n_bytes - delivery->n_counted,
				  memory_order_relaxed);
	delivery->n_counted = n_bytes;
}

size_t deliveries_bytes(void)
{
	return atomic_load_explicit(&n_bytes_of_all, memory_order_relaxed);
}

static bool copy_text(struct arena *arena, struct str text, struct str *out)
{
	if (!text.p)
		return true;
	*out = arena_copy(arena, text);
	return out->p != NULL;
}

static bool is_short(struct str text)
{
	return text.len <= UINT16_MAX;
}

struct delivery *delivery_new(struct uuid id, struct uuid source, int64_t received_us,
			      uint32_t flags, struct str peer, struct str token,
			      struct str protocol, struct str raw)
{
	struct delivery *delivery;

	if (raw.len > DELIVERY_MAX_BYTES || !is_short(peer) || !is_short(token) ||
	    !is_short(protocol))
		return NULL;
	delivery = xcalloc(1, sizeof(*delivery));
	atomic_init(&delivery->refs, 1);
	delivery->arena = arena_new(DELIVERY_ARENA_MAX_BYTES);
	delivery->id = id;
	delivery->source = source;
	delivery->received_us = received_us;
	delivery->flags = flags;
	if (!copy_text(delivery->arena, peer, &delivery->peer) ||
	    !copy_text(delivery->arena, token, &delivery->token) ||
	    !copy_text(delivery->arena, protocol, &delivery->protocol) ||
	    !copy_text(delivery->arena, raw, &delivery->raw)) {
		delivery_unref(delivery);
		return NULL;
	}
	count(delivery);
	return delivery;
}

struct delivery *delivery_ref(struct delivery *delivery)
{
	atomic_fetch_add_explicit(&delivery->refs, 1, memory_order_relaxed);
	return delivery;
}

void delivery_unref(struct delivery *delivery)
{
	if (!delivery || atomic_fetch_sub_explicit(&delivery->refs, 1, memory_order_acq_rel) != 1)
		return;
	atomic_fetch_sub_explicit(&n_bytes_of_all, delivery->n_counted, memory_order_relaxed);
	arena_free(delivery->arena);
	free(delivery);
}

/* --- packing ---------------------------------------------------------------------------------- */

static void put_bytes(struct strbuf *out, const void *bytes, size_t n)
{
	strbuf_put(out, (struct str){ bytes, n });
}

static void put_short_text(struct strbuf *out, struct str text)
{
	uint16_t len = htole16((uint16_t)text.len);

	put_bytes(out, &len, sizeof(len));
	strbuf_put(out, text);
}

void delivery_pack(const struct delivery *delivery, struct strbuf *out)
{
	uint64_t received = htole64((uint64_t)delivery->received_us);
	uint32_t flags = htole32(delivery->flags), raw_len = htole32((uint32_t)delivery->raw.len);

	strbuf_put_char(out, PACK_VERSION);
	put_bytes(out, delivery->id.b, sizeof(delivery->id.b));
	put_bytes(out, delivery->source.b, sizeof(delivery->source.b));
	put_bytes(out, &received, sizeof(received));
	put_bytes(out, &flags, sizeof(flags));
	put_short_text(out, delivery->peer);
	put_short_text(out, delivery->token);
	put_short_text(out, delivery->protocol);
	put_bytes(out, &raw_len, sizeof(raw_len));
	strbuf_put(out, delivery->raw);
}

/* Takes `n` bytes off the front of `rest`. */
static bool take(struct str *rest, void *out, size_t n)
{
	if (rest->len < n)
		return false;
	memcpy(out, rest->p, n);
	rest->p += n;
	rest->len -= n;
	return true;
}

static bool take_text(struct str *rest, size_t len, struct str *out)
{
	if (rest->len < len)
		return false;
	*out = (struct str){ len > 0 ? rest->p : NULL, len };
	rest->p += len;
	rest->len -= len;
	return true;
}

static bool take_short_text(struct str *rest, struct str *out)
{
	uint16_t len;

	return take(rest, &len, sizeof(len)) && take_text(rest, le16toh(len), out);
}

int delivery_unpack(struct str record, struct delivery **out, struct err *err)
{
	struct uuid id, source;
	struct str rest = record, peer, token, protocol, raw;
	struct delivery *delivery;
	uint64_t received;
	uint32_t flags, raw_len;
	uint8_t version;

	if (!take(&rest, &version, 1))
		return err_set(err, -EBADMSG, "delivery: the record is empty");
	if (version != PACK_VERSION)
		return err_set(err, -EBADMSG,
			       "delivery: record of version %u, this program reads version %u",
			       version, PACK_VERSION);
	if (!take(&rest, id.b, sizeof(id.b)) || !take(&rest, source.b, sizeof(source.b)) ||
	    !take(&rest, &received, sizeof(received)) || !take(&rest, &flags, sizeof(flags)) ||
	    !take_short_text(&rest, &peer) || !take_short_text(&rest, &token) ||
	    !take_short_text(&rest, &protocol) || !take(&rest, &raw_len, sizeof(raw_len)) ||
	    !take_text(&rest, le32toh(raw_len), &raw) || rest.len != 0)
		return err_set(err, -EBADMSG,
			       "delivery: lengths do not fit the record of %zu bytes", record.len);
	if (!raw.p)
		raw = STR("");
	delivery = delivery_new(id, source, (int64_t)le64toh(received), le32toh(flags), peer, token,
				protocol, raw);
	if (!delivery)
		return err_set(err, -EBADMSG, "delivery: a body of %zu bytes is too large",
			       raw.len);
	*out = delivery;
	return 0;
}

/* --- the decoded part's state ----------------------------------------------------------------- */

void delivery_set_prepared(struct delivery *delivery)
{
	count(delivery);
	atomic_store_explicit(&delivery->prepared, PREPARED, memory_order_release);
}

bool delivery_is_prepared(const struct delivery *delivery)
{
	return atomic_load_explicit(&delivery->prepared, memory_order_acquire) == PREPARED;
}

void delivery_leave(struct delivery *delivery)
{
	count(delivery);
	atomic_store_explicit(&delivery->prepared, LEFT, memory_order_release);
}

bool delivery_is_left(const struct delivery *delivery)
{
	return atomic_load_explicit(&delivery->prepared, memory_order_acquire) == LEFT;
}

void delivery_skip(struct delivery *delivery)
{
	atomic_store_explicit(&delivery->prepared, SKIPPED, memory_order_release);
}

bool delivery_is_skipped(const struct delivery *delivery)
{
	return atomic_load_explicit(&delivery->prepared, memory_order_acquire) == SKIPPED;
}
