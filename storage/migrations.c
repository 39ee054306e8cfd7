#include "storage/migrations.h"

#include "base/mem.h"

/* Version 1.
 *
 * The log is `event`, partitioned by log day: the database's date taken together with the seq,
 * never going back. So a partition is one contiguous range of seq. Texts stand once per day in
 * `message_text`, which goes with the day.
 *
 * `counter` is the one row that every transaction of a loader locks first: commit order is seq
 * order. It is kept small and updated in place (HOT), hence the fillfactor and the eager vacuum.
 */
static const char version_1[] =
	"CREATE TABLE meta ("
	"  id smallint PRIMARY KEY CHECK (id = 1),"
	"  epoch uuid NOT NULL,"
	"  created timestamptz NOT NULL DEFAULT now());"
	"INSERT INTO meta VALUES (1, gen_random_uuid());"

	"CREATE TABLE counter ("
	"  id smallint PRIMARY KEY CHECK (id = 1),"
	"  seq bigint NOT NULL," /* the last one given */
	"  log_day date NOT NULL,"
	"  day_first_seq bigint NOT NULL," /* of log_day */
	"  attached_until date"            /* partitions are there up to this day */
	") WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500,"
	"        autovacuum_vacuum_scale_factor = 0);"
	"INSERT INTO counter VALUES (1, 0, (clock_timestamp() AT TIME ZONE 'UTC')::date, 1, NULL);"

	"CREATE TABLE log_day (day date PRIMARY KEY, first_seq bigint NOT NULL);"
	"INSERT INTO log_day SELECT log_day, 1 FROM counter;"

	"CREATE TABLE source ("
	"  id uuid PRIMARY KEY,"
	"  name text NOT NULL, address text, token text, site text, rack text, owner text,"
	"  state smallint NOT NULL,"
	"  reply_status int NOT NULL DEFAULT 0,"
	"  created timestamptz NOT NULL,"
	"  changed timestamptz NOT NULL DEFAULT now());"
	"CREATE INDEX source_token ON source (token);"
	"CREATE INDEX source_name ON source (name);"

	"CREATE TABLE journal_segment ("
	"  segment uuid PRIMARY KEY,"
	"  node text NOT NULL,"
	"  position bigint NOT NULL,"
	"  changed timestamptz NOT NULL"
	") WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500,"
	"        autovacuum_vacuum_scale_factor = 0);"

	/* idx: place in the delivery. part: place among its rows; the row with part 0 has the raw
	 * bytes. facts: see storage/log_row.h. */
	"CREATE TABLE event ("
	"  log_day date NOT NULL, seq bigint NOT NULL,"
	"  source_id uuid NOT NULL, received timestamptz NOT NULL,"
	"  delivery uuid NOT NULL, idx int NOT NULL, part int NOT NULL,"
	"  category smallint NOT NULL, severity smallint NOT NULL, step smallint NOT NULL,"
	"  facts smallint NOT NULL,"
	"  event_time timestamptz, event_timestamp text, event_id text, event_type text,"
	"  message_id text, message_args text[], origin text, sender_severity text,"
	"  sender_message text, event_group_id bigint, log_entry text,"
	"  text_id uuid, resolution text, language text,"
	"  registry text, registry_version text, registry_sha256 text,"
	"  quirks text[], raw bytea,"
	"  PRIMARY KEY (log_day, seq)"
	") PARTITION BY RANGE (log_day);"
	"CREATE INDEX event_received ON event USING brin (received) WITH (pages_per_range = 32);"
	"CREATE INDEX event_source ON event (source_id, received);"

	"CREATE TABLE message_text ("
	"  log_day date NOT NULL, id uuid NOT NULL, body text NOT NULL,"
	"  PRIMARY KEY (log_day, id)"
	") PARTITION BY RANGE (log_day);"

	"CREATE TABLE metric_report ("
	"  received timestamptz NOT NULL, delivery uuid NOT NULL, source_id uuid NOT NULL,"
	"  raw bytea NOT NULL);"
	"CREATE INDEX metric_report_received ON metric_report USING brin (received)"
	"  WITH (pages_per_range = 32);"

	"CREATE TABLE quarantine ("
	"  id uuid NOT NULL," /* of the delivery */
	"  idx int NOT NULL," /* record in it; -1: all of it */
	"  source_id uuid, received timestamptz, peer text,"
	"  reason text NOT NULL, detail text, raw bytea,"
	"  state smallint NOT NULL DEFAULT 0,"
	"  PRIMARY KEY (id, idx));"

	/* seq: of the delivery's first event, which orders the rows for other replicas. No unique
	 * index on (source_id, hash): repeats are decided in the loader's memory, so that a body
	 * costs an append here and not a random place in a large index. */
	"CREATE TABLE repeat ("
	"  seq bigint PRIMARY KEY,"
	"  source_id uuid NOT NULL, hash uuid NOT NULL, received timestamptz NOT NULL);"
	"CREATE INDEX repeat_received ON repeat USING brin (received) WITH (pages_per_range = 32);"

	/* Without lz4 in the server the default compression stays. */
	"DO $$ BEGIN"
	"  ALTER TABLE event ALTER COLUMN raw SET COMPRESSION lz4;"
	"  ALTER TABLE metric_report ALTER COLUMN raw SET COMPRESSION lz4;"
	"  ALTER TABLE quarantine ALTER COLUMN raw SET COMPRESSION lz4;"
	"EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL;"
	"END $$;"

	/* First statement of a loader's transaction: takes the range of n seqs and moves the
	 * position of the journal segment. The log day goes one on at most, never back, and only
	 * onto a partition that is there. RF001: the position is not what the caller thinks. Days
	 * are numbered from 2000-01-01. */
	"CREATE FUNCTION rfeventd_take(n bigint, in_segment uuid, old_position bigint,"
	"    new_position bigint, in_node text,"
	"    OUT seq_before bigint, OUT day int, OUT days_ahead int)"
	" LANGUAGE plpgsql AS $$"
	" DECLARE c counter%ROWTYPE; today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;"
	" BEGIN"
	"  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN"
	"    PERFORM set_config('synchronous_commit', 'on', true);"
	"  END IF;"
	"  PERFORM set_config('lock_timeout', '3s', true);"
	"  UPDATE counter SET seq = counter.seq + n,"
	"    log_day = CASE WHEN log_day < today AND log_day < attached_until"
	"              THEN log_day + 1 ELSE log_day END,"
	"    day_first_seq = CASE WHEN log_day < today AND log_day < attached_until"
	"                    THEN counter.seq + 1 ELSE day_first_seq END"
	"    WHERE id = 1 RETURNING * INTO STRICT c;"
	"  seq_before := c.seq - n;"
	"  day := c.log_day - DATE '2000-01-01';"
	"  days_ahead := c.attached_until - c.log_day;"
	"  IF c.day_first_seq = seq_before + 1 THEN"
	"    INSERT INTO log_day AS l VALUES (c.log_day, c.day_first_seq)"
	"      ON CONFLICT ON CONSTRAINT log_day_pkey DO NOTHING;"
	"  END IF;"
	"  IF old_position = 0 THEN"
	"    INSERT INTO journal_segment VALUES (in_segment, in_node, new_position, now())"
	"      ON CONFLICT (segment) DO NOTHING;"
	"  ELSE"
	"    UPDATE journal_segment SET position = new_position, node = in_node, changed = now()"
	"      WHERE segment = in_segment AND position = old_position;"
	"  END IF;"
	"  IF NOT FOUND THEN"
	"    RAISE EXCEPTION 'position of journal segment % is not %', in_segment, old_position"
	"      USING ERRCODE = 'RF001';"
	"  END IF;"
	"  PERFORM pg_notify('rfeventd_log', c.seq::text);"
	" END $$;"

	/* Partitions of one day: made on their own and attached, which blocks no loader. One at a
	 * time over all replicas; days follow each other. */
	"CREATE FUNCTION rfeventd_attach(in_day date) RETURNS void LANGUAGE plpgsql AS $$"
	" DECLARE parent text; part text;"
	" BEGIN"
	"  PERFORM pg_advisory_xact_lock(8243124961888103013);"
	"  FOREACH parent IN ARRAY ARRAY['event', 'message_text'] LOOP"
	"    part := parent || to_char(in_day, '_YYYYMMDD');"
	"    IF to_regclass(part) IS NULL THEN"
	"      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);"
	"    END IF;"
	"    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(part)) THEN"
	"      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',"
	"                     parent, part, in_day, in_day + 1);"
	"    END IF;"
	"  END LOOP;"
	"  UPDATE counter SET attached_until = in_day WHERE id = 1"
	"    AND (attached_until = in_day - 1 OR (attached_until IS NULL AND log_day = in_day));"
	" END $$;";

