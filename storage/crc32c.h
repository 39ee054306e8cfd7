/* CRC32C (Castagnoli), by the processor's instruction where it has one. Thread: any. */
#ifndef STORAGE_CRC32C_H
#define STORAGE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what `crc` covers followed by `p`: crc32c(crc32c(0, a), b) is that of a and b
 * together. 0 is the CRC of nothing. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n_bytes);
/* The same by table, on any processor. */
uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n_bytes);

#endif
