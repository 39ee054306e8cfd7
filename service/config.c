#include "service/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/limits.h"
#include "event/source_set.h"
#include "http/tls.h"
#include "storage/limits.h"

#define DAY_US (86400 * CLOCK_US_PER_S)
#define HOUR_US (3600 * CLOCK_US_PER_S)

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_formats[] = { "logfmt", "json", NULL };
static const char *const unknown_sources[] = { "reject", "quarantine", "accept", NULL };
static const char *const not_json[] = { "quarantine", "refuse", NULL };
static const char *const tls_versions[] = { "1.2", "1.3", NULL };
static const char *const all_tls_versions[] = { "1.0", "1.1", "1.2", "1.3", NULL };
static const char *const acknowledge[] = { "journal", "database", NULL };

static const struct config_key certificate_keys[] = {
	{ .name = "certificate", .type = CONFIG_TEXT, .required = true,
	  .offset = offsetof(struct config_certificate, certificate), .help = "PEM chain, path" },
	{ .name = "key", .type = CONFIG_TEXT, .required = true,
	  .offset = offsetof(struct config_certificate, key), .help = "PEM private key, path" },
	{ 0 }
};

static const struct config_key listener_keys[] = {
	{ .name = "address", .type = CONFIG_TEXT, .required = true,
	  .offset = offsetof(struct config_listener, address), .help = "as in receiver.listen" },
	{ .name = "min_version", .type = CONFIG_ENUM, .choices = all_tls_versions, .initial = "'1.2'",
	  .offset = offsetof(struct config_listener, min_version),
	  .help = "oldest TLS version; 1.0 and 1.1 need security_level 0" },
	{ .name = "security_level", .type = CONFIG_INT, .min = 0, .max = 5, .initial = "1",
	  .offset = offsetof(struct config_listener, security_level), .help = "OpenSSL's" },
	{ 0 }
};

static const struct config_key source_keys[] = {
	{ .name = "name", .type = CONFIG_TEXT, .required = true,
	  .offset = offsetof(struct config_source, name), .help = "shown to people; unique" },
	{ .name = "address", .type = CONFIG_TEXT, .offset = offsetof(struct config_source, address),
	  .help = "address it sends from" },
	{ .name = "token", .type = CONFIG_TEXT, .secret = true,
	  .offset = offsetof(struct config_source, token),
	  .help = "last segment of its Destination: base32, 8 to 128 characters of a-z2-7" },
	{ .name = "certificate", .type = CONFIG_TEXT,
	  .offset = offsetof(struct config_source, certificate),
	  .help = "its client certificate: 'sha256:' and the hex fingerprint, or the common or a DNS name in it" },
	{ .name = "site", .type = CONFIG_TEXT, .offset = offsetof(struct config_source, site), .help = "" },
	{ .name = "rack", .type = CONFIG_TEXT, .offset = offsetof(struct config_source, rack), .help = "" },
	{ .name = "owner", .type = CONFIG_TEXT, .offset = offsetof(struct config_source, owner), .help = "" },
	{ .name = "reply_status", .type = CONFIG_INT, .min = 0, .max = 204, .initial = "0",
	  .offset = offsetof(struct config_source, reply_status),
	  .help = "answer of a stored delivery for this source: 200, 201, 202 or 204; 0: receiver.reply_status" },
	{ .name = "url", .type = CONFIG_TEXT, .offset = offsetof(struct config_source, url),
	  .help = "its own Redfish service, as https://10.1.2.3: its registries are read from there" },
	{ .name = "username", .type = CONFIG_TEXT, .offset = offsetof(struct config_source, user_name),
	  .help = "an account of it that may read" },
	{ .name = "password", .type = CONFIG_TEXT, .secret = true,
	  .offset = offsetof(struct config_source, password), .help = "of that account" },
	{ .name = "ca", .type = CONFIG_TEXT, .offset = offsetof(struct config_source, ca),
	  .help = "file with the certificate (authority) that its https is checked against" },
	{ .name = "insecure", .type = CONFIG_BOOL, .initial = "false",
	  .offset = offsetof(struct config_source, insecure),
	  .help = "do not check its certificate: as BMCs come out of the box" },
	{ 0 }
};

#define AT(member) .offset = offsetof(struct config, member)

