"""A thousand streams with 50 filters and four languages, fed with deliveries of 16 events: what they cost, what the
BMCs notice of them, and what one that says nothing takes.

All events pass all filters: each stream gets every event in the frames of its own audience (filter and
language), of which there are 200. fanout_raw plays again the very messages of the first stream of each language.
"""
import http.client
import json
import os
import statistics
import threading
import time

import path_tools as tools
from frame import Figure, Group, alternate, at_least, at_most
from nginx import free_ports
from path_idle import resident_bytes
from path_stream import fan_out_raw, stream_daemon

CLIENTS, FILTERS, LANGUAGES = 1000, 50, "en,de,ja,ar"
BATCH, BATCHES_A_SECOND = 16, 6
SECONDS = 5.0
SLICES, SLICE_SECONDS = 5, 2.0
IDLE = 2000
BMC_RATE = 200  # POSTs a second beside the batches


class Batches:
    """Posts deliveries of 16 events at even times while its block lasts."""

    def __init__(self, service):
        self.service, self.ended = service, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.plain_port, timeout=20)
        due = time.monotonic()
        while not self.ended.wait(max(0, due - time.monotonic())):
            body = tools.house.event_body()
            [record] = body["Events"]
            body["Events"] = [dict(record, MemberId=str(i), EventId=f"{body['Id']}-{i}") for i in range(BATCH)]
            connection.request("POST", f"/events/{self.service.token}", json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"a batch is answered {answer.status}")
            due += 1 / BATCHES_A_SECOND
        connection.close()


def streams(bench, service, port, tls, seconds, **options):
    return tools.Fanout(bench, port, CLIENTS, seconds, tls=tls, languages=LANGUAGES, filters=FILTERS,
                        authorization=tools.authorization(service), **options)


def fan_out(bench, service, port, tls, script):
    """Events delivered for a second of CPU of the threads that do it; leaves the script."""
    seconds = bench.seconds(SECONDS)
    with streams(bench, service, port, tls, seconds, record=script) as fanout:
        before = tools.cpu_of_threads_s(service.process.pid)
        with Batches(service):
            report = fanout.end()
        after = tools.cpu_of_threads_s(service.process.pid)
    return report["events"] * CLIENTS / (after["websocket"] - before["websocket"]), report["events"]


def open_fan_out(name, tls):
    def opened(bench):
        plain_port = free_ports(1)[0]
        with stream_daemon(bench, plain_port) as service:
            port, script = service.api_port if tls else plain_port, bench.work / f"{name}.script"
            seen = [fan_out(bench, service, port, tls, script)[1]]

            def ours():
                rate, seen[0] = fan_out(bench, service, port, tls, script)
                return rate
            yield lambda i: {name: alternate(i, ours, lambda: fan_out_raw(bench, CLIENTS, tls, script, seen[0]))}
    return opened


def bmc_p99_ms(bench, service):
    """Of the middle one of some slices: one hiccup of the host is the p99 of all of them."""
    slices = [tools.load(bench, service, connections=16, rate=BMC_RATE, seconds=bench.seconds(SLICE_SECONDS))
              for _ in range(SLICES)]
    return statistics.median(report["latency_us"]["p99"] for report in slices) / 1000


def open_bmc(bench):
    """Both with the batches; the reading programs stand back, as on other machines."""
    with tools.daemon(bench) as service:
        def beside():
            with streams(bench, service, service.api_port, True, 120) as fanout, Batches(service):
                os.setpriority(os.PRIO_PROCESS, fanout.process.pid, 19)
                return bmc_p99_ms(bench, service)

        def alone():
            with Batches(service):
                return bmc_p99_ms(bench, service)
        yield lambda i: {"post_p99_beside_streams": alternate(i, beside, alone)}


def idle_bytes(bench):
    n, plain_port = 200 if bench.quick else IDLE, free_ports(1)[0]
    with stream_daemon(bench, plain_port) as service:
        # The first ones make what all share.
        with tools.Fanout(bench, plain_port, 50, 60, authorization=tools.authorization(service)):
            before = resident_bytes(service.process.pid)
            with tools.Fanout(bench, plain_port, n, 60, authorization=tools.authorization(service)):
                time.sleep(1)
                return (resident_bytes(service.process.pid) - before) / n


def open_idle(bench):
    yield lambda i: {"idle_stream_bytes": (idle_bytes(bench), None)}


def figures(_bench):
    words = f"frames made beforehand, {CLIENTS} clients"
    for name, tls in (("streams_vs_raw", False), ("streams_tls_vs_raw", True)):
        yield Group([Figure(name, "deliveries/CPU s", words, at_least(0.5))], open_fan_out(name, tls))
    yield Group([Figure("post_p99_beside_streams", "ms", "without streams", at_most(1.5))], open_bmc)
    yield Group([Figure("idle_stream_bytes", "bytes/stream", None, at_most(8192))], open_idle)
