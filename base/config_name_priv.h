/* Config names: which key of the table a dotted name means, or was meant to. Thread: any. */
#ifndef BASE_CONFIG_NAME_PRIV_H
#define BASE_CONFIG_NAME_PRIV_H

#include <stdbool.h>

#include "base/config.h"

/* The key called `name`, or NULL. *is_file_out: it was the NAME_file of a secret. */
const struct config_key *config_name_find(const struct config_key *keys, struct str name,
					  bool *is_file_out);
/* The first key below the group `name` ("log" has "log.level"), or NULL when it is none. */
const struct config_key *config_name_group(const struct config_key *keys, struct str name);
/* Append the key or group that an unknown `name` was probably meant for; false when none is near. */
bool config_name_nearest(const struct config_key *keys, struct str name, struct strbuf *out);

#endif