/* Version 2.
 *
 * Registries that were added by hand or read from sources, by the hash of their bytes, and who
 * serves which. Every replica mirrors them to its own disk. registry_asked: when a source was
 * asked, so that one replica asks it, and not again after a restart.
 */
static const char version_2[] =
	"CREATE TABLE registry ("
	"  sha256 text PRIMARY KEY,"
	"  prefix text NOT NULL, version text NOT NULL, language text NOT NULL,"
	"  by_hand boolean NOT NULL," /* added, not read from a source */
	"  added timestamptz NOT NULL DEFAULT now(),"
	"  body bytea NOT NULL);"

	"CREATE TABLE registry_source ("
	"  source_id uuid NOT NULL,"
	"  sha256 text NOT NULL REFERENCES registry ON DELETE CASCADE,"
	"  uri text NOT NULL, etag text," /* where the source has it */
	"  seen timestamptz NOT NULL DEFAULT now(),"
	"  PRIMARY KEY (source_id, sha256));"
	"CREATE INDEX registry_source_sha256 ON registry_source (sha256);"

	"CREATE TABLE registry_asked ("
	"  source_id uuid PRIMARY KEY,"
	"  asked timestamptz NOT NULL," /* when it may be asked again is the asker's rule */
	"  failures int NOT NULL DEFAULT 0," /* in a row */
	"  error text);"

	"DO $$ BEGIN"
	"  ALTER TABLE registry ALTER COLUMN body SET COMPRESSION lz4;"
	"EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL;"
	"END $$;";

