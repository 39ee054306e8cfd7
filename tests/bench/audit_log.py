"""A log of many events over ten log days, written straight into its tables in the shape that the
loader writes: distinct texts, some of a thousand sources, no service running meanwhile.

Made by the server from a series of numbers: the rows are the same at every run but for the days.
"""
import contextlib
import datetime
import glob
import os
import pathlib
import shutil
import subprocess

import psycopg2

DAYS = 10
SOURCES = 1000
# Of each hundred events. Warnings and OKs share the rest.
CRITICAL_PERCENT, WARNING_PERCENT = 3, 12
KEYS = 200  # message ids, the first ones more often
STEP = 50000  # rows of one transaction

SOURCE_ID = "md5('source' || {})::uuid"

PREPARE = f"""
INSERT INTO source (id, name, site, rack, state, created)
SELECT {SOURCE_ID.format('n')}, 'node' || n, 'site' || n % 4, 'rack' || n / 20, 1, now()
FROM generate_series(0, {SOURCES - 1}) n ON CONFLICT DO NOTHING
"""

# $rows: a table expression of seq, at (timestamptz); h is a number that looks random.
TEXTS = """
INSERT INTO message_text (log_day, id, body)
SELECT %(day)s, md5('text' || seq)::uuid,
  (ARRAY['Power supply PSU ', 'Temperature of CPU ', 'Link of port ', 'Drive '])[1 + seq %% 4]
  || seq / 4 %% 16
  || (ARRAY[' failed, input ', ' is at ', ' went down after ', ' reports '])[1 + seq %% 4]
  || seq %% 997
  || (ARRAY[' V', ' degrees', ' s', ' errors'])[1 + seq %% 4]
  || '; serial ' || upper(md5('serial' || seq))
FROM generate_series(%(first)s::bigint, %(last)s::bigint) seq
"""

EVENTS = f"""
INSERT INTO event (log_day, seq, source_id, received, delivery, idx, part, category, severity, step,
  facts, event_time, event_timestamp, event_id, event_type, message_id, message_args, origin,
  sender_severity, event_group_id, text_id, resolution, language, registry, registry_version,
  registry_sha256, raw)
SELECT %(day)s, seq, {SOURCE_ID.format('(h %% ' + str(SOURCES) + ')')}, at, md5('delivery' || seq)::uuid, 0, 0, 0,
  CASE WHEN h / 1000 %% 100 < {CRITICAL_PERCENT} THEN 3
       WHEN h / 1000 %% 100 < {CRITICAL_PERCENT + WARNING_PERCENT} THEN 2 ELSE 1 END,
  0, 0, at, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'e' || seq, 'Alert',
  'Plant.1.0.Key' || ((h / 7 %% {KEYS}) * (h / 11 %% {KEYS}) / {KEYS}),
  ARRAY['PSU ' || h %% 16, (h %% 997)::text],
  '/redfish/v1/Chassis/' || h / 13 %% 500 || '/PowerSubsystem/PowerSupplies/' || h %% 16,
  'Warning', 0, md5('text' || seq)::uuid, 'Look at it and replace what is broken.', 'en',
  'Plant', '1.0.0', md5('a') || md5('b'),
  convert_to('{{"@odata.type":"#Event.v1_9_0.Event","Id":"' || seq || '","Events":["'
             || repeat(md5('raw' || seq), 24) || '"]}}', 'UTF8')
FROM (SELECT seq, hashint8(seq) & 1073741823 AS h,
        %(begin)s::timestamptz + (seq - %(day_first)s) * %(gap)s::interval AS at
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) seq) s
"""


@contextlib.contextmanager
def server(state_dir):
    """The private PostgreSQL of a service that is stopped, run without it; a connection."""
    data = pathlib.Path(state_dir) / "postgresql"
    socket = pathlib.Path(state_dir) / "sock"
    socket.mkdir(exist_ok=True)
    who = []
    if os.geteuid() == 0:
        who = ["runuser", "-u", data.owner(), "--"]
        shutil.chown(socket, data.owner())
    program = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))[-1]

    def control(*words):
        subprocess.run([*who, program, "-D", data, "-w", *words], check=True, cwd="/",
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120)
    control("-l", socket / "log", "-o", f"-k {socket} -c listen_addresses=''", "start")
    try:
        with contextlib.closing(psycopg2.connect(host=str(socket), dbname="rfeventd",
                                                 user="rfeventd")) as connection:
            yield connection
    finally:
        control("-m", "fast", "stop")


def fill(connection, rows, days=DAYS, say=lambda text: None):
    """`rows` events, as many for each of the last `days` log days, older than what is there.

    The service is away, and the log began today: what it holds gets higher seqs. Returns the
    beginning of today's part."""
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SELECT log_day, day_first_seq FROM counter")
    today, first_seq = cursor.fetchone()
    assert first_seq == 1, "the log is older than a day"
    per_day = rows // days
    cursor.execute(PREPARE)
    shift_what_is_there(cursor, today, per_day * days)
    for i in range(days):
        day = today - datetime.timedelta(days=days - 1 - i)
        cursor.execute("SELECT rfeventd_attach(%s)", (day,))
        fill_day(cursor, day, per_day * i + 1, per_day, day == today)
        say(f"{per_day * (i + 1)} events")
    cursor.execute("ANALYZE event")
    cursor.execute("ANALYZE message_text")
    cursor.execute("SELECT brin_summarize_new_values(c.oid) FROM pg_class c JOIN pg_am a"
                   " ON a.oid = c.relam WHERE a.amname = 'brin' AND c.relkind = 'i'")
    cursor.execute("CHECKPOINT")


def shift_what_is_there(cursor, today, n):
    """What the service said of itself, and what the counter stands at, by n further on."""
    cursor.execute("UPDATE event SET seq = seq + %s WHERE log_day = %s", (n, today))
    cursor.execute("UPDATE counter SET seq = seq + %s", (n,))
    cursor.execute("UPDATE repeat SET seq = seq + %s", (n,))


def fill_day(cursor, day, first, n, is_today):
    begin = datetime.datetime.combine(day, datetime.time(), datetime.timezone.utc)
    end = (datetime.datetime.now(datetime.timezone.utc) if is_today
           else begin + datetime.timedelta(days=1))
    cursor.execute("INSERT INTO log_day (day, first_seq) VALUES (%s, %s)"
                   " ON CONFLICT (day) DO UPDATE SET first_seq = excluded.first_seq", (day, first))
    if is_today:
        cursor.execute("UPDATE counter SET day_first_seq = %s", (first,))
    for at in range(first, first + n, STEP):
        facts = {"day": day, "first": at, "last": min(at + STEP, first + n) - 1,
                 "day_first": first, "begin": begin, "gap": (end - begin) / n}
        cursor.execute(TEXTS, facts)
        cursor.execute(EVENTS, facts)