const struct config_key config_keys[] = {
	{ .name = "state_dir", .type = CONFIG_TEXT, AT(state_dir), .initial = "/var/lib/rfeventd",
	  .help = "journal, snapshot, private PostgreSQL, generated keys" },
	{ .name = "log.level", .type = CONFIG_ENUM, AT(log_level), .initial = "info",
	  .choices = log_levels, .reload = true, .help = "least important line that is written" },
	{ .name = "log.format", .type = CONFIG_ENUM, AT(log_format), .initial = "logfmt",
	  .choices = log_formats, .reload = true, .help = "form of a log line" },

	{ .name = "receiver.listen", .type = CONFIG_LIST, AT(receiver_listen),
	  .initial = "['[::]:8443']", .help = "addresses that take events over TLS" },
	{ .name = "receiver.listen_plain", .type = CONFIG_LIST, AT(receiver_listen_plain),
	  .help = "addresses that take events without TLS" },
	{ .name = "receiver.tls.certificates", .type = CONFIG_MAPS, AT(receiver_certificates),
	  .fields = certificate_keys, .item_bytes = sizeof(struct config_certificate), .reload = true,
	  .help = "list of {certificate, key}; empty: a self-signed pair in state_dir/tls" },
	{ .name = "receiver.tls.client_ca", .type = CONFIG_TEXT, AT(receiver_client_ca), .reload = true,
	  .help = "CA file; client certificates are asked for and checked against it" },
	{ .name = "receiver.tls.client_required", .type = CONFIG_BOOL, AT(receiver_client_required),
	  .initial = "false", .reload = true, .help = "refuse clients without a certificate of client_ca" },
	{ .name = "receiver.tls.min_version", .type = CONFIG_ENUM, AT(receiver_min_version),
	  .initial = "'1.2'", .choices = tls_versions, .reload = true,
	  .help = "oldest TLS version; of both doors" },
	{ .name = "receiver.tls.security_level", .type = CONFIG_INT, AT(receiver_security_level),
	  .initial = "1", .min = 0, .max = 5, .reload = true, .help = "OpenSSL's; 2 shuts out older BMCs" },
	{ .name = "receiver.tls.listeners", .type = CONFIG_MAPS, AT(receiver_listeners),
	  .fields = listener_keys, .item_bytes = sizeof(struct config_listener),
	  .help = "more addresses that take events over TLS, each with a policy of its own, for "
		  "BMCs with old TLS: list of {address, min_version, security_level}" },
	{ .name = "receiver.workers", .type = CONFIG_INT, AT(receiver_workers), .initial = "0",
	  .min = 0, .max = 256, .help = "threads; 0: number of cores" },
	{ .name = "receiver.unknown_sources", .type = CONFIG_ENUM, AT(receiver_unknown_sources),
	  .initial = "reject", .choices = unknown_sources,
	  .help = "deliveries without a valid token: 401, set aside, or taken by peer address" },
	{ .name = "receiver.enrolment_token", .type = CONFIG_TEXT, AT(receiver_enrolment_token),
	  .secret = true,
	  .help = "a delivery with it creates a source per peer address; generated when empty" },
	{ .name = "receiver.max_sources", .type = CONFIG_INT, AT(receiver_max_sources),
	  .initial = "200000", .min = 1, .max = 10000000, .help = "enrolment stops there" },
	{ .name = "receiver.public_url", .type = CONFIG_TEXT, AT(receiver_public_url),
	  .help = "scheme, host and port put into Destinations" },
	{ .name = "receiver.max_body_bytes", .type = CONFIG_BYTES, AT(receiver_max_body_bytes),
	  .initial = "16 MiB", .min = 1024, .max = 64 << 20, .help = "larger deliveries get 413" },
	{ .name = "receiver.repeat_window", .type = CONFIG_DURATION, AT(receiver_repeat_window_us),
	  .initial = "10m", .min = 0, .max = DAY_US, .help = "the same body again within it is a repeat" },
	{ .name = "receiver.not_json", .type = CONFIG_ENUM, AT(receiver_not_json),
	  .initial = "quarantine", .choices = not_json, .help = "a body that is not JSON: kept (200) or 400" },
	{ .name = "receiver.reply_status", .type = CONFIG_INT, AT(receiver_reply_status),
	  .initial = "200", .min = 200, .max = 204, .help = "answer of a stored delivery: 200, 201, 202 or 204" },

	{ .name = "api.listen", .type = CONFIG_LIST, AT(api_listen), .initial = "['[::]:9443']",
	  .help = "addresses of the operators' door, TLS" },
	{ .name = "api.listen_plain", .type = CONFIG_LIST, AT(api_listen_plain),
	  .help = "addresses of the operators' door without TLS" },
	{ .name = "api.tls.certificates", .type = CONFIG_MAPS, AT(api_certificates),
	  .fields = certificate_keys, .item_bytes = sizeof(struct config_certificate), .reload = true,
	  .help = "as receiver.tls.certificates" },
	{ .name = "api.metrics_public", .type = CONFIG_BOOL, AT(api_metrics_public), .initial = "false",
	  .help = "/metrics without login" },
	{ .name = "api.origins", .type = CONFIG_LIST, AT(api_origins),
	  .help = "pages that may open /stream besides those of the service itself: 'https://host:port'" },

	{ .name = "storage.url", .type = CONFIG_TEXT, AT(storage_url), .secret = true,
	  .help = "libpq URI of PostgreSQL; empty: a private server in state_dir" },
	{ .name = "storage.direct_url", .type = CONFIG_TEXT, AT(storage_direct_url), .secret = true,
	  .help = "the same past a pooler, for LISTEN; empty: storage.url" },
	{ .name = "storage.read_url", .type = CONFIG_TEXT, AT(storage_read_url), .secret = true,
	  .help = "read replica for queries; empty: storage.url" },
	{ .name = "storage.acknowledge", .type = CONFIG_ENUM, AT(storage_acknowledge),
	  .initial = "journal", .choices = acknowledge, .help = "what a 200 means: on disk, or in the log" },
	{ .name = "storage.journal_max_bytes", .type = CONFIG_BYTES, AT(storage_journal_max_bytes),
	  .initial = "8 GiB", .min = JOURNAL_MIN_BYTES, .max = INT64_C(1) << 44,
	  .help = "of all segments; full: 503" },
	{ .name = "storage.journal_keep", .type = CONFIG_DURATION, AT(storage_journal_keep_us),
	  .initial = "1h", .min = 0, .max = 30 * DAY_US, .help = "loaded segments stay this long" },
	{ .name = "storage.retention.events", .type = CONFIG_DURATION, AT(storage_keep_events_us),
	  .initial = "90d", .min = DAY_US, .max = 36500 * DAY_US, .help = "whole days are dropped after it" },
	{ .name = "storage.retention.audit", .type = CONFIG_DURATION, AT(storage_keep_audit_us),
	  .initial = "400d", .min = DAY_US, .max = 36500 * DAY_US,
	  .help = "entries of the Audit log are dropped after it" },
	{ .name = "storage.retention.metric_reports", .type = CONFIG_DURATION,
	  AT(storage_keep_metric_reports_us), .initial = "1d", .min = HOUR_US, .max = 36500 * DAY_US,
	  .help = "MetricReport deliveries are dropped after it" },

	{ .name = "storage.adopt", .type = CONFIG_LIST, AT(storage_adopt),
	  .help = "state directories of replicas that are gone for good: what their journals hold is "
		  "taken over at start" },

	{ .name = "secrets.key_file", .type = CONFIG_TEXT, AT(secrets_key_file),
	  .help = "file with the key that all replicas of a database share, and that passwords of sources "
		  "are sealed with; a replica with another key does not start" },

	{ .name = "subscriptions.allow_http", .type = CONFIG_BOOL, AT(subscriptions_allow_http),
	  .initial = "false", .help = "Destinations of subscriptions may be http://, too" },
	{ .name = "subscriptions.ca", .type = CONFIG_TEXT, AT(subscriptions_ca),
	  .help = "file with the certificate authorities that Destinations are checked against where "
		  "VerifyCertificate is true; empty: the system's" },
	{ .name = "subscriptions.retry_attempts", .type = CONFIG_INT, AT(subscriptions_retry_attempts),
	  .initial = "3", .min = 0, .max = 1000,
	  .help = "DeliveryRetryAttempts: then a subscription ends or is suspended, where its policy says so" },
	{ .name = "subscriptions.retry_interval", .type = CONFIG_DURATION,
	  AT(subscriptions_retry_interval_us), .initial = "10s", .min = CLOCK_US_PER_S, .max = HOUR_US,
	  .help = "DeliveryRetryIntervalSeconds: the first wait of RetryForeverWithBackoff, every wait of "
		  "the others" },

	{ .name = "registries.path", .type = CONFIG_LIST, AT(registries_path), .reload = true,
	  .help = "folders with message registries, besides the shipped ones and state_dir/registries" },
	{ .name = "translations.path", .type = CONFIG_LIST, AT(translations_path), .reload = true,
	  .help = "folders with translations (<language>/<Prefix>.json), besides the shipped ones "
		  "and state_dir/translations" },
	{ .name = "translations.default_language", .type = CONFIG_TEXT, AT(default_language),
	  .initial = "en", .help = "served to readers who ask for no language that there is" },
	{ .name = "sources", .type = CONFIG_MAPS, AT(sources), .fields = source_keys,
	  .item_bytes = sizeof(struct config_source), .reload = true,
	  .help = "BMCs declared here: list of {name, token, certificate, address, site, rack, "
		  "owner, reply_status}" },
	{ 0 }
};

