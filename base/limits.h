/* Caps of the floor: what could grow, and how far. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define METRICS_MAX_CELLS 1024	  /* metric × label value, all of them; a histogram takes several */
#define CONFIG_MAX_BYTES (4u << 20) /* a configuration file */
#define CONFIG_MAX_DEPTH 16	  /* nesting of YAML */
#define CONFIG_MAX_TREE_BYTES (128u << 20) /* the file in memory, while it is read */
#define CONFIG_MAX_SECRET_BYTES 65536 /* a file named by a …_file key */
#define LOG_MAX_VALUE_BYTES 4096  /* one value; the rest is cut */
#define LOG_MAX_LINE_BYTES 65536  /* one line; fields are left out of a longer one */

#endif
