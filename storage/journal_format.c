#include "storage/journal_format_priv.h"

#include <errno.h>
#include <string.h>

#include "storage/crc32c.h"
#include "storage/limits.h"

#define MAGIC        "RFEVJRNL"
#define MAGIC_BYTES  8
#define SUFFIX       ".journal"
#define NUMBER_CHARS 16

static void put_u32(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

static void put_u64(uint8_t *out, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *in)
{
	return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 |
	       (uint32_t)in[3] << 24;
}

static uint64_t get_u64(const uint8_t *in)
{
	return (uint64_t)get_u32(in + 4) << 32 | get_u32(in);
}

/* --- file names ------------------------------------------------------------------------------- */

void journal_name(uint64_t number, struct uuid id, char out[JOURNAL_NAME_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < NUMBER_CHARS; i++)
		out[i] = digits[number >> 4 * (NUMBER_CHARS - 1 - i) & 15];
	out[NUMBER_CHARS] = '-';
	uuid_format(id, out + NUMBER_CHARS + 1);
	memcpy(out + NUMBER_CHARS + UUID_TEXT_BYTES, SUFFIX, sizeof(SUFFIX));
}

bool journal_name_parse(struct str name, uint64_t *number_out, struct uuid *id_out)
{
	struct str id = { name.p + NUMBER_CHARS + 1, UUID_TEXT_BYTES - 1 };
	char again[JOURNAL_NAME_BYTES];
	uint64_t number = 0;

	if (name.len != JOURNAL_NAME_BYTES - 1)
		return false;
	for (int i = 0; i < NUMBER_CHARS; i++) {
		char c = name.p[i];

		number = number << 4 | (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
	}
	if (!uuid_parse(id, id_out))
		return false;
	/* Written again it must be the same: that checks every byte. */
	journal_name(number, *id_out, again);
	*number_out = number;
	return memcmp(again, name.p, name.len) == 0;
}

/* --- header and seal -------------------------------------------------------------------------- */

/* header: magic 8, version 4, zero 4, id 16, number 8, created_us 8, zero 12, CRC 4 */
void journal_header_put(const struct journal_header *header, uint8_t out[JOURNAL_HEADER_BYTES])
{
	memset(out, 0, JOURNAL_HEADER_BYTES);
	memcpy(out, MAGIC, MAGIC_BYTES);
	put_u32(out + 8, JOURNAL_VERSION);
	memcpy(out + 16, header->id.b, sizeof(header->id.b));
	put_u64(out + 32, header->number);
	put_u64(out + 40, (uint64_t)header->created_us);
	put_u32(out + JOURNAL_HEADER_BYTES - 4, crc32c(0, out, JOURNAL_HEADER_BYTES - 4));
}

int journal_header_get(const uint8_t in[JOURNAL_HEADER_BYTES], struct journal_header *out)
{
	if (memcmp(in, MAGIC, MAGIC_BYTES) != 0 ||
	    get_u32(in + JOURNAL_HEADER_BYTES - 4) != crc32c(0, in, JOURNAL_HEADER_BYTES - 4))
		return -EBADMSG;
	if (get_u32(in + 8) != JOURNAL_VERSION)
		return -EPROTO;
	memcpy(out->id.b, in + 16, sizeof(out->id.b));
	out->number = get_u64(in + 32);
	out->created_us = (int64_t)get_u64(in + 40);
	return 0;
}

uint32_t journal_seed(struct uuid id)
{
	return crc32c(0, id.b, sizeof(id.b));
}

/* seal: "seal" 4, zero 4, end 8, sealed_us 8, zero 4, CRC 4 */
void journal_seal_put(uint32_t seed, uint64_t end, int64_t sealed_us,
		      uint8_t out[JOURNAL_SEAL_BYTES])
{
	memset(out, 0, JOURNAL_SEAL_BYTES);
	memcpy(out, "seal", 4);
	put_u64(out + 8, end);
	put_u64(out + 16, (uint64_t)sealed_us);
	put_u32(out + JOURNAL_SEAL_BYTES - 4, crc32c(seed, out, JOURNAL_SEAL_BYTES - 4));
}

bool journal_seal_get(uint32_t seed, const uint8_t in[JOURNAL_SEAL_BYTES], uint64_t *end_out,
		      int64_t *sealed_us_out)
{
	if (memcmp(in, "seal", 4) != 0 ||
	    get_u32(in + JOURNAL_SEAL_BYTES - 4) != crc32c(seed, in, JOURNAL_SEAL_BYTES - 4))
		return false;
	*end_out = get_u64(in + 8);
	*sealed_us_out = (int64_t)get_u64(in + 16);
	return true;
}

/* --- records ---------------------------------------------------------------------------------- */

uint64_t journal_record_bytes(uint64_t length)
{
	return JOURNAL_HEAD_BYTES + ((length + 7) & ~7ull);
}

/* The head's CRC: its place, then its first eight bytes. */
static uint32_t head_crc(uint32_t seed, uint64_t at, const uint8_t *head)
{
	uint8_t covered[16];

	put_u64(covered, at);
	memcpy(covered + 8, head, 8);
	return crc32c(seed, covered, sizeof(covered));
}

void journal_head_put(uint32_t seed, uint64_t at, struct str record,
		      uint8_t out[JOURNAL_HEAD_BYTES])
{
	put_u32(out, (uint32_t)record.len);
	put_u32(out + 4, crc32c(seed, record.p, record.len));
	put_u32(out + 8, head_crc(seed, at, out));
	put_u32(out + 12, 0);
}

bool journal_head_get(uint32_t seed, uint64_t at, uint64_t limit,
		      const uint8_t in[JOURNAL_HEAD_BYTES], uint32_t *length_out, uint32_t *crc_out)
{
	uint32_t length = get_u32(in);

	/* Lengths first: most of what a search meets is zeros or text. */
	if (length == 0 || length > JOURNAL_MAX_RECORD || get_u32(in + 12) != 0 || at > limit ||
	    journal_record_bytes(length) > limit - at || get_u32(in + 8) != head_crc(seed, at, in))
		return false;
	*length_out = length;
	*crc_out = get_u32(in + 4);
	return true;
}
