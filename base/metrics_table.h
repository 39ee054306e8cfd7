/* METRIC(id, type, name, label, unit, help): every metric of the house. No include guard: this
 * table is included where it is expanded. */
METRIC(DELIVERIES_RECEIVED, COUNTER, "deliveries_received", "protocol", NULL,
       "Deliveries accepted into the journal")
METRIC(DELIVERIES_REJECTED, COUNTER, "deliveries_rejected", "reason", NULL,
       "Deliveries refused with a 4xx or 5xx answer")
METRIC(EVENTS_LOGGED, COUNTER, "events_logged", NULL, NULL, "Events committed to the log")
METRIC(METRIC_REPORTS, COUNTER, "metric_reports", NULL, NULL,
       "MetricReport deliveries recognised and kept")
METRIC(QUIRKS, COUNTER, "quirks", "quirk", NULL, "Deviations from the standard that were met")
METRIC(REPEATS, COUNTER, "repeats", NULL, NULL, "Deliveries recognised as repeats, not logged again")
METRIC(QUARANTINED, COUNTER, "quarantined", "reason", NULL, "Deliveries or records set aside")
METRIC(RESOLVE, COUNTER, "resolve", "step", NULL, "MessageId look-ups by the step that answered")
METRIC(JOURNAL_BYTES, GAUGE, "journal_bytes", NULL, "bytes", "Bytes of journal segments on disk")
METRIC(JOURNAL_OLDEST, GAUGE, "journal_oldest_seconds", NULL, "seconds",
       "Age of the oldest delivery not yet in the log")
METRIC(LOADER_BATCH, HISTOGRAM, "loader_batch_events", NULL, NULL, "Events in one loader transaction")
METRIC(LOADER_COMMIT, HISTOGRAM, "loader_commit_seconds", NULL, "seconds",
       "Duration of one loader transaction")
METRIC(LOG_LAST_SEQ, GAUGE, "log_last_seq", NULL, NULL, "Highest sequence number in the log")
METRIC(STREAM_CLIENTS, GAUGE, "stream_clients", "kind", NULL, "Connected stream clients")
METRIC(STREAM_LAG, GAUGE, "stream_lag_events", NULL, NULL, "Events the slowest stream client is behind")
METRIC(SUBSCRIPTIONS, GAUGE, "subscriptions", "state", NULL, "Subscriptions of other receivers to our events")
METRIC(FORWARD, COUNTER, "forward", "result", NULL, "Deliveries sent to subscribers")
METRIC(FORWARD_LAG, GAUGE, "forward_lag_events", NULL, NULL, "Events the slowest subscription is behind")
METRIC(SOURCES, GAUGE, "sources", "state", NULL, "Known sources")
METRIC(ACKNOWLEDGE, HISTOGRAM, "acknowledge_seconds", NULL, "seconds",
       "From the last byte of a delivery to its answer")
METRIC(DELIVER_TO_STREAM, HISTOGRAM, "deliver_to_stream_seconds", NULL, "seconds",
       "From receipt of a delivery to its events being handed to stream clients")
METRIC(HTTP_CONNECTIONS, GAUGE, "http_connections", "door", NULL, "Open connections")
METRIC(CONDITIONS, GAUGE, "conditions_open", NULL, NULL, "Conditions of the service itself that hold")
METRIC(DATABASE_UP, GAUGE, "database_up", NULL, NULL, "1 while the log can be written")