/* Version 3.
 *
 * What replicas share beside the log: single facts, sources with the certificate they show, and
 * cursors that outlive who moves them. Whoever changes a fact or a source wakes every replica (a row
 * at a time: a statement that changes nothing must wake nobody, or replicas wake each other forever).
 * journal_segment.seq: the log's last seq when the position moved, so that a node knows up to where
 * the log can be written again from the segments that it still has.
 */
static const char version_3[] =
	"CREATE TABLE shared_fact ("
	"  name text PRIMARY KEY, value text NOT NULL,"
	"  node uuid NOT NULL," /* who wrote it */
	"  changed timestamptz NOT NULL DEFAULT now());"

	"ALTER TABLE source ADD COLUMN certificate text;"
	"CREATE INDEX source_changed ON source (changed);"

	"CREATE FUNCTION rfeventd_shared() RETURNS trigger LANGUAGE plpgsql AS $$"
	" BEGIN PERFORM pg_notify('rfeventd_shared', ''); RETURN NULL; END $$;"
	"CREATE TRIGGER shared AFTER INSERT OR UPDATE OR DELETE ON shared_fact"
	"  FOR EACH ROW EXECUTE FUNCTION rfeventd_shared();"
	"CREATE TRIGGER shared AFTER INSERT OR UPDATE OR DELETE ON source"
	"  FOR EACH ROW EXECUTE FUNCTION rfeventd_shared();"

	/* owner: the last one, who may still move it until leased_until. term: how many there were. */
	"CREATE TABLE cursor ("
	"  name text PRIMARY KEY,"
	"  owner uuid NOT NULL, term bigint NOT NULL DEFAULT 0,"
	"  leased_until timestamptz NOT NULL,"
	"  epoch uuid NOT NULL, seq bigint NOT NULL,"
	"  changed timestamptz NOT NULL DEFAULT now()"
	") WITH (fillfactor = 50);"

	"ALTER TABLE journal_segment ADD COLUMN seq bigint NOT NULL DEFAULT 0;"
	"CREATE FUNCTION rfeventd_segment_seq() RETURNS trigger LANGUAGE plpgsql AS $$"
	" BEGIN SELECT seq INTO NEW.seq FROM counter; RETURN NEW; END $$;"
	"CREATE TRIGGER seq BEFORE INSERT OR UPDATE ON journal_segment"
	"  FOR EACH ROW EXECUTE FUNCTION rfeventd_segment_seq();"

	/* An epoch begins where the log of the one before it was found to end. */
	"ALTER TABLE meta ADD COLUMN previous uuid, ADD COLUMN base_seq bigint NOT NULL DEFAULT 0;"
	/* Seqs that were given to events nobody has any more. */
	"CREATE TABLE log_gap ("
	"  from_seq bigint PRIMARY KEY, to_seq bigint NOT NULL,"
	"  epoch uuid NOT NULL, node text NOT NULL,"
	"  found timestamptz NOT NULL DEFAULT now());";

