#include "cli/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#include "base/mem.h"
#include "base/secrets.h"
#include "cli/cli.h"
#include "cli/endpoint.h"

#define LINE_MAX_BYTES 1024

static char *read_line(FILE *terminal, const char *words)
{
	struct termios shown, hidden;
	char line[LINE_MAX_BYTES], *typed = NULL;

	if (tcgetattr(fileno(terminal), &shown) < 0)
		return NULL;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	fprintf(terminal, "%s: ", words);
	fflush(terminal);
	tcsetattr(fileno(terminal), TCSAFLUSH, &hidden);
	if (fgets(line, sizeof(line), terminal)) {
		line[strcspn(line, "\r\n")] = '\0';
		typed = xstrdup(line);
	}
	tcsetattr(fileno(terminal), TCSAFLUSH, &shown);
	fputc('\n', terminal);
	secrets_wipe(line, sizeof(line));
	return typed;
}

char *prompt_password(const char *file, const char *words, bool twice)
{
	char *first = NULL, *second = NULL;
	FILE *terminal;

	if (file)
		return endpoint_secret(strcmp(file, "-") == 0 ? "/dev/stdin" : file, "password file");
	terminal = fopen("/dev/tty", "r+");
	if (!terminal) {
		cli_fail(CLI_REFUSED, "there is no terminal to ask for the password: give --password-file");
		return NULL;
	}
	first = read_line(terminal, words);
	if (first && twice)
		second = read_line(terminal, "Again");
	if (first && twice && (!second || strcmp(first, second) != 0)) {
		cli_fail(CLI_REFUSED, "the two are not the same");
		prompt_forget(first);
		first = NULL;
	}
	prompt_forget(second);
	fclose(terminal);
	return first;
}

void prompt_forget(char *password)
{
	if (password)
		secrets_wipe(password, strlen(password));
	free(password);
}
