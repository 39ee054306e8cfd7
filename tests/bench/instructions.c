/* instructions: one stage of the path over many deliveries, to be counted under callgrind.
 *
 * Usage: instructions STAGE [SHAPE] [DELIVERIES] [REGISTRIES]
 *   STAGE  decode, resolve, encode, journal or row; lookup: the least that resolving could be;
 *          compare: CPU of decode beside jansson's alone
 *   SHAPE  single, batch, openbmc, idrac, ilo, or mix (20 parts: 16 single, one of each other);
 *          known, unknown: an id that the registries have, or have not, and no text; known_text,
 *          unknown_text: with the sender's text
 *
 * What is counted is inside measured(): run it with --toggle-collect=measured. What comes before
 * (making bodies, the stages above) and after (freeing) is left out. Prints one line of JSON.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/source_set.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "storage/journal.h"
#include "storage/load.h"
#include "storage/log_row.h"

#define GROUP         64   /* records of one sync */
#define N_DEFAULT     2000 /* deliveries */
#define BODY_MAX      (64u << 10)
#define BATCH_RECORDS 20
#define ROUNDS        9
#define SLICE         400 /* deliveries of one turn of `compare` */

/* --- bodies ------------------------------------------------------------------------------------
 */

/* '#': eight digits, other ones in every body. */
static const char single[] =
	"{\"@odata.type\":\"#Event.v1_9_0.Event\",\"Id\":\"########\",\"Name\":\"Event\","
	"\"Context\":\"bench\",\"Events\":[{\"MemberId\":\"0\",\"EventType\":\"Alert\","
	"\"EventId\":\"b4d2########\",\"EventTimestamp\":\"2026-11-20T09:12:44.120Z\","
	"\"Severity\":\"Critical\",\"MessageSeverity\":\"Critical\","
	"\"MessageId\":\"Power.1.2.PowerSupplyFailed\",\"MessageArgs\":[\"PSU ########\"],"
	"\"Message\":\"The power supply has failed and no longer delivers power.\","
	"\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Chassis/########/PowerSubsystem/"
	"PowerSupplies/2\"},\"Oem\":{\"Bench\":{\"Note\":\"the rack by the window in the second "
	"row, "
	"spare part in the cupboard; the rack by the window in the second row, spare part in the "
	"cupboard; the rack by the window in the second row, spare part in the cupboard; the rack "
	"by "
	"the window in the second row, spare part in the cupboard; the rack by the window "
	"in\"}}}]}";
/* Blanks and line ends, a hyphen where the version's first dot is, no EventTimestamp in UTC. */
static const char openbmc[] =
	"{\n  \"@odata.type\": \"#Event.v1_7_0.Event\",\n  \"Events\": [\n    {\n"
	"      \"EventId\": \"########\",\n      \"EventTimestamp\": "
	"\"2026-11-20T09:12:44+00:00\",\n"
	"      \"EventType\": \"Event\",\n      \"MemberId\": 0,\n"
	"      \"Message\": \"Sensor inlet_temp_######## exceeded its upper warning threshold: "
	"reading 48.2, threshold 45.0.\",\n      \"MessageArgs\": [\n"
	"        \"inlet_temp_########\",\n        48.2,\n        45.0\n      ],\n"
	"      \"MessageId\": \"OpenBMC.0.4.SensorThresholdWarningHighGoingHigh\",\n"
	"      \"OriginOfCondition\": \"/redfish/v1/Chassis/board/Sensors/inlet_########\",\n"
	"      \"Severity\": \"Warning\"\n    }\n  ],\n  \"Id\": \"########\",\n"
	"  \"Name\": \"Event Log\"\n}\n";
