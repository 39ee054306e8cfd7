"""The whole path: from a POST to a row of the log. Real daemon, private PostgreSQL, one machine.

Sustained: all that was answered, by the time until the last of it is in the log. What the log
could not take meanwhile is so paid for.
"""
import contextlib
import statistics
import subprocess
import sys
import time

import path_tools as tools
from frame import ROOT, Figure, Group, alternate, at_least, at_most
from nginx import Nginx, free_ports

SECONDS = 3.0
ROWS = 40960  # of the reference
HALF = 0.5  # of what is sustained: where latency is looked at
ONE = {"connections": 256}
MULTIPLEXED = {"connections": 8, "streams": 32, "protocol": "h2"}


def sustained(bench, service, **options):
    """Events a second, answered 200 and in the log. Checks that all of them are, once."""
    with tools.connection(service) as made:
        before = tools.logged(made)
        report = tools.load(bench, service, seconds=bench.seconds(SECONDS), **options)
        answered = time.monotonic()
        logged = tools.wait_logged(service, before + report["answered_2xx"])
        if tools.logged(made) != before + report["answered_2xx"]:
            raise RuntimeError("the log holds more than was sent")
    return report["answered_2xx"] / (report["seconds"] + max(logged - answered, 0))


# --- against COPY -----------------------------------------------------------------------------

def durable(bench, service, **options):
    """Events a second, and us of CPU for each: the daemon's and PostgreSQL's."""
    with tools.connection(service) as made:
        before = tools.logged(made)
        with tools.Cpu(service) as cpu:
            rate = sustained(bench, service, **options)
        return rate, cpu.seconds * 1e6 / (tools.logged(made) - before)


def copy_alone(service, made, batches):
    """Rows a second, and us of PostgreSQL's CPU for each."""
    with tools.Cpu(service, daemon=False) as cpu:
        rate = tools.copy_rows(made, batches)
    return rate, cpu.seconds * 1e6 / (len(batches) * tools.COPY_BATCH)


def open_durable(bench):
    with tools.daemon(bench) as service, tools.connection(service) as made:
        tools.make_equal_table(made)
        sustained(bench, service, **ONE)  # rows for the reference

        def one_round(i):
            batches = tools.newest_rows(made, ROWS // 20 if bench.quick else ROWS)
            (rate, cpu), (copy_rate, copy_cpu) = alternate(
                i, lambda: durable(bench, service, **ONE),
                lambda: copy_alone(service, made, batches))
            h2_rate, _ = durable(bench, service, **MULTIPLEXED)
            return {"durable_vs_copy": (rate, copy_rate),
                    "durable_h2_vs_copy": (h2_rate, copy_rate),
                    "durable_cpu_vs_copy": (cpu, copy_cpu)}
        yield one_round


def open_gapfree(bench):
    with tools.daemon(bench) as service, tools.connection(service) as made:
        tools.make_equal_table(made)
        sustained(bench, service, **ONE)
        with made.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_counter (LIKE counter INCLUDING ALL)"
                           " WITH (fillfactor = 10)")
            cursor.execute("INSERT INTO bench_counter SELECT * FROM counter")
        batches = tools.newest_rows(made, ROWS // 20 if bench.quick else ROWS)
        tools.copy_rows(made, batches)
        yield lambda i: {"gapfree_seq": alternate(
            i, lambda: tools.copy_rows(made, batches, counter="bench_counter"),
            lambda: tools.copy_rows(made, batches))}


# --- bursts -----------------------------------------------------------------------------------

def open_burst(bench):
    with tools.daemon(bench) as service, Nginx(bench) as nginx:
        def burst():
            rate = tools.load(bench, service, seconds=bench.seconds(2), **ONE)["rate"]
            tools.wait_logged(service)
            return rate

        def reference():
            return bench.load(f"http://127.0.0.1:{nginx.plain_port}", "/read",
                              seconds=bench.seconds(2), **ONE)["rate"]
        yield lambda i: {"burst_vs_nginx": alternate(i, burst, reference)}


# --- latency ----------------------------------------------------------------------------------

def open_latency(bench):
    with tools.daemon(bench) as service:
        rate = HALF * statistics.median(sustained(bench, service, **ONE) for _ in range(3))

        def one_round(_i):
            tools.wait_logged(service)
            us = tools.load(bench, service, connections=64, rate=round(rate),
                            seconds=bench.seconds(SECONDS))["latency_us"]
            return {"post_p50_ms": (us["p50"] / 1000, None),
                    "post_p99_ms": (us["p99"] / 1000, None),
                    "post_p99_over_p50": (us["p99"] / us["p50"], None)}
        yield one_round


# --- against a script -------------------------------------------------------------------------

@contextlib.contextmanager
def python_listener():
    port = free_ports(1)[0]
    process = subprocess.Popen([sys.executable, ROOT / "tests/bench/path_listener.py", str(port)])
    try:
        tools.house.wait_for(lambda: tools.answers(port), what="the listener")
        yield port
    finally:
        process.terminate()
        process.wait()


def open_listener(bench):
    with tools.daemon(bench) as service, python_listener() as port:
        yield lambda i: {"rate_vs_python_listener": alternate(
            i, lambda: sustained(bench, service, connections=64),
            lambda: bench.load(f"http://127.0.0.1:{port}", "/events", connections=64,
                               seconds=bench.seconds(2))["rate"])}


def figures(_bench):
    copy = f"binary COPY of the same rows alone, {tools.COPY_BATCH} a transaction"
    yield Group([Figure("durable_vs_copy", "events/s", copy, at_least(0.4)),
                 Figure("durable_h2_vs_copy", "events/s", copy),
                 Figure("durable_cpu_vs_copy", "us CPU/event", "PostgreSQL's for the same COPY")],
                open_durable)
    yield Group([Figure("burst_vs_nginx", "answers/s", "nginx, one worker, body read, 204")],
                open_burst)
    yield Group([Figure("gapfree_seq", "rows/s", "COPY without the counter row", at_least(0.8))],
                open_gapfree)
    yield Group([Figure("post_p50_ms", "ms"), Figure("post_p99_ms", "ms"),
                 Figure("post_p99_over_p50", "", None, at_most(5))], open_latency)
    yield Group([Figure("rate_vs_python_listener", "events/s", "http.server, threads, json.loads",
                        at_least(3))], open_listener)
