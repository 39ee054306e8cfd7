/* Event question: which events of the log a command is about, from its options, as a $filter. */
#ifndef CLI_EVENT_QUESTION_H
#define CLI_EVENT_QUESTION_H

#include <stdbool.h>

struct cli_verb;

struct event_question {
	char *filter; /* joined so far, new; NULL: all events */
	const char *language;
};

/* What getopt_long() is to know of it; `val` of each. */
#define EVENT_QUESTION_OPTIONS                                                                     \
	{ "filter", required_argument, NULL, 'f' }, { "since", required_argument, NULL, 's' },     \
		{ "until", required_argument, NULL, 'u' },                                         \
		{ "source", required_argument, NULL, 'S' },                                        \
		{ "severity", required_argument, NULL, 'v' },                                      \
	{                                                                                          \
		"language", required_argument, NULL, 'l'                                           \
	}
#define EVENT_QUESTION_ARGUMENTS                                                                   \
	"[--filter F] [--since T] [--until T] [--source NAME] [--severity S] [--language L]"
#define EVENT_QUESTION_HELP                                                                        \
	"  --filter F    only those that match, as \"Severity eq 'Critical'\"\n"                   \
	"  --since T     received from T on: 2026-11-20T09:00:00Z, or 90m, 12h, 7d ago\n"          \
	"  --until T     received before T\n"                                                      \
	"  --source NAME of one source\n"                                                          \
	"  --severity S  OK, Warning or Critical, and what is worse\n"                             \
	"  --language L  language of the words, as de or ja\n"

/* Take one option. 0; 1 when it is none of these; -1 when its value is wrong, which *why_out says.
 */
int event_question_take(struct event_question *question, int option, const char *value,
			const char **why_out);
/* "&$filter=…", percent-encoded, new; "" for all events. */
char *event_question_query(const struct event_question *question);
void event_question_fini(struct event_question *question);

#endif
