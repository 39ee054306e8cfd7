"""Ingest while the log is read as a whole: a dump of the database, and an export through the API.

RFEVENTD_BENCH_ROWS=5000000 makes the log as large as a site's; the default is one that is there in
a moment. RFEVENTD_AUDIT_STATE: the log of path_audit.py is read instead. Both readers begin anew until
the load has ended.
"""
import contextlib
import glob
import os
import subprocess
import threading

import path_audit
import path_tools as tools
from frame import Figure, Group, alternate, at_least
from path_durable import ONE, sustained

ROWS = int(os.environ.get("RFEVENTD_BENCH_ROWS", "200000"))
# The rows of the first deliveries over and over, as the loader would have written them.
MULTIPLY = """
    WITH c AS (UPDATE counter SET seq = seq + %(n)s RETURNING seq - %(n)s AS before, log_day),
    rows AS (SELECT e, row_number() OVER () AS at FROM (SELECT e FROM event e LIMIT %(n)s) s)
    INSERT INTO event SELECT (jsonb_populate_record(e, jsonb_build_object(
        'log_day', c.log_day, 'seq', c.before + at))).* FROM rows, c"""


def fill(made, n_wanted):
    """Double the log until it has so many events."""
    while True:
        n = tools.logged(made)
        if n >= n_wanted:
            break
        with made.cursor() as cursor:
            cursor.execute(MULTIPLY, {"n": min(n, n_wanted - n, 500000)})
    with made.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


# The readers' own work stands back: they may as well be elsewhere (and docs/backup.md says so).
NICE = ["nice", "-n", "19"]


def run_until(stop, words, **options):
    """Over and over; returns how often it was begun."""
    n = 0
    while not stop.is_set():
        with subprocess.Popen([*NICE, *words], stdout=subprocess.DEVNULL, **options) as process:
            n += 1
            while process.poll() is None and not stop.wait(0.05):
                pass
            process.kill()
        if process.returncode > 0:
            raise RuntimeError(f"{words[0]} ended with {process.returncode}")
    return n


def dump_until(service, stop, counts):
    lines = (service.state_dir / "postgresql/postmaster.pid").read_text().split("\n")
    binary = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
    counts["dumps"] += run_until(stop, [binary, "-h", lines[4], "-p", lines[3], "-U", "rfeventd", "-f",
                                        "/dev/null", "rfeventd"])


def export_until(service, stop, counts):
    counts["exports"] += run_until(stop, [
        "curl", "-q", "-sfN", "--cacert", str(service.ca), "-u", f"admin:{service.password}", "-H",
        "Accept: application/x-ndjson", f"{service.url}{tools.house.ENTRIES}?$orderby=Id%20asc"])


@contextlib.contextmanager
def readers(service, *bodies):
    stop, counts = threading.Event(), {"dumps": 0, "exports": 0}
    threads = [threading.Thread(target=body, args=(service, stop, counts)) for body in bodies]
    for thread in threads:
        thread.start()
    try:
        yield counts
        stop.set()
        for thread in threads:
            thread.join()
    finally:
        stop.set()


@contextlib.contextmanager
def large_log(bench):
    if os.environ.get("RFEVENTD_AUDIT_STATE"):
        with path_audit.log_of_days() as service:
            yield service
        return
    with tools.daemon(bench) as service:
        with tools.connection(service) as made:
            fill(made, 20000 if bench.quick else ROWS)
        yield service


def open_dump(bench):
    with large_log(bench) as service:
        def rate(*bodies):
            with readers(service, *bodies) as counts:
                seen = sustained(bench, service, **ONE)
            if (dump_until in bodies and counts["dumps"] == 0 or
                    export_until in bodies and counts["exports"] == 0):
                raise RuntimeError(f"nothing was read meanwhile: {counts}")
            return seen

        def one_round(i):
            alone = rate()
            dump, export = alternate(i, lambda: rate(dump_until), lambda: rate(export_until))
            return {"ingest_during_dump": (dump, alone), "ingest_during_export": (export, alone)}
        yield one_round


def figures(_bench):
    yield Group([Figure("ingest_during_dump", "events/s", f"nothing else, {ROWS} events in the log",
                        at_least(0.8)),
                 Figure("ingest_during_export", "events/s", "the same", at_least(0.8))], open_dump)
