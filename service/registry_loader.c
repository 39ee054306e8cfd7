#include "service/registry_loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slot.h"
#include "base/thread.h"
#include "registries/registry.h"
#include "registries/shipped.h"
#include "service/config.h"
#include "subscribe/registry_mirror.h"
#include "translations/catalog.h"
#include "translations/language.h"

/* Folders to be read, in ascending order of preference. */
struct folders {
	char **dirs;
	size_t n;
};

/* What is to be read. */
struct plan {
	struct folders registries, translations;
	char *mirror; /* of what came from the database */
	char default_language[LANGUAGE_MAX_BYTES];
};

struct registry_loader {
	struct slot *slot, *catalogs;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool wanted; /* the plan is to be carried out */
	struct plan plan;
	bool stopping;
	atomic_bool ready;
};

static void *run(void *ctx);

static void folders_fini(struct folders *folders)
{
	for (size_t i = 0; i < folders->n; i++)
		free(folders->dirs[i]);
	free(folders->dirs);
	*folders = (struct folders){ 0 };
}

static struct folders folders_copy(const struct folders *from)
{
	struct folders folders = { xcalloc(from->n, sizeof(char *)), from->n };

	for (size_t i = 0; i < from->n; i++)
		folders.dirs[i] = xstrdup(from->dirs[i]);
	return folders;
}

static void add_folder(struct folders *folders, char *dir)
{
	folders->dirs = xrealloc(folders->dirs, (folders->n + 1) * sizeof(char *));
	folders->dirs[folders->n++] = dir;
}

/* The shipped one, those configured, the one in the state directory. Takes `shipped`. */
static void add_folders(struct folders *folders, char *shipped, const struct config_list *path,
			const char *state_dir, const char *name)
{
	add_folder(folders, shipped);
	for (size_t i = 0; i < path->n; i++)
		add_folder(folders, xstrdup(path->items[i]));
	add_folder(folders, xasprintf("%s/%s", state_dir, name));
}

static void plan_fini(struct plan *plan)
{
	folders_fini(&plan->registries);
	folders_fini(&plan->translations);
	free(plan->mirror);
}

/* What one source serves is the last to answer for others, what an operator added the first. */
static struct plan plan_of(const struct config *config)
{
	struct plan plan = { .mirror = registry_loader_mirror(config) };

	add_folder(&plan.registries, xasprintf("%s/" REGISTRY_MIRROR_FETCHED, plan.mirror));
	add_folders(&plan.registries, shipped_registries_dir(),
		    &config->registries_path, config->state_dir, "registries");
	add_folder(&plan.registries, xasprintf("%s/" REGISTRY_MIRROR_ADDED, plan.mirror));
	add_folders(&plan.translations, shipped_translations_dir(),
		    &config->translations_path, config->state_dir, "translations");
	snprintf(plan.default_language, sizeof(plan.default_language), "%s",
		 config->default_language ? config->default_language : "en");
	return plan;
}

static struct plan plan_copy(const struct plan *from)
{
	struct plan plan = *from;

	plan.registries = folders_copy(&from->registries);
	plan.translations = folders_copy(&from->translations);
	plan.mirror = xstrdup(from->mirror);
	return plan;
}

char *registry_loader_mirror(const struct config *config)
{
	return xasprintf("%s/registry-store", config->state_dir);
}

void registry_loader_reload(struct registry_loader *loader, const struct config *config)
{
	struct plan plan = plan_of(config);

	pthread_mutex_lock(&loader->mutex);
	plan_fini(&loader->plan);
	loader->plan = plan;
	loader->wanted = true;
	pthread_cond_broadcast(&loader->changed);
	pthread_mutex_unlock(&loader->mutex);
}

void registry_loader_again(void *ctx)
{
	struct registry_loader *loader = ctx;

	pthread_mutex_lock(&loader->mutex);
	loader->wanted = true;
	pthread_cond_broadcast(&loader->changed);
	pthread_mutex_unlock(&loader->mutex);
}

static void loader_free(struct registry_loader *loader)
{
	plan_fini(&loader->plan);
	slot_free(loader->slot);
	slot_free(loader->catalogs);
	pthread_cond_destroy(&loader->changed);
	pthread_mutex_destroy(&loader->mutex);
	free(loader);
}

int registry_loader_start(const struct config *config, struct registry_loader **out,
			  struct err *err)
{
	struct registry_loader *loader = xcalloc(1, sizeof(*loader));
	int r;

	loader->slot = slot_new(NULL, registry_set_slot_ref, registry_set_slot_unref);
	loader->catalogs = slot_new(NULL, catalog_set_slot_ref, catalog_set_slot_unref);
	pthread_mutex_init(&loader->mutex, NULL);
	pthread_cond_init(&loader->changed, NULL);
	registry_loader_reload(loader, config);
	r = thread_start(&loader->thread, "registries", run, loader, err);
	if (r < 0) {
		loader_free(loader);
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
	loader_free(loader);
}

struct slot *registry_loader_slot(struct registry_loader *loader)
{
	return loader->slot;
}

struct slot *registry_loader_catalogs(struct registry_loader *loader)
{
	return loader->catalogs;
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

static void load_registries(struct registry_loader *loader, const struct plan *plan)
{
	struct registry_load_result result = { 0 };
	int64_t start_us = clock_monotonic_us();
	struct registry_set *set;

	set = registry_set_load((const char *const *)plan->registries.dirs, plan->registries.n,
				&result);
	registry_mirror_hold(plan->mirror, set);
	log_info("service", "registries loaded", LOG_I("registries", result.n_loaded),
		 LOG_I("sources", registry_set_n_sources(set)),
		 LOG_I("skipped_files", result.n_skipped), LOG_I("findings", result.n_findings),
		 LOG_D("seconds", (double)(clock_monotonic_us() - start_us) / CLOCK_US_PER_S));
	slot_put(loader->slot, set);
}

static void load_translations(struct registry_loader *loader, const struct plan *plan)
{
	struct catalog_set *set = catalog_set_load((const char *const *)plan->translations.dirs,
						   plan->translations.n, plan->default_language);

	log_info("service", "translations loaded", LOG_I("languages", catalog_set_n_languages(set)),
		 LOG_I("files", catalog_set_count(set)));
	slot_put(loader->catalogs, set);
}

static void *run(void *ctx)
{
	struct registry_loader *loader = ctx;

	pthread_mutex_lock(&loader->mutex);
	while (!loader->stopping) {
		struct plan plan;

		if (!loader->wanted) {
			pthread_cond_wait(&loader->changed, &loader->mutex);
			continue;
		}
		plan = plan_copy(&loader->plan);
		loader->wanted = false;
		pthread_mutex_unlock(&loader->mutex);
		load_registries(loader, &plan);
		load_translations(loader, &plan);
		plan_fini(&plan);
		pthread_mutex_lock(&loader->mutex);
		atomic_store(&loader->ready, true);
		pthread_cond_broadcast(&loader->changed);
	}
	pthread_mutex_unlock(&loader->mutex);
	return NULL;
}
