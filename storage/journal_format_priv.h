/* Journal format: the bytes of a segment file. Pure. Private to the journal.
 *
 *	0	header: magic, version, segment id, number, time of creation, CRC
 *	512	seal: where the records end, when it was sealed, CRC; zeros while it is appended to
 *	1024	records, each at a multiple of 8
 *
 * Header and seal lie in sectors of their own, so that a torn write of one leaves the other. A
 * record is a head of 16 bytes (length, CRC of the payload, CRC of the head, zero), the payload,
 * and zeros up to a multiple of 8. Both CRCs begin with the segment's random id, and the head's
 * takes in its place in the file: bytes of another segment, or a record inside a payload, never
 * pass. The head has a CRC of its own so that a search for the next whole record costs no more
 * than its length, whatever a sender wrote into a payload. All numbers are little-endian.
 */
#ifndef STORAGE_JOURNAL_FORMAT_PRIV_H
#define STORAGE_JOURNAL_FORMAT_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

#define JOURNAL_VERSION      1
#define JOURNAL_HEADER_BYTES 64
#define JOURNAL_SEAL_AT      512
#define JOURNAL_SEAL_BYTES   32
#define JOURNAL_FIRST        1024 /* position of the first record */
#define JOURNAL_HEAD_BYTES   16
/* "<16 hex digits of the number>-<segment id>.journal" and its NUL. */
#define JOURNAL_NAME_BYTES 62

void journal_name(uint64_t number, struct uuid id, char out[JOURNAL_NAME_BYTES]);
bool journal_name_parse(struct str name, uint64_t *number_out, struct uuid *id_out);

struct journal_header {
	struct uuid id;
	uint64_t number;
	int64_t created_us;
};

void journal_header_put(const struct journal_header *header, uint8_t out[JOURNAL_HEADER_BYTES]);
/* 0, -EBADMSG when it is damaged or was never written, -EPROTO when a newer program wrote it. */
int journal_header_get(const uint8_t in[JOURNAL_HEADER_BYTES], struct journal_header *out);

/* What every CRC in a segment begins with. */
uint32_t journal_seed(struct uuid id);
void journal_seal_put(uint32_t seed, uint64_t end, int64_t sealed_us,
		      uint8_t out[JOURNAL_SEAL_BYTES]);
bool journal_seal_get(uint32_t seed, const uint8_t in[JOURNAL_SEAL_BYTES], uint64_t *end_out,
		      int64_t *sealed_us_out);

/* Bytes that a record of this length takes in the file. */
uint64_t journal_record_bytes(uint64_t length);
/* The head of a record at position `at`. */
void journal_head_put(uint32_t seed, uint64_t at, struct str record,
		      uint8_t out[JOURNAL_HEAD_BYTES]);
/* False when there is no head here, or one of a record that would pass `limit`. */
bool journal_head_get(uint32_t seed, uint64_t at, uint64_t limit,
		      const uint8_t in[JOURNAL_HEAD_BYTES], uint32_t *length_out,
		      uint32_t *crc_out);

#endif
