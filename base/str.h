/* Text from outside, and text being built.
 *
 * `struct str` is a view: not NUL-terminated, not owned, not trusted. `struct strbuf` is a
 * growing buffer with a stated maximum whose first failure sticks; check it once, at the end.
 * Thread: any, one owner at a time.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *p;
	size_t len;
};

/* A literal as a str; the printf pair for "%.*s". */
#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_ARG(s) (int)(s).len, (s).p

/* ASCII letters alone. */
static inline char char_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

struct str str_of(const char *text); /* borrows; NULL gives an empty str with p NULL */
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII case only */
int str_cmp(struct str a, struct str b);	/* bytewise, as memcmp, then by length */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
struct str str_trim(struct str s); /* ASCII blanks, tabs, CR and LF at both ends */
/* The beginning of `s`, UTF-8: at most `max_bytes`, and no part of a character. */
struct str str_cut(struct str s, size_t max_bytes);
/* Index of the first byte `c`, or s.len. */
size_t str_find_char(struct str s, char c);
/* Index of the first occurrence of `needle`, or s.len; an empty needle is found at 0. */
size_t str_find(struct str s, struct str needle);
/* Decimal digits only, whole string. False when empty, signed, too large or anything else. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out); /* one leading '-' allowed */
/* Whether `s` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool str_is_utf8(struct str s);

struct strbuf {
	char *p;	  /* owned; NUL-terminated whenever not NULL */
	size_t len;	  /* without the NUL */
	size_t size;	  /* allocated */
	size_t max_bytes; /* len never exceeds it */
	bool failed;	  /* a put did not fit: the content is incomplete and must not be used */
};

void strbuf_init(struct strbuf *b, size_t max_bytes);
void strbuf_fini(struct strbuf *b); /* frees; the buffer may be initialised again */
void strbuf_reset(struct strbuf *b); /* empties and clears `failed`, keeps the memory */
void strbuf_put(struct strbuf *b, struct str s);
void strbuf_put_char(struct strbuf *b, char c);
void strbuf_put_text(struct strbuf *b, const char *text);
void strbuf_putf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vputf(struct strbuf *b, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
void strbuf_put_u64(struct strbuf *b, uint64_t value);
void strbuf_put_i64(struct strbuf *b, int64_t value);
/* `s` as a JSON string with its quotes. Control characters are escaped; bytes that are not
 * UTF-8 become U+FFFD, so the output is always valid JSON. */
void strbuf_put_json(struct strbuf *b, struct str s);
/* Room for `n` more bytes, written by the caller at the returned place and then counted with
 * strbuf_commit(). NULL (and failed) when it would pass max_bytes. */
char *strbuf_reserve(struct strbuf *b, size_t n);
void strbuf_commit(struct strbuf *b, size_t n);
void strbuf_drop_front(struct strbuf *b, size_t n); /* n <= len; moves the rest down */
struct str strbuf_str(const struct strbuf *b);

#endif
