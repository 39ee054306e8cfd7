/* Decode: the bytes of a delivery into its events, as tolerant as spec section 1 asks.
 *
 * Pure: bytes and the receipt time in, the delivery's decoded part out. Hides which JSON reader
 * runs. Never fails: what cannot be read becomes a kind, a quirk or a quarantined record.
 * Leaves Message words to the resolver. Thread: any, one per delivery.
 */
#ifndef EVENT_DECODE_H
#define EVENT_DECODE_H

struct delivery;

/* Fill kind, events, quirks, quarantined of `delivery` from its raw bytes. */
void decode_delivery(struct delivery *delivery);

#endif
