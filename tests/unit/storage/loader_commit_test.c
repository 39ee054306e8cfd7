/* A COMMIT whose answer nobody sees: done or not, nothing is lost and nothing doubled. A proxy
 * between the loader and PostgreSQL cuts the connection at the COMMIT. */
#include "tests/unit/storage/log_fixture.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/thread.h"

enum cut { CUT_NEVER, CUT_BEFORE, CUT_AFTER };

struct proxy {
	char dir[64];
	int listener;
	pthread_t thread;
	atomic_int cut; /* enum cut: at the next COMMIT, once */
	int n_copies;   /* whose data is whole, since the statements that end in COMMIT */
	atomic_int n_cut;
	atomic_bool stopping;
};

static int unix_socket(const char *dir, bool listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.5432", dir);
	r = listening ? bind(fd, (struct sockaddr *)&address, sizeof(address))
		      : connect(fd, (struct sockaddr *)&address, sizeof(address));
	if (r == 0 && listening)
		r = listen(fd, 10);
	if (r == 0)
		return fd;
	close(fd);
	return -1;
}

static bool pass_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		bytes += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* Whether these bytes to the server make it commit: COMMIT stands behind two COPYs and is reached at
 * the end of the second one's data, which comes as a message of its own, last of what is sent. A
 * small transaction asks for the statement that is kept second, through the portal without a name. */
static bool is_commit(struct proxy *proxy, const char *bytes, size_t n)
{
	static const char text[] = "; COMMIT", done[] = { 'c', 0, 0, 0, 4 };
	static const char kept[] = "\0rfeventd_1";

	if (memmem(bytes, n, text, sizeof(text)))
		proxy->n_copies = 0;
	if (memmem(bytes, n, kept, sizeof(kept)))
		return true;
	if (n >= sizeof(done) && memcmp(bytes + n - sizeof(done), done, sizeof(done)) == 0)
		return ++proxy->n_copies == 2;
	return false;
}

/* Bytes one way; false when the connection is over. */
static bool pass(struct proxy *proxy, int from, int to, bool watched)
{
	char buffer[65536];
	ssize_t n = recv(from, buffer, sizeof(buffer), 0);
	int cut = watched ? atomic_load(&proxy->cut) : CUT_NEVER;

	if (n <= 0)
		return false;
	if (!watched || !is_commit(proxy, buffer, (size_t)n) || cut == CUT_NEVER)
		return pass_all(to, buffer, (size_t)n);
	atomic_store(&proxy->cut, CUT_NEVER);
	if (cut == CUT_AFTER) {
		pass_all(to, buffer, (size_t)n);
		usleep(100000); /* it is done by then */
	}
	atomic_fetch_add(&proxy->n_cut, 1);
	return false;
}

static void serve(struct proxy *proxy, int client)
{
	int server = unix_socket(pg_cluster.dir, false);
	bool open = server >= 0;

	while (open && !atomic_load(&proxy->stopping)) {
		struct pollfd fds[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };

		poll(fds, 2, 50);
		if (fds[0].revents)
			open = pass(proxy, client, server, true);
		if (open && fds[1].revents)
			open = pass(proxy, server, client, false);
	}
	close(client);
	if (server >= 0)
		close(server);
}

static void *proxy_run(void *ctx)
{
	struct proxy *proxy = ctx;

	while (!atomic_load(&proxy->stopping)) {
		struct pollfd fd = { proxy->listener, POLLIN, 0 };

		if (poll(&fd, 1, 50) > 0)
			serve(proxy, accept(proxy->listener, NULL, NULL));
	}
	return NULL;
}

static void proxy_start(struct proxy *proxy)
{
	struct err err;

	*proxy = (struct proxy){ .dir = "/tmp/rfeventd-proxy-XXXXXX" };
	assert_non_null(mkdtemp(proxy->dir));
	proxy->listener = unix_socket(proxy->dir, true);
	assert_true(proxy->listener >= 0);
	assert_int_equal(thread_start(&proxy->thread, "proxy", proxy_run, proxy, &err), 0);
}

static void proxy_stop(struct proxy *proxy)
{
	char *path = xasprintf("%s/.s.PGSQL.5432", proxy->dir);

	atomic_store(&proxy->stopping, true);
	pthread_join(proxy->thread, NULL);
	close(proxy->listener);
	unlink(path);
	rmdir(proxy->dir);
	free(path);
}

static void run_with_cuts(enum cut cut)
{
	struct house *house = house_new();
	struct proxy proxy;

	proxy_start(&proxy);
	house->loader_url =
		xasprintf("host=%s user=rfeventd %s", proxy.dir, strstr(house->url, "dbname="));
	house_start(house);
	house_post(house, "1 first");
	house_drain(house);
	for (int i = 1; i <= 5; i++) {
		char *raw = xasprintf("2 d%d timeless", i); /* timeless: no repeat hides a double */

		atomic_store(&proxy.cut, cut);
		house_post(house, raw);
		house_post(house, raw);
		house_drain(house);
		assert_int_equal(atomic_load(&proxy.n_cut), i);
		free(raw);
	}
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"), 21);
	assert_int_equal(pg_int(house->db,
				"SELECT count(*) FROM (SELECT FROM event GROUP BY delivery, idx"
				" HAVING count(*) > 1) t"),
			 0);
	expect_gap_free(house);
	expect_published(house, 21);
	house_free(house);
	proxy_stop(&proxy);
}

static void test_cut_before_the_commit_arrives(void **state)
{
	PG_OR_SKIP();
	run_with_cuts(CUT_BEFORE);
}

static void test_cut_after_the_commit_was_done(void **state)
{
	PG_OR_SKIP();
	run_with_cuts(CUT_AFTER);
}

/* The loader ends before it learns what became of the COMMIT: the next one finds the position. */
static void test_cut_and_restart(void **state)
{
	struct house *house;
	struct proxy proxy;

	PG_OR_SKIP();
	house = house_new();
	proxy_start(&proxy);
	house->loader_url =
		xasprintf("host=%s user=rfeventd %s", proxy.dir, strstr(house->url, "dbname="));
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	atomic_store(&proxy.cut, CUT_AFTER);
	house_post(house, "3 a timeless");
	WAIT_FOR(atomic_load(&proxy.n_cut) == 1);
	house_stop(house);
	house_start(house);
	house_post(house, "1 b");
	house_drain(house);
	expect_log(house, "a-0 a-1 a-2 b-0");
	expect_gap_free(house);
	house_free(house);
	proxy_stop(&proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_before_the_commit_arrives),
		cmocka_unit_test(test_cut_after_the_commit_was_done),
		cmocka_unit_test(test_cut_and_restart),
	};

	return run_shared_and_alone(tests, ARRAY_LEN(tests));
}
