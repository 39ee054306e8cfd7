/* Decode, resolve and encode: any body becomes a delivery, and each event in it a good Entry. */
#include "fuzz.h"

#include <jansson.h>

#include "event/decode.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "registries/registry.h"
#include "registries/resolve.h"

#define RECEIVED_US 1763629964120931ll /* 2025-11-20T09:12:44Z */

static const char registry_json[] =
	"{\"@odata.type\":\"#MessageRegistry.v1_7_0.MessageRegistry\",\"Id\":\"Fans.1.2.0\","
	"\"Language\":\"en\",\"RegistryPrefix\":\"Fans\",\"RegistryVersion\":\"1.2.0\","
	"\"Messages\":{\"Stopped\":{\"Message\":\"Fan %1 of %2.\",\"MessageSeverity\":\"Warning\","
	"\"NumberOfArgs\":2,\"Resolution\":\"Look at %1.\"},\"Fine\":{\"Message\":\"Fine.\"}}}";

static void check_text(struct str text)
{
	CHECK(text.p || text.len == 0);
	CHECK(str_is_utf8(text) && text.len <= DECODE_MAX_TEXT_BYTES);
}

static void check_facts(const struct event *event)
{
	check_text(event->event_id);
	check_text(event->event_timestamp);
	check_text(event->event_type);
	check_text(event->message_id);
	check_text(event->origin);
	check_text(event->sender_severity);
	check_text(event->sender_message);
	check_text(event->sender_resolution);
	check_text(event->log_entry);
	CHECK(event->n_message_args <= DECODE_MAX_ARGS && event->quirks >> QUIRK_COUNT == 0);
	for (uint32_t i = 0; i < event->n_message_args; i++)
		check_text(event->message_args[i]);
}

static void check_entry(const struct delivery *delivery, const struct event *event)
{
	struct entry entry = { .seq = 1, .delivery = delivery->id, .event = *event };
	struct strbuf out;
	json_error_t why;
	json_t *root;

	strbuf_init(&out, 64u << 20);
	entry_encode(&out, &entry, NULL, NULL);
	CHECK(!out.failed);
	root = json_loadb(out.p, out.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	CHECK_SAYING(root, "(%s in %s)", why.text, out.p);
	CHECK(str_eq(event->message,
		     (struct str){ json_string_value(json_object_get(root, "Message")),
				   json_string_length(json_object_get(root, "Message")) }));
	json_decref(root);
	strbuf_fini(&out);
}

static void check_delivery(struct delivery *delivery, const struct registry_set *set)
{
	CHECK(delivery->kind <= DELIVERY_QUARANTINED);
	CHECK(delivery->kind == DELIVERY_EVENTS || delivery->n_events == 0);
	CHECK(delivery->kind != DELIVERY_NOT_JSON ||
	      (delivery->reason && delivery->detail.len > 0));
	CHECK(delivery->quirks >> QUIRK_COUNT == 0 && delivery->n_events <= DECODE_MAX_EVENTS);
	check_text(delivery->envelope_id);
	check_text(delivery->context);
	for (uint32_t i = 0; i < delivery->n_quarantined; i++) {
		CHECK(delivery->quarantined[i].reason);
		CHECK(str_is_utf8(delivery->quarantined[i].detail));
		CHECK(str_is_utf8(delivery->quarantined[i].raw));
	}
	for (uint32_t i = 0; i < delivery->n_events; i++) {
		struct event *event = &delivery->events[i];

		check_facts(event);
		CHECK(i == 0 || event->index > delivery->events[i - 1].index);
		/* Before the registries are there, and with them. */
		resolve_event(i % 2 ? set : NULL, delivery->source, event, delivery->arena);
		CHECK(event->message.len > 0 && str_is_utf8(event->message));
		CHECK(str_is_utf8(event->resolution));
		check_entry(delivery, event);
		resolve_event(set, delivery->source, event, delivery->arena);
		check_entry(delivery, event);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct registry_set *set;
	struct str body = fuzz_str(data, size);
	struct delivery *delivery =
		delivery_new((struct uuid){ { 1 } }, (struct uuid){ { 2 } }, RECEIVED_US, 0,
			     STR("10.0.0.1"), (struct str){ 0 }, STR("http/1.1"), body);

	if (!set) {
		struct registry *registry = NULL;

		CHECK(registry_parse(str_of(registry_json), "Fans.json", &registry, NULL) == 0);
		set = registry_set_new(&registry, 1);
	}
	decode_delivery(delivery);
	CHECK(str_eq(delivery->raw, body));
	check_delivery(delivery, set);
	delivery_unref(delivery);
	return 0;
}
