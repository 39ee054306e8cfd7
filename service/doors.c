#include "service/doors.h"

#include <stdlib.h>

#include "base/file.h"
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
			out->items[i] = (struct tls_certificate){ given[i].certificate, given[i].key };
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
		    const char *client_ca, struct tls_slot **slot, struct err *err)
{
	struct pairs pairs;
	int r = pairs_of(config, certificates, &pairs, err);

	if (r == 0) {
		const struct tls_config tls = {
			.certificates = pairs.items,
			.n_certificates = pairs.n,
			.client_ca = client_ca,
			.min_tls_1_3 = config->receiver_min_version == 1,
		};
		r = *slot ? tls_slot_reload(*slot, &tls, err) : tls_slot_new(&tls, slot, err);
		pairs_fini(&pairs);
	}
	return r;
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

static struct http_address *list(const struct config_list *tls, const struct config_list *plain,
				 struct tls_slot *slot, size_t *n_out)
{
	struct http_address *addresses = xcalloc(tls->n + plain->n + 1, sizeof(*addresses));
	size_t n = 0;

	for (size_t i = 0; i < tls->n; i++)
		addresses[n++] = (struct http_address){ str_of(tls->items[i]), slot };
	for (size_t i = 0; i < plain->n; i++)
		addresses[n++] = (struct http_address){ str_of(plain->items[i]), NULL };
	*n_out = n;
	return addresses;
}

int doors_open(const struct config *config, struct doors *out, struct err *err)
{
	struct doors doors = { 0 };
	int r;

	r = probe_all(&config->receiver_listen, "receiver.listen", err);
	if (r == 0)
		r = probe_all(&config->receiver_listen_plain, "receiver.listen_plain", err);
	if (r == 0)
		r = probe_all(&config->api_listen, "api.listen", err);
	if (r == 0)
		r = probe_all(&config->api_listen_plain, "api.listen_plain", err);
	if (r == 0 && config->receiver_listen.n > 0)
		r = load_tls(config, &config->receiver_certificates, config->receiver_client_ca,
			     &doors.receiver_tls, err);
	if (r == 0 && config->api_listen.n > 0)
		r = load_tls(config, &config->api_certificates, NULL, &doors.api_tls, err);
	if (r < 0) {
		doors_fini(&doors);
		return r;
	}
	doors.receiver = list(&config->receiver_listen, &config->receiver_listen_plain,
			      doors.receiver_tls, &doors.n_receiver);
	doors.api = list(&config->api_listen, &config->api_listen_plain, doors.api_tls, &doors.n_api);
	*out = doors;
	return 0;
}

int doors_reload(struct doors *doors, const struct config *config, struct err *err)
{
	int r = 0;

	if (doors->receiver_tls)
		r = load_tls(config, &config->receiver_certificates, config->receiver_client_ca,
			     &doors->receiver_tls, err);
	if (r == 0 && doors->api_tls)
		r = load_tls(config, &config->api_certificates, NULL, &doors->api_tls, err);
	return r;
}

void doors_fini(struct doors *doors)
{
	tls_slot_free(doors->receiver_tls);
	tls_slot_free(doors->api_tls);
	free(doors->receiver);
	free(doors->api);
	*doors = (struct doors){ 0 };
}