/* An offset without a colon, OriginOfCondition as text, a MessageId of its own scheme, counts. */
static const char idrac[] =
	"{\"@odata.context\":\"/redfish/v1/$metadata#Event.Event\",\"@odata.id\":\"/redfish/v1/"
	"EventService/Events/########\",\"@odata.type\":\"#Event.v1_5_0.Event\",\"Context\":"
	"\"site-7\",\"Events\":[{\"Context\":\"site-7\",\"EventGroupId\":0,\"EventId\":\"########"
	"\","
	"\"EventTimestamp\":\"2026-11-20T03:12:44-0600\",\"EventType\":\"Alert\",\"MemberId\":"
	"\"########\",\"Message\":\"Disk ######## in Backplane 1 of Integrated Storage Controller "
	"1 "
	"is removed.\",\"MessageArgs\":[\"Disk ########\",\"Backplane 1\",\"Integrated Storage "
	"Controller 1\"],\"MessageArgs@odata.count\":3,\"MessageId\":\"IDRAC.2.8.PDR5\",\"Oem\":{"
	"\"Dell\":{\"@odata.type\":\"#DellEvent.v1_0_0.DellEvent\",\"ServerHostname\":\"\","
	"\"DellServiceTag\":\"########\"}},\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/"
	"Systems/"
	"System.Embedded.1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.########\"},\"Severity\":"
	"\"Critical\",\"SpecificEventExistsInGroup\":false}],\"Id\":\"########\",\"Name\":\"Event "
	"Array\"}";
/* An empty Message, arguments, Severity in another spelling, a NUL behind the end. */
static const char ilo[] =
	"{\"@odata.type\":\"#Event.v1_0_0.Event\",\"Events\":[{\"EventID\":\"########-b0\","
	"\"EventTimestamp\":\"2026-11-20T09:12:44Z\",\"EventType\":\"Alert\",\"MemberID\":\"0\","
	"\"Message\":\"\",\"MessageArgs\":[\"########\",\"2\"],\"MessageId\":\"StorageDevice.1.2."
	"DriveFailure\",\"Oem\":{\"Hpe\":{\"@odata.type\":\"#HpeEvent.v2_1_0.HpeEvent\","
	"\"CorrelatedEventNumber\":\"########\",\"CorrelatedIndications\":[],"
	"\"CorrelatedEventTimeStamp"
	"\":\"2026-11-20T09:12:44Z\",\"Resource\":\"/redfish/v1/Systems/1/Storage/DE00A000/"
	"########\"}},"
	"\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Systems/1/Storage/DE00A000/########\"},"
	"\"Severity\":\"CRITICAL\"}],\"Name\":\"Events\"}";
static const char batch_head[] = "{\"@odata.type\":\"#Event.v1_9_0.Event\",\"Id\":\"########\","
				 "\"Name\":\"Event\",\"Events\":[";
static const char batch_record[] =
	"{\"MemberId\":\"########\",\"EventType\":\"Alert\",\"EventId\":\"b4d2########\","
	"\"EventTimestamp\":\"2026-11-20T09:12:44.120Z\",\"Severity\":\"Warning\","
	"\"MessageSeverity\":\"Warning\",\"MessageId\":\"Environmental.1.0.TemperatureAboveUpper"
	"CautionThreshold\",\"MessageArgs\":[\"Inlet ########\",\"48.2\",\"45.0\"],"
	"\"Message\":\"Temperature 'Inlet ########' reading of 48.2 degrees (C) is above the 45.0 "
	"upper caution threshold.\",\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Chassis/"
	"########/Sensors/Inlet\"},\"LogEntry\":{\"@odata.id\":\"/redfish/v1/Managers/bmc/"
	"LogServices/Log/Entries/########\"}}";

static void put_body(struct strbuf *out, const char *text, unsigned number)
{
	static const char hole[] = "########";
	const char *next;

	for (; (next = strstr(text, hole)); text = next + sizeof(hole) - 1) {
		strbuf_put(out, (struct str){ text, (size_t)(next - text) });
		strbuf_putf(out, "%08u", number++);
	}
	strbuf_put_text(out, text);
}

static void put_batch(struct strbuf *out, unsigned number)
{
	put_body(out, batch_head, number);
	for (unsigned i = 0; i < BATCH_RECORDS; i++) {
		if (i > 0)
			strbuf_put_char(out, ',');
		put_body(out, batch_record, number + 100 * i);
	}
	strbuf_put_text(out, "]}");
}

/* --- bodies of every id there is, to be resolved ------------------------------------------------
 */

struct named {
	const struct message *message;
	char *id; /* "Prefix.1.2.Key" */
};

struct names {
	struct named *named;
	size_t n;
	struct map *by_id; /* of struct message */
};

