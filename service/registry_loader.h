/* Registry loader: reads the registries in the background and publishes the set.
 *
 * The receiver must accept before they are read (a large site's registries take seconds); the loader
 * of the log waits for the first set, since words stored without it would be poor.
 */
#ifndef SERVICE_REGISTRY_LOADER_H
#define SERVICE_REGISTRY_LOADER_H

#include <stdbool.h>

struct config;
struct err;
struct registry_loader;
struct slot;

int registry_loader_start(const struct config *config, struct registry_loader **out,
			  struct err *err);
void registry_loader_stop(struct registry_loader *loader); /* NULL is allowed */
/* Read again, in the background. */
void registry_loader_reload(struct registry_loader *loader, const struct config *config);
/* The same again: the mirror has changed. registry_changed_fn; `ctx` is the loader. */
void registry_loader_again(void *ctx);
char *registry_loader_mirror(const struct config *config); /* the mirror's folder; new */
struct slot *registry_loader_slot(struct registry_loader *loader); /* of struct registry_set */
struct slot *registry_loader_catalogs(struct registry_loader *loader); /* of struct catalog_set */
bool registry_loader_is_ready(const struct registry_loader *loader);
void registry_loader_wait(struct registry_loader *loader); /* until the first set is there */

#endif
