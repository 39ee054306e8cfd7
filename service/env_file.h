/* Env file: how the command line finds this service (state_dir/rfevent.env, mode 0600). */
#ifndef SERVICE_ENV_FILE_H
#define SERVICE_ENV_FILE_H

struct config;
struct err;

/* RFEVENT_STATE_DIR for the commands that need no service, RFEVENT_URL, _USER, _PASSWORD_FILE,
 * _CACERT, and _EVENTS_URL with _EVENTS_TOKEN_FILE for `rfevent event send`, and _PUBLIC_URL, under
 * which BMCs reach the receiver. Paths are absolute. */
/* The receiver, as BMCs reach it: configured, else this host. New; NULL: not known. */
char *env_public_url(const struct config *config);
int env_file_write(const struct config *config, struct err *err);

#endif
