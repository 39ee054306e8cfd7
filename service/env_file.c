#include "service/env_file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "service/config.h"

/* The URL under which a program on this machine reaches the first of the addresses. */
static bool local_url(const struct config_list *tls, const struct config_list *plain,
		      struct strbuf *out)
{
	const char *address = tls->n > 0 ? tls->items[0] : plain->n > 0 ? plain->items[0] : NULL;
	const char *colon = address ? strrchr(address, ':') : NULL;
	struct str host;

	if (!colon)
		return false;
	host = (struct str){ address, (size_t)(colon - address) };
	if (host.len == 0 || str_eq(host, STR("[::]")) || str_eq(host, STR("0.0.0.0")) ||
	    str_eq(host, STR("*")))
		host = STR("localhost");
	strbuf_putf(out, "%s://%.*s%s", tls->n > 0 ? "https" : "http", STR_ARG(host), colon);
	return true;
}

/* What goes into a BMC's Destination: configured, else this host's name and the first port. */
static bool public_url(const struct config *config, struct strbuf *out)
{
	const struct config_list *tls = &config->receiver_listen, *plain = &config->receiver_listen_plain;
	const char *address = tls->n > 0 ? tls->items[0] : plain->n > 0 ? plain->items[0] : NULL;
	const char *colon = address ? strrchr(address, ':') : NULL;
	char host[HOST_NAME_MAX + 1] = "";

	if (config->receiver_public_url) {
		strbuf_put_text(out, config->receiver_public_url);
		return true;
	}
	if (!colon || gethostname(host, sizeof(host) - 1) < 0)
		return false;
	strbuf_putf(out, "%s://%s%s", tls->n > 0 ? "https" : "http", host, colon);
	return true;
}

char *env_public_url(const struct config *config)
{
	struct strbuf url;

	strbuf_init(&url, PATH_MAX);
	if (!public_url(config, &url) || url.failed)
		strbuf_fini(&url);
	return url.p;
}

int env_file_write(const struct config *config, struct err *err)
{
	char dir[PATH_MAX];
	struct strbuf text, url;
	char *path;
	int r;

	if (!realpath(config->state_dir, dir))
		return err_set(err, -errno, "state_dir '%s': %s", config->state_dir, strerror(errno));
	strbuf_init(&text, 4 * PATH_MAX);
	strbuf_init(&url, PATH_MAX);
	if (local_url(&config->api_listen, &config->api_listen_plain, &url))
		strbuf_putf(&text, "RFEVENT_URL=%s\n", url.p);
	strbuf_putf(&text, "RFEVENT_STATE_DIR=%s\n", dir);
	strbuf_putf(&text, "RFEVENT_USER=admin\nRFEVENT_PASSWORD_FILE=%s/admin-password\n", dir);
	if (config->api_certificates.n == 0)
		strbuf_putf(&text, "RFEVENT_CACERT=%s/tls/ca.crt\n", dir);
	strbuf_reset(&url);
	if (local_url(&config->receiver_listen, &config->receiver_listen_plain, &url))
		strbuf_putf(&text, "RFEVENT_EVENTS_URL=%s\n", url.p);
	strbuf_reset(&url);
	if (public_url(config, &url))
		strbuf_putf(&text, "RFEVENT_PUBLIC_URL=%s\n", url.p);
	strbuf_putf(&text, "RFEVENT_EVENTS_TOKEN_FILE=%s/enrolment-token\n", dir);
	path = xasprintf("%s/rfevent.env", dir);
	r = text.failed ? err_set(err, -ENAMETOOLONG, "state_dir '%s': the path is too long", dir) :
			  file_replace(path, strbuf_str(&text), 0600, err);
	free(path);
	strbuf_fini(&text);
	strbuf_fini(&url);
	return r;
}
