/* Caps of what a registry file, or a folder of them, can make grow. */
#ifndef REGISTRIES_LIMITS_H
#define REGISTRIES_LIMITS_H

#define REGISTRY_MAX_BYTES        (32u << 20) /* one file; the largest published one has 2.4 MB */
#define REGISTRY_MAX_MESSAGES     100000      /* of one file; the largest published one has 4,945 */
#define REGISTRY_MAX_KEY_BYTES    256 /* a longer key is left out; the longest known has 62 */
#define REGISTRY_MAX_PREFIX_BYTES 128 /* a longer prefix is no registry */
#define REGISTRY_MAX_TEXT_BYTES   (16u << 10)  /* a longer text is cut */
#define REGISTRY_MAX_FINDINGS     20000        /* of one file; the rest is dropped */
#define REGISTRY_ARENA_MAX_BYTES  (256u << 20) /* texts, messages and findings of one file */
#define REGISTRY_SET_MAX_FILES    20000        /* read below all folders together */
#define REGISTRY_SET_MAX_DIRS     20000 /* entered; ends loops of links together with the depth */
#define REGISTRY_SET_MAX_DEPTH    16    /* folders within folders */

#define EXPLAIN_MAX_CANDIDATES   200          /* shown of one id */
#define EXPLAIN_MAX_REASON_BYTES 4096         /* one sentence; a longer one is left out */
#define EXPLAIN_ARENA_MAX_BYTES  (16u << 20)  /* one event, with its words */
#define LINT_MAX_FINDINGS        1000000      /* of one run; the rest is left out */
#define LINT_ARENA_MAX_BYTES     (512u << 20) /* words of those that parsing had not noted */
#define LINT_MAX_WORDS_BYTES     (16u << 10)  /* of one finding */

#define ARCHIVE_MAX_BYTES     (64u << 20)  /* packed; all 364 known files in one zip have 1.8 MB */
#define ARCHIVE_ALL_MAX_BYTES (256u << 20) /* unpacked, all files; those 364 have 18 MB */
#define ARCHIVE_MAX_ENTRIES   20000	   /* files and folders; as many as below folders */
#define ARCHIVE_MAX_RATIO     200	   /* unpacked for a packed byte; those 10, a bomb 1,000 */
#define ARCHIVE_FREE_BYTES    (1u << 20)   /* unpacked beside that, for small archives */

#define RECOVER_MAX_SLOTS         32 /* placeholders of one template; the richest known has 11 */
#define RECOVER_MIN_WORDS_BYTES   12 /* a template with fewer words is not guessed within a text */
#define RECOVER_BYTES_PER_BYTE    64 /* compared for each byte of text and template, a reading */
#define TRANSLATE_MAX_BYTES       (1u << 20) /* one event's words in a language */
#define TRANSLATE_MAX_TEMPLATES   32 /* versions of one message tried on a sender's text */

#endif
