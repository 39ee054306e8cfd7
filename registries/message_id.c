#include "registries/message_id.h"

#include "base/mem.h"

/* More digits than this are no version number. */
#define MAX_NUMBER_DIGITS 9

static const char *const form_names[] = {
	[MESSAGE_ID_EMPTY] = "empty", [MESSAGE_ID_STANDARD] = "standard",
	[MESSAGE_ID_PATCH] = "patch", [MESSAGE_ID_VERSIONLESS] = "versionless",
	[MESSAGE_ID_BARE] = "bare",   [MESSAGE_ID_NUMBERS] = "numbers",
	[MESSAGE_ID_HEX] = "hex",
};

const char *message_id_form_name(enum message_id_form form)
{
	if ((size_t)form >= ARRAY_LEN(form_names))
		return "";
	return form_names[form];
}

static struct str from(struct str s, size_t start)
{
	return (struct str){ s.p + start, s.len - start };
}

/* Take "<digits>." off the front of *rest. */
static bool take_number(struct str *rest, unsigned *out)
{
	size_t dot = str_find_char(*rest, '.');
	uint64_t number;

	if (dot == rest->len || dot > MAX_NUMBER_DIGITS ||
	    !str_to_u64((struct str){ rest->p, dot }, &number))
		return false;
	*out = (unsigned)number;
	*rest = from(*rest, dot + 1);
	return true;
}

static bool is_hex(struct str s)
{
	if (s.len < 3 || s.p[0] != '0' || (s.p[1] != 'x' && s.p[1] != 'X'))
		return false;
	for (size_t i = 2; i < s.len; i++) {
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f') ||
		      (s.p[i] >= 'A' && s.p[i] <= 'F')))
			return false;
	}
	return true;
}

/* Digits and dots, with a dot between digits: an IML class.code. */
static bool is_numbers(struct str s)
{
	size_t n_dots = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '.' && i > 0 && i + 1 < s.len)
			n_dots++;
		else if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return n_dots > 0;
}

/* Take [major.[minor.[patch.]]] off the front of *rest; how many numbers there were. */
static int take_version(struct str *rest, unsigned numbers[3])
{
	int n = 0;

	while (n < 3 && take_number(rest, &numbers[n]))
		n++;
	return n;
}

/* `rest` is what follows the prefix's dot. The version need not stand right behind the prefix:
 * vendors put further words between them. A lone number is no version, yet no part of the key. */
static void parse_version_and_key(struct message_id *id, struct str rest)
{
	for (struct str at = rest; at.len > 0;) {
		unsigned numbers[3] = { 0, 0, 0 };
		int n = take_version(&at, numbers);
		size_t dot;

		if (n >= 2) {
			id->form = n == 3 ? MESSAGE_ID_PATCH : MESSAGE_ID_STANDARD;
			id->key = at;
			id->has_version = true;
			id->major = numbers[0];
			id->minor = numbers[1];
			id->patch = numbers[2];
			return;
		}
		dot = str_find_char(at, '.');
		at = from(at, dot < at.len ? dot + 1 : at.len);
	}
	id->form = MESSAGE_ID_VERSIONLESS;
	take_number(&rest, &(unsigned){ 0 });
	id->key = rest;
}

struct message_id message_id_parse(struct str text)
{
	struct message_id id = { .form = MESSAGE_ID_EMPTY };
	size_t dot;

	text = str_trim(text);
	if (text.len == 0 || str_eq_nocase(text, STR("NULL")))
		return id;
	if (is_hex(text)) {
		id.form = MESSAGE_ID_HEX;
		return id;
	}
	if (is_numbers(text)) {
		id.form = MESSAGE_ID_NUMBERS;
		return id;
	}
	dot = str_find_char(text, '.');
	if (dot == 0 || dot + 1 >= text.len || text.p[text.len - 1] == '.') {
		id.form = MESSAGE_ID_BARE;
		id.key = text;
		return id;
	}
	id.prefix = (struct str){ text.p, dot };
	parse_version_and_key(&id, from(text, dot + 1));
	return id;
}