static void make_names(struct names *names, const struct registry_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < registry_set_count(set); i++)
		n += registry_count(registry_set_at(set, i));
	names->named = xcalloc(n, sizeof(names->named[0]));
	names->by_id = map_new(n);
	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct registry *registry = registry_set_at(set, i);
		unsigned version[3];

		registry_version_numbers(registry, version);
		for (size_t m = 0; m < registry_count(registry); m++) {
			struct named *named = &names->named[names->n++];

			named->message = registry_message_at(registry, m);
			named->id = xasprintf("%.*s.%u.%u.%.*s", STR_ARG(registry_prefix(registry)),
					      version[0], version[1], STR_ARG(named->message->key));
			map_put(names->by_id, str_of(named->id), (void *)(uintptr_t)named->message);
		}
	}
}

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->named[i].id);
	free(names->named);
	map_free(names->by_id);
}

/* Of the unknown ones every second has a prefix that the registries have. */
static void put_named(struct strbuf *out, const struct names *names, const char *shape, size_t i)
{
	const struct named *named = &names->named[i % names->n];
	bool known = strncmp(shape, "known", 5) == 0;

	strbuf_putf(out,
		    "{\"Id\":\"%zu\",\"Name\":\"Event\",\"Events\":[{\"EventId\":\"%zu\","
		    "\"MessageId\":\"%s%s%s\",\"MessageArgs\":[",
		    i, i, known || i % 2 == 0 ? "" : "X", named->id, known ? "" : "X");
	for (unsigned arg = 0; arg < named->message->n_args; arg++)
		strbuf_putf(out, "%s\"PSU %08zu\"", arg > 0 ? "," : "", i + arg);
	strbuf_put_text(out, "]");
	if (strstr(shape, "_text"))
		strbuf_putf(out, ",\"Message\":\"PSU %08zu has failed and gives no power.\"", i);
	strbuf_put_text(out, "}]}");
}

static const char *const shapes[] = { "single", "batch", "openbmc", "idrac", "ilo" };

/* The shape of delivery `i` of the mix. */
static const char *mixed(size_t i)
{
	return i % 20 < 16 ? "single" : shapes[i % 20 - 15];
}

static void make_body(struct strbuf *out, const struct names *names, const char *shape, size_t i)
{
	unsigned number = (unsigned)i * 7919 % 90000000;

	strbuf_reset(out);
	if (strstr(shape, "known")) {
		put_named(out, names, shape, i);
		return;
	}
	if (strcmp(shape, "mix") == 0)
		shape = mixed(i);
	if (strcmp(shape, "batch") == 0) {
		put_batch(out, number);
		return;
	}
	put_body(out,
		 strcmp(shape, "openbmc") == 0 ? openbmc
		 : strcmp(shape, "idrac") == 0 ? idrac
		 : strcmp(shape, "ilo") == 0   ? ilo
					       : single,
		 number);
	if (strcmp(shape, "ilo") == 0)
		strbuf_put_char(out, '\0');
}

/* --- stages ------------------------------------------------------------------------------------
 */

struct bench {
	struct delivery **deliveries;
	size_t n, n_events;
	const struct registry_set *registries;
	struct names names;
	struct source_set *sources;
	struct strbuf out;
	struct journal *journal;
};

static void run_decode(struct bench *bench, size_t i)
{
	decode_delivery(bench->deliveries[i]);
}

static void run_resolve(struct bench *bench, size_t i)
{
	struct delivery *delivery = bench->deliveries[i];

	for (uint32_t e = 0; e < delivery->n_events; e++)
		resolve_event(bench->registries, delivery->source, &delivery->events[e],
			      delivery->arena);
}

/* A hash table of whole ids, and substitution: no ladder, nothing copied but the words. */
static void run_lookup(struct bench *bench, size_t i)
{
	struct delivery *delivery = bench->deliveries[i];

	for (uint32_t e = 0; e < delivery->n_events; e++) {
		struct event *event = &delivery->events[e];
		const struct message *message = map_get(bench->names.by_id, event->message_id);

		strbuf_reset(&bench->out);
		if (!message)
			continue;
		resolve_substitute(message->text, event->message_args, event->n_message_args,
				   &bench->out, NULL);
		event->message = arena_copy(delivery->arena, strbuf_str(&bench->out));
	}
}

