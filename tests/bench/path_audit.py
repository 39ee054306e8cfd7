"""Questions to a log of ten days while it fills at half of what it can take.

RFEVENTD_AUDIT_ROWS events (200,000; the figure that counts is of 10,000,000), made as audit_log.py
makes them. RFEVENTD_AUDIT_STATE keeps the log between runs: a folder, made when it is not there.
"""
import contextlib
import datetime
import os
import pathlib
import random
import statistics
import time
import urllib.parse

import audit_log
import httpx
import path_tools as tools
from frame import Figure, Group, at_least, at_most
from path_durable import ONE, sustained

ROWS = int(os.environ.get("RFEVENTD_AUDIT_ROWS", "200000"))
QUESTIONS = 40  # of each kind and round
TOP = 100
NAMES = ("source", "origin", "critical_hour", "message_week", "text_today")


def wait_searchable(service):
    """The log's texts are packed in the background, which a log that lived has behind it."""
    with tools.connection(service) as made, made.cursor() as cursor:
        end = time.monotonic() + 1800
        while time.monotonic() < end:
            cursor.execute("SELECT bool_and(d.searchable_seq >= COALESCE(n.first_seq - 1, c.seq - 4096))"
                           " FROM counter c, log_day d LEFT JOIN log_day n ON n.day = d.day + 1")
            if cursor.fetchone()[0]:
                return
            time.sleep(1)
        raise RuntimeError("the texts of the log do not become searchable")


@contextlib.contextmanager
def filled(path):
    """A service on a log that is filled already, or is filled now."""
    service = tools.house.Service(path)
    try:
        if not (path / "postgresql").exists():
            service.start().wait_ready()
            service.terminate()
            with audit_log.server(path) as connection:
                audit_log.fill(connection, ROWS)
        service.start().wait_ready(600)
        wait_searchable(service)
        yield service
    finally:
        service.close()


@contextlib.contextmanager
def log_of_days():
    kept = os.environ.get("RFEVENTD_AUDIT_STATE")
    if kept:
        path = pathlib.Path(kept)
        path.mkdir(mode=0o711, exist_ok=True)
        with filled(path) as service:
            yield service
    else:
        with tools.state_dir() as path, filled(path) as service:
            yield service


def text_of(time_at):
    return time_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def question(name, dice, today):
    """A filter of this kind, with facts of its own."""
    if name == "source":
        return f"Source eq 'node{dice.randrange(audit_log.SOURCES)}'"
    if name == "origin":
        return f"startswith(OriginOfCondition,'/redfish/v1/Chassis/{dice.randrange(500)}/')"
    if name == "critical_hour":
        begin = today - datetime.timedelta(hours=dice.randrange(1, 9 * 24))
        return (f"Severity eq 'Critical' and Created ge {text_of(begin)}"
                f" and Created lt {text_of(begin + datetime.timedelta(hours=1))}")
    if name == "message_week":
        week = today - datetime.timedelta(days=7)
        return f"MessageId eq 'Plant.1.0.Key{dice.randrange(150)}' and Created ge {text_of(week)}"
    return (f"contains(Message,'input {dice.randrange(997)} v') and Created ge {text_of(today)}")


def ask(client, service, name, dice, today):
    """ms of one first page."""
    query = urllib.parse.quote(question(name, dice, today))
    start = time.monotonic()
    answer = client.get(f"{tools.house.ENTRIES}?$top={TOP}&$filter={query}")
    ms = (time.monotonic() - start) * 1000
    if answer.status_code != 200:
        raise RuntimeError(answer.text)
    return ms


def p95(values):
    return sorted(values)[int(len(values) * 0.95)]


def open_audit(bench):
    with log_of_days() as service:
        midnight = datetime.datetime.now(datetime.timezone.utc).replace(
            hour=0, minute=0, second=0, microsecond=0)
        dice = random.Random(4711)
        half = statistics.median(sustained(bench, service, **ONE) for _ in range(3)) / 2
        client = httpx.Client(base_url=service.url, verify=str(service.ca), trust_env=False,
                              timeout=60, auth=("admin", service.password))

        def one_round(_i):
            n = 5 if bench.quick else QUESTIONS
            found = {}
            with tools.connection(service) as made:
                before, started = tools.logged(made), time.monotonic()
                seconds = 3 if bench.quick else 60
                with tools.loaded(bench, service, connections=64, rate=round(half), seconds=seconds):
                    for name in NAMES:
                        found[f"audit_{name}_p95_ms"] = (
                            p95([ask(client, service, name, dice, midnight) for _ in range(n)]), None)
                logged = tools.wait_logged(service)
                rate = (tools.logged(made) - before) / (logged - started)
            found["audit_ingest_kept"] = (rate, half)
            return found
        with client:
            yield one_round


def figures(_bench):
    yield Group([Figure(f"audit_{name}_p95_ms", "ms", None, at_most(100)) for name in NAMES]
                + [Figure("audit_ingest_kept", "events/s", "half of what is sustained alone",
                          at_least(0.9))], open_audit)
