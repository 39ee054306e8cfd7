#include "service/doors.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/tls.h"
#include "service/config.h"

/* The certificates of one door: configured, or the self-signed pair in state_dir/tls. */
struct pairs {
	struct tls_certificate *items; /* new */
	size_t n;
	struct tls_certificate own[2]; /* self-signed: paths are new */
};

static int pairs_of(const struct config *config, const struct config_maps *configured,
		    struct pairs *out, struct err *err)
{
	const struct config_certificate *given = configured->items;
	char *dir;
	int r;

	*out = (struct pairs){ 0 };
	if (configured->n > 0) {
		out->n = configured->n;
		out->items = xcalloc(out->n, sizeof(*out->items));
		for (size_t i = 0; i < out->n; i++)
			out->items[i] =
				(struct tls_certificate){ given[i].certificate, given[i].key };
		return 0;
	}
	dir = xasprintf("%s/tls", config->state_dir);
	r = file_make_dirs(dir, 0755, err);
	if (r == 0)
		r = tls_make_self_signed(dir, out->own, err);
	free(dir);
	if (r < 0)
		return r;
	out->n = 2;
	out->items = xcalloc(2, sizeof(*out->items));
	out->items[0] = out->own[0];
	out->items[1] = out->own[1];
	return 0;
}

static void pairs_fini(struct pairs *pairs)
{
	for (size_t i = 0; i < 2; i++) {
		free((void *)(uintptr_t)pairs->own[i].certificate);
		free((void *)(uintptr_t)pairs->own[i].key);
	}
	free(pairs->items);
}

/* Make *slot, or bring it up to date. */
static int load_tls(const struct config *config, const struct config_maps *certificates,
		    struct tls_config tls, struct tls_slot **slot, struct err *err)
{
	struct pairs pairs;
	int r = pairs_of(config, certificates, &pairs, err);

	if (r == 0) {
		tls.certificates = pairs.items;
		tls.n_certificates = pairs.n;
		r = *slot ? tls_slot_reload(*slot, &tls, err) : tls_slot_new(&tls, slot, err);
		pairs_fini(&pairs);
	}
	return r;
}

static int load_receiver(const struct config *config, const struct tls_policy *policy,
			 struct tls_slot **slot, struct err *err)
{
	const struct tls_config tls = {
		.client_ca = config->receiver_client_ca,
		.client_required = config->receiver_client_required,
		.policy = policy,
	};

	return load_tls(config, &config->receiver_certificates, tls, slot, err);
}

/* Make all contexts, or bring those there are up to date. */
static int load_all(const struct config *config, struct doors *doors, struct err *err)
{
	const struct tls_policy usual = {
		.min_version = TLS_VERSION_1_2 + (enum tls_version)config->receiver_min_version,
		.security_level = (int)config->receiver_security_level,
	};
	/* The lower security level is for BMCs alone, the version for all. */
	const struct tls_policy operators = { usual.min_version,
					      tls_default_policy.security_level };
	int r = 0;

	if (doors->receiver_tls || config->receiver_listen.n > 0)
		r = load_receiver(config, &usual, &doors->receiver_tls, err);
	for (size_t i = 0; i < doors->n_own && r == 0; i++)
		r = load_receiver(config, &doors->own[i].policy, &doors->own[i].tls, err);
	if (r == 0 && (doors->api_tls || config->api_listen.n > 0))
		r = load_tls(config, &config->api_certificates,
			     (struct tls_config){ .policy = &operators }, &doors->api_tls, err);
	return r;
}

static void report_dates(const struct config_maps *configured, const char *key)
{
	const struct config_certificate *pairs = configured->items;

	for (size_t i = 0; i < configured->n; i++) {
		enum tls_validity validity = tls_certificate_validity(pairs[i].certificate);

		if (validity == TLS_EXPIRED)
			log_error("service",
				  "certificate expired, clients that look refuse it: put a new one "
				  "in "
				  "its place and reload",
				  LOG_T("file", pairs[i].certificate), LOG_T("key", key));
		else if (validity == TLS_NOT_YET_VALID)
			log_error("service",
				  "certificate not valid yet, clients that look refuse it: set the "
				  "clock or put another in its place and reload",
				  LOG_T("file", pairs[i].certificate), LOG_T("key", key));
	}
}