/* Version 4.
 *
 * cared: when the tables of a day that is over were frozen and summarised, which is done once.
 * quarantine_received: what is set aside is listed newest first. */
static const char version_4[] = "ALTER TABLE log_day ADD COLUMN cared timestamptz;"
				"ALTER TABLE quarantine ADD COLUMN retried timestamptz;"
				"CREATE INDEX quarantine_received ON quarantine (received, id, idx);";

/* Version 5.
 *
 * Accounts, their sessions and API tokens, and what operators did. account_service is one row: its
 * lock is taken first by each change, so that changes follow each other over all replicas and the
 * last administrator cannot be lost to a race. Of tokens only the hash is kept.
 */
static const char version_5[] =
	"CREATE TABLE account_service ("
	"  id smallint PRIMARY KEY CHECK (id = 1),"
	"  revision bigint NOT NULL DEFAULT 1,"
	"  version bigint NOT NULL DEFAULT 1," /* of the settings below */
	"  min_password_length int NOT NULL DEFAULT 12,"
	"  lockout_threshold int NOT NULL DEFAULT 10,"
	"  lockout_duration int NOT NULL DEFAULT 300," /* seconds, as the two below */
	"  lockout_reset int NOT NULL DEFAULT 300,"
	"  session_timeout int NOT NULL DEFAULT 1800);"
	"INSERT INTO account_service (id) VALUES (1);"

	"CREATE TABLE account ("
	"  name text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),"
	"  role smallint NOT NULL," /* accounts/role.h */
	"  hash text NOT NULL,"     /* crypt(3) form */
	"  enabled boolean NOT NULL DEFAULT true,"
	"  locked_until timestamptz,"
	"  failures int NOT NULL DEFAULT 0, failed_at timestamptz," /* wrong passwords in a row */
	"  version bigint NOT NULL DEFAULT 1,"
	"  created timestamptz NOT NULL DEFAULT now(),"
	"  changed timestamptz NOT NULL DEFAULT now());"

	"CREATE TABLE session ("
	"  id text PRIMARY KEY,"
	"  account text NOT NULL REFERENCES account ON DELETE CASCADE,"
	"  sha256 text NOT NULL UNIQUE,"
	"  address text NOT NULL,"
	"  created timestamptz NOT NULL, used timestamptz NOT NULL);"
	"CREATE INDEX session_account ON session (account);"

	"CREATE TABLE api_token ("
	"  id text PRIMARY KEY,"
	"  account text NOT NULL REFERENCES account ON DELETE CASCADE,"
	"  name text NOT NULL,"
	"  role smallint NOT NULL,"
	"  sha256 text NOT NULL UNIQUE,"
	"  created timestamptz NOT NULL DEFAULT now(),"
	"  expires timestamptz NOT NULL, used timestamptz,"
	"  UNIQUE (account, name));"

	/* record: made where it happened, so that one that is written twice is there once. */
	"CREATE TABLE audit ("
	"  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
	"  record uuid NOT NULL UNIQUE,"
	"  happened timestamptz NOT NULL, node uuid NOT NULL,"
	"  account text NOT NULL, way text NOT NULL, address text NOT NULL,"
	"  method text NOT NULL, uri text NOT NULL,"
	"  status int NOT NULL," /* of the answer; 0: the service ended before it */
	"  message_id text NOT NULL, message_args text[] NOT NULL);"
	"CREATE INDEX audit_happened ON audit USING brin (happened) WITH (pages_per_range = 32);";

/* Version 6.
 *
 * Entries of sources' own logs, and the row of the log that each went to: its own (logged), or one
 * that was there. taken_by: the push that came later for a row of its own. One entry of each log for
 * a row; the key is also how replicas learn what is new. Rows go with the log day of theirs.
 */
static const char version_6[] =
	"CREATE TABLE backfilled ("
	"  seq bigint NOT NULL, log uuid NOT NULL, entry uuid NOT NULL,"
	"  log_day date NOT NULL," /* of seq */
	"  source_id uuid NOT NULL, moment uuid NOT NULL," /* event/likeness.h */
	"  logged boolean NOT NULL, taken_by uuid,"
	"  added timestamptz NOT NULL DEFAULT now(),"
	"  PRIMARY KEY (seq, log));"
	"CREATE INDEX backfilled_moment ON backfilled (source_id, moment);"
	"CREATE INDEX backfilled_added ON backfilled USING brin (added) WITH (pages_per_range = 32);";

