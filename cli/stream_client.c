#include "cli/stream_client.h"

#include <errno.h>
#include <libwebsockets.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/secrets.h"
#include "cli/cli.h"
#include "cli/endpoint.h"

#define MESSAGE_MAX_BYTES (256u << 20)
#define PING_S 20 /* a connection that is silent so long is asked, and given up later */
#define HANGUP_S 40

struct session {
	struct strbuf message; /* being put together from its fragments */
	struct str first;
	bool first_sent, open, ended, done;
	char *authorization;
	stream_message_fn *fn;
	void *ctx;
};

static volatile sig_atomic_t stopping;
static struct lws_context *running; /* for the signal handler */

void stream_client_stop(void)
{
	stopping = 1;
	if (running)
		lws_cancel_service(running);
}

static int send_first(struct lws *wsi, struct session *session)
{
	size_t n = session->first.len;
	unsigned char *buffer = xmalloc(LWS_PRE + n);
	int written;

	memcpy(buffer + LWS_PRE, session->first.p, n);
	written = lws_write(wsi, buffer + LWS_PRE, n, LWS_WRITE_TEXT);
	free(buffer);
	session->first_sent = true;
	return written < (int)n ? -1 : 0;
}

static int take_fragment(struct lws *wsi, struct session *session, const char *data, size_t n)
{
	bool go_on;

	strbuf_put(&session->message, (struct str){ data, n });
	if (lws_remaining_packet_payload(wsi) > 0 || !lws_is_final_fragment(wsi))
		return 0;
	go_on = !session->message.failed && session->fn(session->ctx, strbuf_str(&session->message));
	strbuf_reset(&session->message);
	session->done = !go_on;
	return go_on ? 0 : -1;
}

static int add_authorization(struct lws *wsi, struct session *session, void *in, size_t size)
{
	unsigned char **p = in;

	return lws_add_http_header_by_name(wsi, (const unsigned char *)"authorization:",
					   (unsigned char *)session->authorization,
					   (int)strlen(session->authorization), p, *p + size);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t n)
{
	struct session *session = lws_context_user(lws_get_context(wsi));

	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return add_authorization(wsi, session, in, n);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		session->open = true;
		lws_callback_on_writable(wsi);
		return 0;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return session->first_sent ? 0 : send_first(wsi, session);
	case LWS_CALLBACK_CLIENT_RECEIVE: return take_fragment(wsi, session, in, n);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		cli_fail(CLI_UNREACHABLE, "stream: %.*s", in ? (int)n : 16,
			 in ? (const char *)in : "connection error");
		session->ended = true;
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED: session->ended = true; return 0;
	default: return 0;
	}
}

/* "Bearer …" of a login's token, else "Basic …" of the user and password, new; NULL with words. */
static char *authorization(const struct cli *cli)
{
	char *password, *pair, *value;
	size_t n;

	if (cli->token)
		return xasprintf("Bearer %s", cli->token);
	password = endpoint_password(cli);
	if (!password)
		return NULL;
	pair = xasprintf("%s:%s", cli->user, password);
	n = strlen(pair);
	value = xcalloc(1, 8 + 4 * ((n + 2) / 3));
	memcpy(value, "Basic ", 6);
	EVP_EncodeBlock((unsigned char *)value + 6, (const unsigned char *)pair, (int)n);
	secrets_wipe(pair, n);
	secrets_wipe(password, strlen(password));
	free(pair);
	free(password);
	return value;
}

/* Host and port of the service's URL; `host` is new. */
static bool split_url(const char *url, bool *tls, char **host, int *port)
{
	struct str rest = str_of(url), number;
	size_t colon;
	uint64_t given;

	*tls = str_starts_with(rest, STR("https://"));
	if (!*tls && !str_starts_with(rest, STR("http://")))
		return false;
	rest.p += *tls ? 8 : 7;
	rest.len -= *tls ? 8 : 7;
	rest.len = str_find_char(rest, '/');
	colon = rest.len;
	while (colon > 0 && rest.p[colon - 1] >= '0' && rest.p[colon - 1] <= '9')
		colon--;
	*port = *tls ? 443 : 80;
	if (colon > 0 && rest.p[colon - 1] == ':') {
		number = (struct str){ rest.p + colon, rest.len - colon };
		if (!str_to_u64(number, &given) || given == 0 || given > 65535)
			return false;
		*port = (int)given;
		rest.len = colon - 1;
	}
	if (rest.len > 2 && rest.p[0] == '[' && rest.p[rest.len - 1] == ']')
		rest = (struct str){ rest.p + 1, rest.len - 2 };
	*host = xstrndup(rest);
	return rest.len > 0;
}

static void no_log(int level, const char *line)
{
}

static const struct lws_retry_bo keep_alive = { .secs_since_valid_ping = PING_S,
						.secs_since_valid_hangup = HANGUP_S };

static struct lws_context *new_context(const struct cli *cli, struct session *session)
{
	static const struct lws_protocols protocols[] = { { .name = "rfevents.v1", .callback = on_event },
							  { .name = NULL } };
	const struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.client_ssl_ca_filepath = cli->cacert,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.user = session,
		.retry_and_idle_policy = &keep_alive,
	};

	/* It would take a proxy from the environment. */
	unsetenv("http_proxy");
	unsetenv("https_proxy");
	lws_set_log_level(LLL_ERR, no_log);
	return lws_create_context(&info);
}

int stream_client_run(const struct cli *cli, struct str first, stream_message_fn *fn, void *ctx,
		      bool *was_open)
{
	struct session session = { .first = first, .fn = fn, .ctx = ctx };
	struct lws_client_connect_info connect = { 0 };
	char *host = NULL;
	bool tls;

	*was_open = false;
	strbuf_init(&session.message, MESSAGE_MAX_BYTES);
	session.authorization = authorization(cli);
	if (!session.authorization || !split_url(cli->url, &tls, &host, &connect.port)) {
		free(session.authorization);
		free(host);
		return cli_fail(CLI_USAGE, "'%s' is no URL of a service", cli->url);
	}
	running = new_context(cli, &session);
	connect.context = running;
	connect.address = connect.host = host;
	connect.path = "/stream";
	connect.protocol = "rfevents.v1";
	connect.alpn = "http/1.1";
	if (tls)
		connect.ssl_connection = LCCSCF_USE_SSL;
	if (tls && cli->insecure)
		connect.ssl_connection |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE |
					  LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED;
	if (running && lws_client_connect_via_info(&connect))
		while (!session.ended && !stopping && lws_service(running, 0) >= 0)
			;
	*was_open = session.open;
	if (running)
		lws_context_destroy(running);
	running = NULL;
	strbuf_fini(&session.message);
	secrets_wipe(session.authorization, strlen(session.authorization));
	free(session.authorization);
	free(host);
	return session.done || stopping ? CLI_OK : CLI_UNREACHABLE;
}
