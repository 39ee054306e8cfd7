/* What a subscription wants: DSP0268, EventDestination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/entry.h"
#include "forward/destination.h"

static struct destination *make(const char *more)
{
	struct destination *destination = xcalloc(1, sizeof(*destination));
	struct err err;

	destination->config =
		xasprintf("{\"Destination\":\"https://h/x\",\"Protocol\":\"Redfish\"%s}", more);
	assert_int_equal(destination_parse(destination, &err), 0);
	return destination;
}

struct sample {
	const char *config, *message_id, *origin;
	enum severity severity;
	bool wanted;
};

static bool wants(const struct sample *sample)
{
	struct destination *destination = make(sample->config);
	struct entry entry = { .event = { .message_id = str_of(sample->message_id),
					  .origin = str_of(sample->origin),
					  .severity = sample->severity } };
	bool wanted = destination_wants(destination, &entry);

	destination_free(destination);
	return wanted;
}

static void test_filters(void **state)
{
	static const char chassis[] =
		",\"OriginResources\":[{\"@odata.id\":\"/redfish/v1/Chassis/1\"}]";
	static const char below[] = ",\"SubordinateResources\":true,\"OriginResources\":"
				    "[{\"@odata.id\":\"/redfish/v1/Chassis/1/\"}]";
	const struct sample samples[] = {
		{ "", "", NULL, SEVERITY_NONE, true },
		{ ",\"RegistryPrefixes\":[\"iDRAC\"]", "IDRAC.2.8.TMP0120", NULL, SEVERITY_OK,
		  true },
		{ ",\"RegistryPrefixes\":[\"iDRAC\"]", "TMP0120", NULL, SEVERITY_OK, false },
		{ ",\"MessageIds\":[\"TMP0120\"]", "IDRAC.2.8.TMP0120", NULL, SEVERITY_OK, true },
		{ ",\"MessageIds\":[\"Power.1.0.Lost\"]", "Power.1.4.Lost", NULL, SEVERITY_OK,
		  true },
		{ ",\"MessageIds\":[\"Power.Lost\"]", "Fan.1.4.Lost", NULL, SEVERITY_OK, false },
		{ ",\"ExcludeMessageIds\":[\"Power.Lost\"]", "Power.1.4.Lost", NULL, SEVERITY_OK,
		  false },
		{ ",\"ExcludeRegistryPrefixes\":[\"Power\"]", "Power.1.4.Lost", NULL, SEVERITY_OK,
		  false },
		{ ",\"Severities\":[\"OK\"]", "Power.1.4.Lost", NULL, SEVERITY_NONE, false },
		{ ",\"Severities\":[\"OK\",\"Critical\"]", "P.1.0.L", NULL, SEVERITY_CRITICAL,
		  true },
		{ chassis, "P.1.0.L", "/redfish/v1/Chassis/1/", SEVERITY_OK, true },
		{ chassis, "P.1.0.L", "/redfish/v1/Chassis/1/Fans/2", SEVERITY_OK, false },
		{ chassis, "P.1.0.L", NULL, SEVERITY_OK, false },
		{ below, "P.1.0.L", "/redfish/v1/Chassis/1/Fans/2", SEVERITY_OK, true },
		{ below, "P.1.0.L", "/redfish/v1/Chassis/10", SEVERITY_OK, false },
		{ ",\"ResourceTypes\":[\"Fan\"]", "P.1.0.L", "/redfish/v1/Chassis/1/Fans/2",
		  SEVERITY_OK, true },
		{ ",\"ResourceTypes\":[\"ComputerSystem\"]", "P.1.0.L", "/redfish/v1/Systems/2",
		  SEVERITY_OK, true },
		{ ",\"ResourceTypes\":[\"System\"]", "P.1.0.L", "/redfish/v1/Systems/2",
		  SEVERITY_OK, false },
		{ ",\"ResourceTypes\":[\"Battery\"]", "P.1.0.L",
		  "/redfish/v1/Chassis/1/Batteries/a", SEVERITY_OK, true },
		{ ",\"ResourceTypes\":[\"Fan\"]", "P.1.0.L", "x", SEVERITY_OK, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		if (wants(&samples[i]) != samples[i].wanted)
			print_error("%s with %s\n", samples[i].config, samples[i].message_id);
		assert_int_equal(wants(&samples[i]), samples[i].wanted);
	}
}

static void test_facts(void **state)
{
	struct destination *destination =
		make(",\"Context\":null,\"DeliveryRetryPolicy\":\"SuspendRetries\","
		     "\"VerifyCertificate\":true,\"HeartbeatIntervalMinutes\":7");

	assert_string_equal(destination->url, "https://h/x");
	assert_null(destination->context);
	assert_int_equal(destination->policy, RETRY_SUSPEND);
	assert_true(destination->verify);
	assert_int_equal(destination->heartbeat_minutes, 0); /* not asked for */
	destination_free(destination);
}

static void test_what_cannot_be_read(void **state)
{
	struct destination destination = { .config = xstrdup("{}") };
	struct err err;

	assert_true(destination_parse(&destination, &err) < 0);
	free(destination.config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
