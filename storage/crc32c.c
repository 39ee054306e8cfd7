/* The table form takes eight bytes a step ("slicing by 8"). */
#include "storage/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

#define POLYNOMIAL 0x82f63b78u /* bit-reversed */

static uint32_t table[8][256];
static bool hardware;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
static bool hardware_has(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t hardware_step(uint32_t crc, const uint8_t *p,
								size_t n)
{
	uint64_t wide = crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	for (; n > 0; n--)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}
#elif defined(__ARM_FEATURE_CRC32)
static bool hardware_has(void)
{
	return true;
}

static uint32_t hardware_step(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		crc = __crc32cd(crc, word);
	}
	for (; n > 0; n--)
		crc = __crc32cb(crc, *p++);
	return crc;
}
#else
static bool hardware_has(void)
{
	return false;
}

static uint32_t hardware_step(uint32_t crc, const uint8_t *p, size_t n)
{
	return crc;
}
#endif

static void prepare(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (int slice = 1; slice < 8; slice++) {
		for (int i = 0; i < 256; i++) {
			uint32_t crc = table[slice - 1][i];

			table[slice][i] = crc >> 8 ^ table[0][crc & 0xff];
		}
	}
	hardware = hardware_has();
}

static uint32_t table_step(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
				      (uint32_t)p[3] << 24);

		crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^
		      table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^ table[3][p[4]] ^
		      table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	}
	for (; n > 0; n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return crc;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n_bytes)
{
	pthread_once(&once, prepare);
	return ~(hardware ? hardware_step(~crc, p, n_bytes) : table_step(~crc, p, n_bytes));
}

uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n_bytes)
{
	pthread_once(&once, prepare);
	return ~table_step(~crc, p, n_bytes);
}