/* Version 7.
 *
 * Indexes for the questions that operators ask of the log, newest first: the rows of a source, of a
 * message id, the critical ones, each in the order of their seq, so that a page costs its rows alone.
 * `received` stands in them to pass over what lies outside of a time without a look at the
 * row. Origins are compared by their bytes, which is what a path's beginning is found by. */
static const char version_7[] =
	"DROP INDEX event_source;"
	"CREATE INDEX event_source ON event (source_id, seq, received);"
	"CREATE INDEX event_critical ON event (seq, received) WHERE severity = 3;"
	"CREATE INDEX event_message ON event (message_id COLLATE \"C\", seq, received)"
	"  WHERE message_id IS NOT NULL;"
	"CREATE INDEX event_origin ON event (origin COLLATE \"C\", seq, received)"
	"  WHERE origin IS NOT NULL;";

/* Version 8.
 *
 * source.details: what operators said of a source besides (subscribe/source_details.h); secrets in
 * it are sealed.
 */
static const char version_8[] = "ALTER TABLE source ADD COLUMN details text;";

/* Version 9.
 *
 * Destinations of subscriptions (their positions are cursors), and what of another rfeventd's log is
 * in ours. config: the EventDestination's properties as JSON. headers: HttpHeaders, sealed with the
 * replicas' key. version: of all that a replica keeps in memory, and wakes nobody when a delivery's
 * fate is noted.
 */
static const char version_9[] =
	"CREATE TABLE subscription ("
	"  id uuid PRIMARY KEY, config text NOT NULL, headers text,"
	"  suspended boolean NOT NULL DEFAULT false,"
	"  failing_since timestamptz, error text," /* NULL: it takes what it is sent */
	"  version bigint NOT NULL DEFAULT 1,"
	"  created timestamptz NOT NULL DEFAULT now());"

	/* stream: one subscription on one log; seqs: of that log, as far as we were told of them. */
	"CREATE TABLE upstream_seen ("
	"  source_id uuid NOT NULL, stream uuid NOT NULL,"
	"  seqs int8multirange NOT NULL, changed timestamptz NOT NULL DEFAULT now(),"
	"  PRIMARY KEY (source_id, stream)"
	") WITH (fillfactor = 50);";

/* Version 10.
 *
 * search_block: the texts of SEARCH_BLOCK_SEQS seqs of a day, folded as filters compare them, each once,
 * in one value: a search reads a few bytes for each text, in their order, where the dictionary would be
 * asked for every event. members: for each seq from first_seq on, the place of its text among them
 * (from 1 on); 0: too long, look at it where it is; NULL: it has none. The times are those of receipt.
 * log_day.searchable_seq: up to it the day's blocks are there; first_received and last_received: of what
 * they hold. What was received within a time is found by these, too. Made in the background, from what is
 * logged (storage/search_blocks.h): a log from before this version gets them then.
 */
static const char version_10[] =
	"CREATE TABLE search_block ("
	"  log_day date NOT NULL, first_seq bigint NOT NULL, last_seq bigint NOT NULL,"
	"  first_received timestamptz NOT NULL, last_received timestamptz NOT NULL,"
	"  has_long boolean NOT NULL,"
	"  texts text COLLATE \"C\" NOT NULL, members smallint[] NOT NULL,"
	"  PRIMARY KEY (log_day, last_seq)"
	") PARTITION BY RANGE (log_day);"
	/* What is looked through again and again is not worth unpacking each time. */
	"ALTER TABLE search_block ALTER COLUMN texts SET STORAGE EXTERNAL;"
	"ALTER TABLE log_day ADD COLUMN searchable_seq bigint NOT NULL DEFAULT 0,"
	"  ADD COLUMN first_received timestamptz, ADD COLUMN last_received timestamptz;"

	"CREATE OR REPLACE FUNCTION rfeventd_attach(in_day date) RETURNS void LANGUAGE plpgsql AS $$"
	" DECLARE parent text; part text;"
	" BEGIN"
	"  PERFORM pg_advisory_xact_lock(8243124961888103013);"
	"  FOREACH parent IN ARRAY ARRAY['event', 'message_text', 'search_block'] LOOP"
	"    part := parent || to_char(in_day, '_YYYYMMDD');"
	"    IF to_regclass(part) IS NULL THEN"
	"      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);"
	"    END IF;"
	"    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(part)) THEN"
	"      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',"
	"                     parent, part, in_day, in_day + 1);"
	"    END IF;"
	"  END LOOP;"
	"  UPDATE counter SET attached_until = in_day WHERE id = 1"
	"    AND (attached_until = in_day - 1 OR (attached_until IS NULL AND log_day = in_day));"
	" END $$;"
	/* Days that are there already. */
	"SELECT rfeventd_attach(to_date(right(c.relname, 8), 'YYYYMMDD'))"
	" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
	" WHERE i.inhparent = 'event'::regclass AND NOT i.inhdetachpending;";