static void run_encode(struct bench *bench, size_t i)
{
	const struct delivery *delivery = bench->deliveries[i];
	struct entry entry = { .seq = (int64_t)i + 1,
			       .delivery = delivery->id,
			       .source = delivery->source,
			       .received_us = delivery->received_us,
			       .peer = delivery->peer };

	strbuf_reset(&bench->out);
	for (uint32_t e = 0; e < delivery->n_events; e++) {
		entry.event = delivery->events[e];
		entry_encode(&bench->out, &entry,
			     source_set_by_id(bench->sources, delivery->source), NULL);
	}
}

static void run_journal(struct bench *bench, size_t i)
{
	struct journal_place place;
	struct err err;

	strbuf_reset(&bench->out);
	delivery_pack(bench->deliveries[i], &bench->out);
	if (journal_append(bench->journal, strbuf_str(&bench->out), false, &place, &err) < 0 ||
	    (i % GROUP == GROUP - 1 && journal_sync(bench->journal, &err) < 0)) {
		fprintf(stderr, "instructions: %s\n", err.text);
		exit(1);
	}
}

/* The loader's part before its transaction: both hashes, and the row. */
static void run_row(struct bench *bench, size_t i)
{
	struct delivery *delivery = bench->deliveries[i];
	struct load_item item;

	if (i % GROUP == 0)
		strbuf_reset(&bench->out);
	load_item_init(&item, delivery_ref(delivery), delivery->source);
	for (uint32_t e = 0; e < delivery->n_events; e++) {
		const struct log_row row = { .seq = (int64_t)i + 1,
					     .source = delivery->source,
					     .part = e,
					     .quirks = delivery->events[e].quirks,
					     .text_id = item.text_ids[e] };

		copy_event(&bench->out, &row, delivery, &delivery->events[e]);
	}
	load_item_fini(&item);
}

static const struct stage {
	const char *name;
	void (*run)(struct bench *bench, size_t i);
	int needs; /* of the stages decode, resolve: how many come first */
} stages[] = { { "decode", run_decode, 0 },   { "resolve", run_resolve, 1 },
	       { "lookup", run_lookup, 1 },   { "encode", run_encode, 2 },
	       { "journal", run_journal, 0 }, { "row", run_row, 2 } };

/* Its name is what callgrind looks for. */
static __attribute__((noinline)) void measured(struct bench *bench, const struct stage *stage,
					       size_t from)
{
	for (size_t i = from; i < bench->n; i++)
		stage->run(bench, i);
}

/* --- set-up ------------------------------------------------------------------------------------
 */

static struct delivery *new_delivery(struct str body)
{
	int64_t now_us = clock_time_us();

	return delivery_new(uuid_v7(now_us), (struct uuid){ { 2 } }, now_us, 0, STR("10.1.2.3"),
			    (struct str){ 0 }, STR("http/1.1"), body);
}

static void make_deliveries(struct bench *bench, const char *shape)
{
	struct strbuf body;

	strbuf_init(&body, BODY_MAX);
	bench->deliveries = xcalloc(bench->n, sizeof(bench->deliveries[0]));
	for (size_t i = 0; i < bench->n; i++) {
		make_body(&body, &bench->names, shape, i);
		bench->deliveries[i] = new_delivery(strbuf_str(&body));
	}
	strbuf_fini(&body);
}

static int open_all(struct bench *bench, const char *registries, char dir[], struct err *err)
{
	const struct source source = { .id = { { 2 } },
				       .name = STR("rack7-n12"),
				       .site = STR("north"),
				       .rack = STR("7"),
				       .state = SOURCE_CONFIGURED };
	const struct journal_config journal = { .dir = dir, .max_bytes = UINT64_C(1) << 30 };

	strbuf_init(&bench->out, SIZE_MAX / 2);
	bench->registries = registry_set_load(&registries, 1, NULL);
	if (registry_set_count(bench->registries) == 0)
		return err_set(err, -1, "no registry under '%s'", registries);
	make_names(&bench->names, bench->registries);
	bench->sources = source_set_new(&source, 1, STR("aaaaaaaaaaaaaaaa"), true);
	if (!mkdtemp(dir))
		return err_set(err, -1, "no folder for a journal");
	return journal_open(&journal, &bench->journal, err);
}

