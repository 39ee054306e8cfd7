#include "event/upstream.h"

#include "event/delivery.h"
#include "event/tree.h"

static const struct tree *ours(const struct tree *oem)
{
	return tree_member(oem, STR("Rfeventd"));
}

static int64_t number(const struct tree *object, struct str key)
{
	const struct tree *value = tree_member(object, key);

	return tree_is(value, TREE_INTEGER) && value->fits && value->number >= 0 ? value->number
										 : -1;
}

int64_t upstream_seq(const struct tree *oem)
{
	int64_t seq = number(ours(oem), STR("Seq"));

	return seq > 0 ? seq : 0;
}

void upstream_read(struct delivery *delivery, const struct tree *oem)
{
	const struct tree *object = ours(oem), *stream = tree_member(object, STR("Stream"));
	struct upstream *upstream = &delivery->upstream;

	/* Two payloads in one body cover no one part. */
	if (!uuid_is_zero(upstream->stream))
		upstream->through = -1;
	else if (tree_is(stream, TREE_STRING) && uuid_parse(stream->text, &upstream->stream)) {
		upstream->after = number(object, STR("After"));
		upstream->through = number(object, STR("Through"));
	}
}

void upstream_check(struct delivery *delivery)
{
	struct upstream *upstream = &delivery->upstream;
	int64_t before = upstream->after;
	bool good = before >= 0;

	for (uint32_t i = 0; i < delivery->n_events; i++) {
		good &= delivery->events[i].upstream_seq > before;
		before = delivery->events[i].upstream_seq;
	}
	if (!good || before > upstream->through)
		*upstream = (struct upstream){ 0 };
}