/* Version 11.
 *
 * backfilled: of a source's own log, which it still is when it is tried again.
 */
static const char version_11[] =
	"ALTER TABLE quarantine ADD COLUMN backfilled boolean NOT NULL DEFAULT false";

/* Version 12.
 *
 * rfeventd_take() notifies nobody for a session with rfeventd.alone = on: each listening backend of
 * the database would be woken for each transaction, whatever it listens for.
 */
static const char version_12[] =
	"CREATE OR REPLACE FUNCTION rfeventd_take(n bigint, in_segment uuid, old_position bigint,"
	"    new_position bigint, in_node text,"
	"    OUT seq_before bigint, OUT day int, OUT days_ahead int)"
	" LANGUAGE plpgsql AS $$"
	" DECLARE c counter%ROWTYPE; today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;"
	" BEGIN"
	"  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN"
	"    PERFORM set_config('synchronous_commit', 'on', true);"
	"  END IF;"
	"  PERFORM set_config('lock_timeout', '3s', true);"
	"  UPDATE counter SET seq = counter.seq + n,"
	"    log_day = CASE WHEN log_day < today AND log_day < attached_until"
	"              THEN log_day + 1 ELSE log_day END,"
	"    day_first_seq = CASE WHEN log_day < today AND log_day < attached_until"
	"                    THEN counter.seq + 1 ELSE day_first_seq END"
	"    WHERE id = 1 RETURNING * INTO STRICT c;"
	"  seq_before := c.seq - n;"
	"  day := c.log_day - DATE '2000-01-01';"
	"  days_ahead := c.attached_until - c.log_day;"
	"  IF c.day_first_seq = seq_before + 1 THEN"
	"    INSERT INTO log_day AS l VALUES (c.log_day, c.day_first_seq)"
	"      ON CONFLICT ON CONSTRAINT log_day_pkey DO NOTHING;"
	"  END IF;"
	"  IF old_position = 0 THEN"
	"    INSERT INTO journal_segment VALUES (in_segment, in_node, new_position, now())"
	"      ON CONFLICT (segment) DO NOTHING;"
	"  ELSE"
	"    UPDATE journal_segment SET position = new_position, node = in_node, changed = now()"
	"      WHERE segment = in_segment AND position = old_position;"
	"  END IF;"
	"  IF NOT FOUND THEN"
	"    RAISE EXCEPTION 'position of journal segment % is not %', in_segment, old_position"
	"      USING ERRCODE = 'RF001';"
	"  END IF;"
	"  IF current_setting('rfeventd.alone', true) IS DISTINCT FROM 'on' THEN"
	"    PERFORM pg_notify('rfeventd_log', c.seq::text);"
	"  END IF;"
	" END $$;";

/* Version 13.
 *
 * For a statement that guesses where the log stands: a wrong guess ends the transaction. It knows
 * journal_segment.seq by itself, and saves itself the trigger.
 */
static const char version_13[] =
	"CREATE FUNCTION rfeventd_wrong_guess() RETURNS int LANGUAGE plpgsql AS $$"
	" BEGIN"
	"  RAISE EXCEPTION 'the log stands elsewhere than was guessed' USING ERRCODE = 'RF002';"
	" END $$;"
	"DROP TRIGGER seq ON journal_segment;"
	"CREATE TRIGGER seq BEFORE INSERT ON journal_segment"
	"  FOR EACH ROW EXECUTE FUNCTION rfeventd_segment_seq();"
	"CREATE TRIGGER seq_moved BEFORE UPDATE ON journal_segment"
	"  FOR EACH ROW WHEN (NEW.seq = OLD.seq) EXECUTE FUNCTION rfeventd_segment_seq();";

const char *const migrations[] = {
	version_1, version_2, version_3, version_4, version_5, version_6,
	version_7, version_8, version_9, version_10, version_11, version_12,
	version_13,
};
const size_t n_migrations = ARRAY_LEN(migrations);