static bool token_is_good(const char *token)
{
	size_t n = strspn(token, "abcdefghijklmnopqrstuvwxyz234567");

	return token[n] == '\0' && n >= 8 && n <= 128;
}

static bool status_is_good(int64_t status)
{
	return status == 200 || status == 201 || status == 202 || status == 204;
}

/* What a person copies from a tool has colons and may be cut short; it would match nothing. */
static bool certificate_is_good(const char *certificate)
{
	const size_t n = sizeof(SOURCE_FINGERPRINT) - 1;

	if (strncasecmp(certificate, SOURCE_FINGERPRINT, n) != 0)
		return true; /* a name */
	return strspn(certificate + n, "0123456789abcdefABCDEF") == 64 && certificate[n + 64] == '\0';
}

static int check_source(const struct config_source *source, struct err *err)
{
	if (!source->token && !source->address && !source->certificate)
		return err_set(err, -EINVAL,
			       "sources: '%s' needs a token, a certificate or an address",
			       source->name);
	if (source->token && !token_is_good(source->token))
		return err_set(err, -EINVAL,
			       "sources: the token of '%s' must be 8 to 128 characters of a-z2-7",
			       source->name);
	if (source->certificate && !certificate_is_good(source->certificate))
		return err_set(err, -EINVAL,
			       "sources: the certificate of '%s' must be '" SOURCE_FINGERPRINT
			       "' and 64 hex digits without colons, or a name",
			       source->name);
	if (source->url && !str_starts_with(str_of(source->url), STR("https://")) &&
	    !str_starts_with(str_of(source->url), STR("http://")))
		return err_set(err, -EINVAL, "sources: url of '%s' must begin with https:// or http://",
			       source->name);
	if (source->url && (!source->user_name || !source->password))
		return err_set(err, -EINVAL,
			       "sources: '%s' has a url, and so needs username and password(_file)",
			       source->name);
	if (source->url && str_starts_with(str_of(source->url), STR("https://")) && !source->ca &&
	    !source->insecure)
		return err_set(err, -EINVAL,
			       "sources: '%s' has an https url, and so needs ca (a file) or insecure: true",
			       source->name);
	if (source->reply_status != 0 && !status_is_good(source->reply_status))
		return err_set(err, -EINVAL,
			       "sources: reply_status of '%s': 200, 201, 202 or 204", source->name);
	return 0;
}

