/* Which frame is found again for whom: the same entries, language and form, until something
 * changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/frame.h"
#include "api/frame_cache.h"
#include "event/entry.h"

static const char german[] = "de", arabic[] = "ar";

static struct entry entry_of(int64_t seq, uint8_t delivery, uint32_t index)
{
	return (struct entry){ .seq = seq, .delivery = { { delivery } }, .event.index = index };
}

static struct frame *frame_of(const char *text)
{
	struct strbuf out;

	frame_begin(&out, 100);
	strbuf_put_text(&out, text);
	return frame_finish(&out);
}

static void keep(struct frame_cache *cache, const char *language, const struct entry *first,
		 struct frame *frame)
{
	struct kept_frame *kept =
		frame_cache_begin(cache, language, STREAM_RFEVENTS, first, STREAM_SCAN_EVENTS);

	kept_frame_mark(kept, 0);
	kept_frame_mark(kept, 9);
	kept_frame_mark(kept, STREAM_SCAN_EVENTS - 1);
	frame_cache_keep(kept, STREAM_SCAN_EVENTS, frame);
}

static void test_found_again(void **state)
{
	struct frame_cache *cache = frame_cache_new();
	struct entry first = entry_of(7, 1, 2);
	struct frame *frame = frame_of("x");
	const struct kept_frame *kept;

	assert_null(frame_cache_find(cache, german, STREAM_RFEVENTS, &first, 1));
	keep(cache, german, &first, frame);
	assert_int_equal(frame->refs, 2);
	kept = frame_cache_find(cache, german, STREAM_RFEVENTS, &first, STREAM_SCAN_EVENTS);
	assert_ptr_equal(kept->frame, frame);
	assert_int_equal(kept->n_done, STREAM_SCAN_EVENTS);
	for (size_t i = 0; i < STREAM_SCAN_EVENTS; i++)
		assert_int_equal(kept_frame_passed(kept, i),
				 i == 0 || i == 9 || i == STREAM_SCAN_EVENTS - 1);
	frame_cache_free(cache);
	assert_int_equal(frame->refs, 1);
	frame_unref(frame);
	frame_cache_free(NULL);
}

static void test_not_for_others(void **state)
{
	struct frame_cache *cache = frame_cache_new();
	const struct entry first = entry_of(7, 1, 2);
	const struct entry others[] = { entry_of(8, 1, 2), entry_of(7, 2, 2), entry_of(7, 1, 3) };
	struct frame *frame = frame_of("y");
	size_t all = STREAM_SCAN_EVENTS;

	keep(cache, german, &first, frame);
	for (size_t i = 0; i < 3; i++)
		assert_null(frame_cache_find(cache, german, STREAM_RFEVENTS, &others[i], all));
	assert_null(frame_cache_find(cache, german, STREAM_RFEVENTS, &first, all - 1));
	assert_null(frame_cache_find(cache, german, STREAM_CLOUDEVENTS, &first, all));
	assert_null(frame_cache_find(cache, arabic, STREAM_RFEVENTS, &first, all));
	assert_non_null(frame_cache_find(cache, german, STREAM_RFEVENTS, &first, all));
	frame_cache_free(cache);
	frame_unref(frame);
}

static void test_forgotten(void **state)
{
	struct frame_cache *cache = frame_cache_new();
	struct entry first = entry_of(7, 1, 2);
	struct frame *frame = frame_of("z");

	frame_cache_expect(cache, 1);
	keep(cache, german, &first, frame);
	frame_cache_expect(cache, 1);
	assert_int_equal(frame->refs, 2);
	keep(cache, german, &first, NULL); /* nothing of it passed: known, too */
	assert_int_equal(frame->refs, 1);
	assert_null(frame_cache_find(cache, german, STREAM_RFEVENTS, &first, STREAM_SCAN_EVENTS)
			    ->frame);
	frame_cache_expect(cache, 2);
	assert_null(frame_cache_find(cache, german, STREAM_RFEVENTS, &first, STREAM_SCAN_EVENTS));
	frame_cache_free(cache);
	frame_unref(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_again),
		cmocka_unit_test(test_not_for_others),
		cmocka_unit_test(test_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
