/* Endpoint: finding the service without being told. */
#ifndef CLI_ENDPOINT_H
#define CLI_ENDPOINT_H

struct cli;

/* Fill what the options left open from the first of $RFEVENT_CONFIG, ./var/rfevent.env,
 * ~/.config/rfevent/env, /etc/rfeventd/rfevent.env that can be read. */
void endpoint_find(struct cli *cli);
/* The password to use, new, or NULL (none configured or unreadable, with words on stderr). */
char *endpoint_password(const struct cli *cli);
/* First line of a file, trimmed, new; NULL with words on stderr. */
char *endpoint_secret(const char *path, const char *what);

#endif