/* What no single key can know. */
static int check(const struct config *config, struct err *err)
{
	const struct config_source *sources = config->sources.items;

	if (config->receiver_enrolment_token && !token_is_good(config->receiver_enrolment_token))
		return err_set(err, -EINVAL, "receiver.enrolment_token: 8 to 128 characters of a-z2-7");
	if (!status_is_good(config->receiver_reply_status))
		return err_set(err, -EINVAL, "receiver.reply_status: 200, 201, 202 or 204");
	if (!config->state_dir || config->state_dir[0] == '\0')
		return err_set(err, -EINVAL, "state_dir: a directory is needed");
	for (size_t i = 0; i < config->receiver_listeners.n; i++) {
		const struct config_listener *listener =
			(const struct config_listener *)config->receiver_listeners.items + i;

		if (listener->min_version < TLS_VERSION_1_2 && listener->security_level > 0)
			return err_set(err, -EINVAL,
				       "receiver.tls.listeners: %s takes TLS %s, which needs "
				       "security_level 0",
				       listener->address, all_tls_versions[listener->min_version]);
	}
	if (config->receiver_listen.n + config->receiver_listen_plain.n +
		    config->receiver_listeners.n == 0)
		return err_set(err, -EINVAL,
			       "receiver.listen: at least one address, here or in receiver.listen_plain");
	for (size_t i = 0; i < config->sources.n; i++) {
		int r = check_source(&sources[i], err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (strcmp(sources[k].name, sources[i].name) == 0)
				return err_set(err, -EINVAL, "sources: '%s' is there twice",
					       sources[i].name);
	}
	return 0;
}

int config_load(const char *path, const char *const *sets, size_t n_sets, struct config *out,
		struct err *err)
{
	struct config config = { 0 };
	char *yaml = NULL;
	size_t n_yaml;
	int r;

	r = config_defaults(config_keys, &config, err);
	if (r == 0 && path) {
		r = file_read(path, CONFIG_MAX_BYTES, &yaml, &n_yaml, err);
		if (r == 0)
			r = config_parse(config_keys, &config, (struct str){ yaml, n_yaml }, path, err);
	}
	for (size_t i = 0; r == 0 && i < n_sets; i++)
		r = config_set(config_keys, &config, sets[i], err);
	if (r == 0)
		r = check(&config, err);
	free(yaml);
	if (r < 0) {
		config_free(config_keys, &config);
		return r;
	}
	if (config.receiver_workers == 0) {
		long n = sysconf(_SC_NPROCESSORS_ONLN);
		config.receiver_workers = n > 0 ? n : 1;
	}
	config.path = path;
	*out = config;
	return 0;
}
