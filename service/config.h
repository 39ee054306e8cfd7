/* Configuration of the service: the struct that the table in config.c fills. */
#ifndef SERVICE_CONFIG_H
#define SERVICE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"

struct err;

struct config_certificate {
	char *certificate, *key;
};

struct config_source {
	char *name, *address, *token, *certificate, *site, *rack, *owner;
	int64_t reply_status;
	/* how it is reached: url NULL when it is not */
	char *url, *user_name, *password, *ca;
	bool insecure;
};

struct config_listener { /* a TLS address with a policy of its own */
	char *address;
	int min_version; /* enum tls_version */
	int64_t security_level;
};

struct config {
	const char *path; /* of the file; NULL: there is none. The caller's of config_load() */
	char *state_dir;
	int log_level, log_format;

	struct config_list receiver_listen, receiver_listen_plain;
	struct config_maps receiver_certificates; /* struct config_certificate */
	char *receiver_client_ca;
	bool receiver_client_required;
	int receiver_min_version; /* enum tls_version less TLS_VERSION_1_2 */
	int64_t receiver_security_level;
	struct config_maps receiver_listeners; /* struct config_listener */
	int64_t receiver_workers;
	int receiver_unknown_sources;
	char *receiver_enrolment_token;
	int64_t receiver_max_sources;
	char *receiver_public_url;
	int64_t receiver_max_body_bytes;
	int64_t receiver_repeat_window_us;
	int receiver_not_json;
	int64_t receiver_reply_status;

	struct config_list api_listen, api_listen_plain;
	struct config_maps api_certificates;
	bool api_metrics_public;
	struct config_list api_origins;

	char *storage_url, *storage_direct_url, *storage_read_url;
	int storage_acknowledge;
	int64_t storage_journal_max_bytes, storage_journal_keep_us;
	int64_t storage_keep_events_us, storage_keep_metric_reports_us, storage_keep_audit_us;
	struct config_list storage_adopt;
	char *secrets_key_file;
	bool subscriptions_allow_http;
	int64_t subscriptions_retry_attempts, subscriptions_retry_interval_us;
	char *subscriptions_ca;

	struct config_list registries_path, translations_path;
	char *default_language;
	struct config_maps sources; /* struct config_source */
};

enum { ACKNOWLEDGE_JOURNAL, ACKNOWLEDGE_DATABASE };

extern const struct config_key config_keys[];

/* Defaults, then the file (NULL: none), then the --set assignments, then checks across keys. *out is
 * filled only on success: config_free(config_keys, out). */
int config_load(const char *path, const char *const *sets, size_t n_sets, struct config *out,
		struct err *err);

#endif
