/* Log entry: one event as a Redfish LogEntry (LogEntry.v1_21_0), our extras under Oem.Rfeventd. */
#ifndef API_LOG_ENTRY_H
#define API_LOG_ENTRY_H

#include "base/str.h"

struct entry;
struct source;
struct wording;

#define LOG_ENTRIES_PATH "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries"

void log_entry_encode(struct strbuf *out, const struct entry *entry, const struct source *source,
		      const struct wording *wording);
/* One CSV row and the header row, as the contract lists the columns. */
void log_entry_csv(struct strbuf *out, const struct entry *entry, const struct source *source,
		   const struct wording *wording);
void log_entry_csv_header(struct strbuf *out);

#endif
