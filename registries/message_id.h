/* MessageId: taking one apart (spec 5.2). Pure. */
#ifndef REGISTRIES_MESSAGE_ID_H
#define REGISTRIES_MESSAGE_ID_H

#include <stdbool.h>

#include "base/str.h"

enum message_id_form {
	MESSAGE_ID_EMPTY,       /* "" or "NULL" */
	MESSAGE_ID_STANDARD,    /* Prefix.Major.Minor.Key */
	MESSAGE_ID_PATCH,       /* Prefix.Major.Minor.Patch.Key */
	MESSAGE_ID_VERSIONLESS, /* Prefix.Key */
	MESSAGE_ID_BARE,        /* Key */
	MESSAGE_ID_NUMBERS,     /* iLO IML class.code "35.1132" */
	MESSAGE_ID_HEX          /* SEL data "0x592A28" */
};

struct message_id {
	enum message_id_form form;
	struct str prefix, key; /* borrow from the text; p NULL when the form has none */
	bool has_version;
	unsigned major, minor, patch;
};

struct message_id message_id_parse(struct str text);
const char *message_id_form_name(enum message_id_form form);

#endif
