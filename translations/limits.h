/* Caps of languages and translation files. */
#ifndef TRANSLATIONS_LIMITS_H
#define TRANSLATIONS_LIMITS_H

#define LANGUAGE_MAX_BYTES    40   /* a tag with its NUL; RFC 5646 4.4.1 asks for 35 at least */
#define LANGUAGE_MAX_RANGES   16   /* of one Accept-Language; the rest is ignored */
#define LANGUAGE_MAX_HEADER   1024 /* bytes of one that are looked at */
#define CATALOG_MAX_LANGUAGES 64   /* folders of translations served together */
#define CATALOG_MAX_FILES     4096
#define CATALOG_MAX_BYTES     (8u << 20)  /* one file */
#define CATALOG_ARENA_BYTES   (64u << 20) /* texts and findings of one file */
#define CATALOG_MAX_MESSAGES  100000      /* of one file */
#define CATALOG_MAX_TEXT      (16u << 10) /* a longer message or resolution is left out */
#define CATALOG_MAX_FINDINGS  20000       /* of one file */
#define NUMBER_MAX_BYTES      64 /* a longer argument is no number to be put in a locale's form */

#endif
