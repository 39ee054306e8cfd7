#include "service/registry_loader.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slot.h"
#include "base/thread.h"
#include "registries/registry.h"
#include "service/config.h"

struct registry_loader {
	struct slot *slot;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char **dirs; /* to be read next; NULL: nothing to do */
	size_t n_dirs;
	bool stopping;
	atomic_bool ready;
};

static void *run(void *ctx);

/* The shipped folder: beside the program in the build tree, else where it was installed. */
static char *shipped_dir(void)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash, *dir;

	if (n > 0) {
		exe[n] = '\0';
		slash = strrchr(exe, '/');
		if (slash) {
			*slash = '\0';
			dir = xasprintf("%s/../registries/standard", exe);
			if (access(dir, R_OK) == 0)
				return dir;
			free(dir);
		}
	}
	return xstrdup(RFEVENTD_REGISTRIES_DIR);
}

static void dirs_free(char **dirs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(dirs[i]);
	free(dirs);
}

void registry_loader_reload(struct registry_loader *loader, const struct config *config)
{
	size_t n = config->registries_path.n + 2;
	char **dirs = xcalloc(n, sizeof(*dirs));

	dirs[0] = shipped_dir();
	for (size_t i = 0; i < config->registries_path.n; i++)
		dirs[1 + i] = xstrdup(config->registries_path.items[i]);
	dirs[n - 1] = xasprintf("%s/registries", config->state_dir);
	pthread_mutex_lock(&loader->mutex);
	dirs_free(loader->dirs, loader->n_dirs);
	loader->dirs = dirs;
	loader->n_dirs = n;
	pthread_cond_broadcast(&loader->changed);
	pthread_mutex_unlock(&loader->mutex);
}

int registry_loader_start(const struct config *config, struct registry_loader **out,
			  struct err *err)
{
	struct registry_loader *loader = xcalloc(1, sizeof(*loader));
	int r;

	loader->slot = slot_new(NULL, registry_set_slot_ref, registry_set_slot_unref);
	pthread_mutex_init(&loader->mutex, NULL);
	pthread_cond_init(&loader->changed, NULL);
	registry_loader_reload(loader, config);
	r = thread_start(&loader->thread, "registries", run, loader, err);
	if (r < 0) {
		dirs_free(loader->dirs, loader->n_dirs);
		slot_free(loader->slot);
		free(loader);
		return r;
	}
	*out = loader;
	return 0;
}

void registry_loader_stop(struct registry_loader *loader)
{
	if (!loader)
		return;
	pthread_mutex_lock(&loader->mutex);
	loader->stopping = true;
	pthread_cond_broadcast(&loader->changed);
	pthread_mutex_unlock(&loader->mutex);
	pthread_join(loader->thread, NULL);
	dirs_free(loader->dirs, loader->n_dirs);
	slot_free(loader->slot);
	pthread_cond_destroy(&loader->changed);
	pthread_mutex_destroy(&loader->mutex);
	free(loader);
}

struct slot *registry_loader_slot(struct registry_loader *loader)
{
	return loader->slot;
}

bool registry_loader_is_ready(const struct registry_loader *loader)
{
	return atomic_load(&loader->ready);
}

void registry_loader_wait(struct registry_loader *loader)
{
	if (atomic_load(&loader->ready))
		return;
	pthread_mutex_lock(&loader->mutex);
	while (!atomic_load(&loader->ready) && !loader->stopping)
		pthread_cond_wait(&loader->changed, &loader->mutex);
	pthread_mutex_unlock(&loader->mutex);
}

static void load(struct registry_loader *loader, char **dirs, size_t n_dirs)
{
	struct registry_load_result result = { 0 };
	int64_t start_us = clock_monotonic_us();
	struct registry_set *set;

	set = registry_set_load((const char *const *)dirs, n_dirs, &result);
	log_info("service", "registries loaded", LOG_I("registries", result.n_loaded),
		 LOG_I("skipped_files", result.n_skipped), LOG_I("findings", result.n_findings),
		 LOG_D("seconds", (double)(clock_monotonic_us() - start_us) / CLOCK_US_PER_S));
	slot_put(loader->slot, set);
}

static void *run(void *ctx)
{
	struct registry_loader *loader = ctx;

	pthread_mutex_lock(&loader->mutex);
	while (!loader->stopping) {
		char **dirs = loader->dirs;
		size_t n_dirs = loader->n_dirs;

		if (!dirs) {
			pthread_cond_wait(&loader->changed, &loader->mutex);
			continue;
		}
		loader->dirs = NULL;
		loader->n_dirs = 0;
		pthread_mutex_unlock(&loader->mutex);
		load(loader, dirs, n_dirs);
		dirs_free(dirs, n_dirs);
		pthread_mutex_lock(&loader->mutex);
		atomic_store(&loader->ready, true);
		pthread_cond_broadcast(&loader->changed);
	}
	pthread_mutex_unlock(&loader->mutex);
	return NULL;
}
