"""After an absence of the database: how soon a start answers, and how fast the backlog is loaded.

RFEVENTD_BACKLOG_MIB (default 256) is what the journal holds meanwhile; 2048 is the size the design
names.
"""
import os
import time

import path_tools as tools
from frame import Figure, Group, at_least, at_most

BACKLOG_BYTES = int(os.environ.get("RFEVENTD_BACKLOG_MIB", "256")) << 20
ROWS = 40960  # of the reference
EVENT_BYTES = 1000  # of one event in the journal, about
MOVE_EVENTS = 4096  # once so much is loaded the clock starts: the database has started, too


def journal_bytes(service):
    return sum(path.stat().st_blocks * 512 for path in (service.state_dir / "journal").iterdir())


def fill(bench, service):
    """Events answered while the database is away, until the journal has its backlog."""
    wanted = BACKLOG_BYTES // (20 if bench.quick else 1) // EVENT_BYTES
    answered = 0
    while answered < wanted:
        answered += tools.load(bench, service, connections=256,
                               seconds=bench.seconds(3))["answered_2xx"]
    return answered


def start_ms(service):
    """From the start of the process to the first 200 of an event, the database away."""
    service.process.kill()
    service.process.wait()
    service.start()
    service.wait_listening()
    if service.post(tools.house.event_body()).status_code != 200:
        raise RuntimeError("the first event was not taken")
    return (time.monotonic() - service.started_at) * 1000


def replay(service, n_events):
    """Events a second into the log, from the first that moved to the last."""
    service.start()
    service.wait_ready()
    with tools.connection(service) as made:
        end = time.monotonic() + 600
        while (seq := tools.logged(made)) < MOVE_EVENTS:
            time.sleep(0.002)
        first, began = seq, time.monotonic()
        while (seq := tools.logged(made)) < n_events and time.monotonic() < end:
            time.sleep(0.005)
        took = time.monotonic() - began
        if tools.logged(made) != n_events:
            raise RuntimeError(f"{n_events} were answered, the log holds {tools.logged(made)}")
    return (n_events - first) / took


def one_backlog(bench):
    """Milliseconds to the first answer, and events a second of replay against COPY."""
    with tools.state_dir() as path:
        service = tools.house.Service(path, sets=["storage.journal_max_bytes=6442450944"])
        try:
            service.start()
            service.wait_ready()
            tools.house.without_postgres(service)
            service.start()
            service.wait_listening()
            n_events = fill(bench, service)
            ms = start_ms(service)
            tools.house.with_postgres(service)
            service.terminate()
            rate = replay(service, n_events + 1)
            with tools.connection(service) as made:
                tools.make_equal_table(made)
                batches = tools.newest_rows(made, ROWS // 20 if bench.quick else ROWS)
                copy = max(tools.copy_rows(made, batches) for _ in range(3))
        finally:
            service.close()
    return ms, rate, copy


def open_replay(bench):
    def one_round(_i):
        ms, rate, copy = one_backlog(bench)
        return {"start_with_backlog_ms": (ms, None), "replay_vs_copy": (rate, copy)}
    yield one_round


def figures(_bench):
    copy = f"binary COPY of the same rows alone, {tools.COPY_BATCH} a transaction"
    yield Group([Figure("start_with_backlog_ms", "ms", None, at_most(200)),
                 Figure("replay_vs_copy", "events/s", copy, at_least(0.5))], open_replay)
