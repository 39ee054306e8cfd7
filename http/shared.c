#include "http/shared_priv.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"

struct peer {
	struct peer_key key;
	size_t n_connections;
};

struct http_shared {
	struct http_limits limits;
	const char *door;
	atomic_size_t body_bytes;
	/* Touched when a connection comes or goes, never by a request. */
	pthread_mutex_t lock;
	struct map *peers;
	size_t n_connections;
};

const struct http_limits http_default_limits = {
	.max_connections = 16384,
	.max_connections_per_peer = 256,
	.max_head_bytes = 16384,
	.max_headers = 64,
	.max_body_bytes = 16u << 20,
	.max_body_bytes_total = 256u << 20,
	.max_pipelined = 32,
	.max_output_bytes = 1u << 20,
	.handshake_us = 15 * 1000000ll,
	.head_us = 15 * 1000000ll,
	.body_us = 60 * 1000000ll,
	/* A new TLS connection costs as much as dozens of requests: let them be kept. */
	.idle_us = 15 * 60 * 1000000ll,
	.write_us = 30 * 1000000ll,
};

struct http_shared *http_shared_new(const struct http_limits *limits, const char *door)
{
	struct http_shared *shared = xcalloc(1, sizeof(*shared));

	shared->limits = *limits;
	shared->door = door;
	shared->peers = map_new(64);
	pthread_mutex_init(&shared->lock, NULL);
	return shared;
}

void http_shared_free(struct http_shared *shared)
{
	size_t cursor = 0;
	struct str key;
	void *peer;

	if (!shared)
		return;
	while (map_next(shared->peers, &cursor, &key, &peer))
		free(peer);
	map_free(shared->peers);
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}

const struct http_limits *shared_limits(const struct http_shared *shared)
{
	return &shared->limits;
}

const char *shared_door(const struct http_shared *shared)
{
	return shared->door;
}

static struct str key_str(const struct peer_key *key)
{
	return (struct str){ (const char *)key->b, sizeof(key->b) };
}

/* Under the lock, so that the last one to count is the last one to set. */
static void count(struct http_shared *shared, size_t n)
{
	shared->n_connections = n;
	metric_set(METRIC_HTTP_CONNECTIONS, shared->door, (double)n);
}

static enum shared_answer admit(struct http_shared *shared, const struct peer_key *key)
{
	struct peer *peer;

	if (shared->n_connections >= shared->limits.max_connections)
		return SHARED_FULL;
	peer = map_get(shared->peers, key_str(key));
	if (peer && peer->n_connections >= shared->limits.max_connections_per_peer)
		return SHARED_PEER_FULL;
	if (!peer) {
		peer = xcalloc(1, sizeof(*peer));
		peer->key = *key;
		map_put(shared->peers, key_str(&peer->key), peer);
	}
	peer->n_connections++;
	count(shared, shared->n_connections + 1);
	return SHARED_ADMITTED;
}

enum shared_answer shared_admit(struct http_shared *shared, const struct peer_key *key)
{
	enum shared_answer answer;

	pthread_mutex_lock(&shared->lock);
	answer = admit(shared, key);
	pthread_mutex_unlock(&shared->lock);
	return answer;
}

void shared_leave(struct http_shared *shared, const struct peer_key *key)
{
	struct peer *peer;

	pthread_mutex_lock(&shared->lock);
	peer = map_get(shared->peers, key_str(key));
	if (peer) {
		count(shared, shared->n_connections - 1);
		if (--peer->n_connections == 0) {
			map_remove(shared->peers, key_str(key));
			free(peer);
		}
	}
	pthread_mutex_unlock(&shared->lock);
}

void http_takeover_closed(struct http_shared *shared, struct str peer)
{
	char text[INET6_ADDRSTRLEN];
	struct peer_key key = { .b = { [10] = 0xff, [11] = 0xff } };

	if (peer.len >= sizeof(text))
		return;
	memcpy(text, peer.p, peer.len);
	text[peer.len] = '\0';
	if (inet_pton(AF_INET, text, key.b + 12) == 1 || inet_pton(AF_INET6, text, key.b) == 1)
		shared_leave(shared, &key);
}

bool shared_charge(struct http_shared *shared, size_t n)
{
	if (atomic_fetch_add_explicit(&shared->body_bytes, n, memory_order_relaxed) + n <=
	    shared->limits.max_body_bytes_total)
		return true;
	shared_discharge(shared, n);
	return false;
}

void shared_discharge(struct http_shared *shared, size_t n)
{
	if (n > 0)
		atomic_fetch_sub_explicit(&shared->body_bytes, n, memory_order_relaxed);
}
