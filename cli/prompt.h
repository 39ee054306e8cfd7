/* Prompt: a password typed by a person, never an argument. */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include <stdbool.h>

/* The first line of `file` ("-": standard input), or (NULL) what is typed at the terminal without being
 * shown; `twice`: it must be typed the same twice. New, to be wiped; NULL with words on stderr. */
char *prompt_password(const char *file, const char *words, bool twice);
void prompt_forget(char *password); /* wipes and frees; NULL is allowed */

#endif
