/* A TLS slot with certificates of its own, in a folder that goes with it: set-up and teardown of a
 * group of tests. */
#ifndef TESTS_HTTP_TLS_HOUSE_H
#define TESTS_HTTP_TLS_HOUSE_H

#include "door.h"

static struct {
	char dir[64];
	struct tls_certificate pairs[2];
	struct tls_config config;
	struct tls_slot *slot;
} house;

static inline int house_open(void **state)
{
	struct err err = { "" };

	snprintf(house.dir, sizeof(house.dir), "/tmp/rfeventd-tls-test-XXXXXX");
	assert_non_null(mkdtemp(house.dir));
	house.config = (struct tls_config){ .certificates = house.pairs, .n_certificates = 2 };
	if (tls_make_self_signed(house.dir, house.pairs, &err) < 0 ||
	    tls_slot_new(&house.config, &house.slot, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static inline int house_close(void **state)
{
	static const char *const names[] = { "receiver-p256.crt", "receiver-p256.key",
					     "receiver-rsa.crt", "receiver-rsa.key", "ca.crt" };

	tls_slot_free(house.slot);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *path = xasprintf("%s/%s", house.dir, names[i]);

		unlink(path);
		free(path);
	}
	rmdir(house.dir);
	for (size_t i = 0; i < 2; i++) {
		free((void *)(uintptr_t)house.pairs[i].certificate);
		free((void *)(uintptr_t)house.pairs[i].key);
	}
	return 0;
}

#endif