static void close_all(struct bench *bench, const char *dir)
{
	char *command = xasprintf("rm -rf '%s'", dir);

	journal_close(bench->journal);
	if (system(command) != 0)
		fprintf(stderr, "instructions: '%s' is left\n", dir);
	free(command);
}

/* --- counting ----------------------------------------------------------------------------------
 */

/* The first delivery of each kind is done outside: caches of ours are filled by it. */
static void count(struct bench *bench, const struct stage *stage, const char *shape)
{
	size_t warm = strcmp(shape, "mix") == 0 ? 20 : 1, n_deliveries = bench->n - warm;

	make_deliveries(bench, shape);
	for (size_t i = 0; i < bench->n; i++)
		for (int before = 0; before < stage->needs; before++)
			stages[before].run(bench, i);
	for (size_t i = 0; i < warm; i++)
		stage->run(bench, i);
	measured(bench, stage, warm);
	for (size_t i = 0; i < bench->n; i++) {
		if (stage->run == run_journal)
			run_decode(bench, i);
		bench->n_events += i >= warm ? bench->deliveries[i]->n_events : 0;
		delivery_unref(bench->deliveries[i]);
	}
	free(bench->deliveries);
	printf("{\"stage\":\"%s\",\"shape\":\"%s\",\"deliveries\":%zu,\"events\":%zu}\n",
	       stage->name, shape, n_deliveries, bench->n_events);
}

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void parse_alone(const struct bench *bench)
{
	for (size_t i = 0; i < bench->n; i++) {
		struct str raw = bench->deliveries[i]->raw;

		/* A NUL behind the end is ours to pass over. */
		json_decref(json_loadb(raw.p, raw.len - (raw.p[raw.len - 1] == '\0'), 0, NULL));
	}
}

/* Turn by turn, on bodies no one has seen: CPU in us per event of decode, and of jansson alone. */
static void compare(struct bench *bench, const char *shape)
{
	bench->n = SLICE;
	for (int round = -1; round < ROUNDS; round++) {
		double before, decode, jansson;

		make_deliveries(bench, shape);
		before = cpu_us();
		parse_alone(bench);
		jansson = cpu_us() - before;
		before = cpu_us();
		measured(bench, &stages[0], 0);
		decode = cpu_us() - before;
		bench->n_events = 0;
		for (size_t i = 0; i < bench->n; i++) {
			bench->n_events += bench->deliveries[i]->n_events;
			delivery_unref(bench->deliveries[i]);
		}
		free(bench->deliveries);
		if (round >= 0) /* the first one warms up */
			printf("{\"shape\":\"%s\",\"events\":%zu,\"decode_us\":%.3f,"
			       "\"jansson_us\":%.3f}\n",
			       shape, bench->n_events, decode / (double)bench->n_events,
			       jansson / (double)bench->n_events);
	}
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/rfeventd-bench-XXXXXX";
	const char *shape = argc > 2 ? argv[2] : "mix";
	struct bench bench = { .n = N_DEFAULT };
	struct err err;

	if (argc > 3)
		bench.n = strtoul(argv[3], NULL, 10);
	if (argc < 2 || bench.n < 21) {
		fputs("Usage: instructions STAGE [SHAPE] [DELIVERIES] [REGISTRIES]\n", stderr);
		return 2;
	}
	if (open_all(&bench, argc > 4 ? argv[4] : "registries/standard", dir, &err) < 0) {
		fprintf(stderr, "instructions: %s\n", err.text);
		return 1;
	}
	if (strcmp(argv[1], "compare") == 0)
		compare(&bench, shape);
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (strcmp(argv[1], stages[i].name) == 0)
			count(&bench, &stages[i], shape);
	close_all(&bench, dir);
	free_names(&bench.names);
	strbuf_fini(&bench.out);
	source_set_unref(bench.sources);
	registry_set_unref((struct registry_set *)(uintptr_t)bench.registries);
	return 0;
}