/* A door behind an expired certificate is better than none: said, and served. */
static void report_validity(const struct config *config)
{
	report_dates(&config->receiver_certificates, "receiver.tls.certificates");
	report_dates(&config->api_certificates, "api.tls.certificates");
}

static int probe_all(const struct config_list *addresses, const char *key, struct err *err)
{
	for (size_t i = 0; i < addresses->n; i++) {
		int r = http_address_probe(str_of(addresses->items[i]), key, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int probe_own(const struct config_maps *listeners, struct err *err)
{
	const struct config_listener *items = listeners->items;
	int r = 0;

	for (size_t i = 0; i < listeners->n && r == 0; i++)
		r = http_address_probe(str_of(items[i].address), "receiver.tls.listeners", err);
	return r;
}

static void list(const struct config_list *from, struct tls_slot *tls, struct http_address *to,
		 size_t *n)
{
	for (size_t i = 0; i < from->n; i++)
		to[(*n)++] = (struct http_address){ str_of(from->items[i]), tls };
}

static void list_receiver(const struct config *config, struct doors *doors)
{
	const struct config_listener *own = config->receiver_listeners.items;

	doors->receiver = xcalloc(config->receiver_listen.n + config->receiver_listen_plain.n +
					  doors->n_own + 1,
				  sizeof(*doors->receiver));
	list(&config->receiver_listen, doors->receiver_tls, doors->receiver, &doors->n_receiver);
	for (size_t i = 0; i < doors->n_own; i++)
		doors->receiver[doors->n_receiver++] =
			(struct http_address){ str_of(own[i].address), doors->own[i].tls };
	list(&config->receiver_listen_plain, NULL, doors->receiver, &doors->n_receiver);
}

static void list_api(const struct config *config, struct doors *doors)
{
	doors->api =
		xcalloc(config->api_listen.n + config->api_listen_plain.n + 1, sizeof(*doors->api));
	list(&config->api_listen, doors->api_tls, doors->api, &doors->n_api);
	list(&config->api_listen_plain, NULL, doors->api, &doors->n_api);
}

static void make_own(const struct config_maps *listeners, struct doors *doors)
{
	const struct config_listener *items = listeners->items;

	doors->n_own = listeners->n;
	doors->own = xcalloc(listeners->n + 1, sizeof(*doors->own));
	for (size_t i = 0; i < listeners->n; i++)
		doors->own[i].policy = (struct tls_policy){ (enum tls_version)items[i].min_version,
							    (int)items[i].security_level };
}

int doors_open(const struct config *config, struct doors *out, struct err *err)
{
	struct doors doors = { 0 };
	int r;

	r = probe_all(&config->receiver_listen, "receiver.listen", err);
	if (r == 0)
		r = probe_own(&config->receiver_listeners, err);
	if (r == 0)
		r = probe_all(&config->receiver_listen_plain, "receiver.listen_plain", err);
	if (r == 0)
		r = probe_all(&config->api_listen, "api.listen", err);
	if (r == 0)
		r = probe_all(&config->api_listen_plain, "api.listen_plain", err);
	make_own(&config->receiver_listeners, &doors);
	if (r == 0)
		r = load_all(config, &doors, err);
	if (r < 0) {
		doors_fini(&doors);
		return r;
	}
	report_validity(config);
	list_receiver(config, &doors);
	list_api(config, &doors);
	*out = doors;
	return 0;
}

int doors_reload(struct doors *doors, const struct config *config, struct err *err)
{
	int r = load_all(config, doors, err);

	if (r == 0)
		report_validity(config);
	return r;
}

void doors_fini(struct doors *doors)
{
	tls_slot_free(doors->receiver_tls);
	tls_slot_free(doors->api_tls);
	for (size_t i = 0; i < doors->n_own; i++)
		tls_slot_free(doors->own[i].tls);
	free(doors->own);
	free(doors->receiver);
	free(doors->api);
	*doors = (struct doors){ 0 };
}
