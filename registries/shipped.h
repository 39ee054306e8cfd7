/* Shipped: where the registries and translations are that come with the programs. Thread: any. */
#ifndef REGISTRIES_SHIPPED_H
#define REGISTRIES_SHIPPED_H

/* New. Beside the program in the build tree, else where it was installed; need not exist. */
char *shipped_registries_dir(void);
char *shipped_translations_dir(void);

#endif
