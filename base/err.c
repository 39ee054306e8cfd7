#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
	char text[ERR_MAX_BYTES];
	va_list args;

	if (!err)
		return code;
	/* By way of `text`: an argument may point into err itself. */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(err->text, text, sizeof(text));
	return code;
}

int err_prefix(struct err *err, int code, const char *format, ...)
{
	char prefix[ERR_MAX_BYTES];
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	vsnprintf(prefix, sizeof(prefix), format, args);
	va_end(args);
	return err_set(err, code, "%s: %s", prefix, err->text);
}
