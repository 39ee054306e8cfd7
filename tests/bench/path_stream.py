"""From a committed event to those who follow: how much later than the 200, and at what cost.

The least a fan-out costs is fanout_raw: frames made beforehand, one write a client. It plays the
very messages of our run again, at the same times and to as many clients, so that both pay alike
for waking readers.
"""
import contextlib
import json
import os
import signal
import subprocess
import time
import types

import path_tools as tools
from frame import Figure, Group, alternate, at_least, at_most
from nginx import free_ports, make_certificate

CLIENTS, MANY = 100, 1000
PROBES_A_SECOND = 100
MODERATE = 100  # events a second beside the probes
SECONDS = 4.0
STALLED, FILL_SECONDS = 100, 30
LEAST = "two fdatasyncs, one write a client"
FANOUT_RATE = {CLIENTS: 1000, MANY: 100}  # events a second


def stream_daemon(bench, plain_port):
    return tools.daemon(bench, [f"api.listen_plain=['127.0.0.1:{plain_port}']"])


# --- POST to frame ----------------------------------------------------------------------------

def probe(bench, service, **options):
    seconds = bench.seconds(SECONDS)
    fanout = tools.Fanout(bench, service.api_port, CLIENTS, seconds, tls=True,
                          post=f"127.0.0.1:{service.port}", path=f"/events/{service.token}",
                          rate=PROBES_A_SECOND, **options)
    with fanout, tools.loaded(bench, service, connections=16, rate=MODERATE, seconds=seconds):
        report = fanout.end()
    if report["missing"] or report["refused"]:
        raise RuntimeError(f"probes that did not come back: {report}")
    return report


def probe_raw(bench):
    """The same of a program that does the least."""
    door, stream = free_ports(2)
    with tools.state_dir() as folder:
        words = [bench.build / "bench/stream_raw", door, stream, CLIENTS, folder,
                 *make_certificate(bench.work)]
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        try:
            if process.stdout.readline() != "listening\n":
                raise RuntimeError("stream_raw does not listen")
            return probe(bench, types.SimpleNamespace(api_port=stream, port=door, plain_port=door,
                                                      token="raw"))
        finally:
            process.communicate("")


def open_extra(bench):
    with tools.daemon(bench) as service:
        def one_round(i):
            ours, raw = alternate(
                i, lambda: probe(bench, service, authorization=tools.authorization(service)),
                lambda: probe_raw(bench))
            seen = {f"{name}_ms_{at}": (ours[key][at] / 1000, None)
                    for name, key in (("post_to_stream", "whole_us"),
                                      ("post_to_stream_extra", "extra_us"))
                    for at in ("p50", "p99")}
            for at in ("p50", "p99"):
                seen[f"post_to_stream_extra_{at}_vs_raw"] = tuple(
                    report["extra_us"][at] / 1000 for report in (ours, raw))
            seen["post_to_stream_p99_less_post_p99_ms"] = (
                (ours["whole_us"]["p99"] - ours["post_us"]["p99"]) / 1000, None)
            return seen
        yield one_round


# --- fan-out ----------------------------------------------------------------------------------

def fan_out(bench, service, port, clients, tls, script, languages="en"):
    """Events delivered for a second of CPU of the threads that do it; leaves the script."""
    seconds = bench.seconds(SECONDS)
    fanout = tools.Fanout(bench, port, clients, seconds + 1, tls=tls, record=script,
                          languages=languages,
                          authorization=tools.authorization(service))
    with fanout:
        before = tools.cpu_of_threads_s(service.process.pid)
        tools.load(bench, service, connections=16, rate=FANOUT_RATE[clients], seconds=seconds)
        report = fanout.end()
        after = tools.cpu_of_threads_s(service.process.pid)
    return report["events"] * clients / (after["websocket"] - before["websocket"]), report["events"]


@contextlib.contextmanager
def raw_server(bench, port, clients, tls, script):
    words = [str(bench.build / "bench/fanout_raw"), str(port), str(clients), str(script)]
    if tls:
        words += [str(path) for path in make_certificate(bench.work)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() != "listening\n":
            raise RuntimeError("fanout_raw does not listen")
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def fan_out_raw(bench, clients, tls, script, n_events):
    """The same for the program that only writes."""
    port = free_ports(1)[0]
    with raw_server(bench, port, clients, tls, script) as server:
        with tools.Fanout(bench, port, clients, 60, tls=tls) as fanout:
            server.stdout.readline()
            server.stdin.write("play\n")
            server.stdin.flush()
            cpu = json.loads(server.stdout.readline())["cpu_s"]
            fanout.end(now=True)
    return n_events * clients / cpu


def open_fan_out(name, clients, tls):
    def both(bench):
        plain_port = free_ports(1)[0]
        with stream_daemon(bench, plain_port) as service:
            port = service.api_port if tls else plain_port
            script = bench.work / f"{name}.script"
            seen = [fan_out(bench, service, port, clients, tls, script)[1]]

            def ours():
                rate, n_events = fan_out(bench, service, port, clients, tls, script)
                seen[0] = n_events
                return rate
            yield lambda i: {name: alternate(
                i, ours, lambda: fan_out_raw(bench, clients, tls, script, seen[0]))}
    return both


@contextlib.contextmanager
def stalled_clients(bench, service, port):
    """Who stopped reading, and for whom nothing more fits into the kernel."""
    with tools.Fanout(bench, port, STALLED, 600, authorization=tools.authorization(service)) as fanout:
        os.kill(fanout.process.pid, signal.SIGSTOP)
        end, before = time.monotonic() + FILL_SECONDS, None
        while (now := tools.unsent_bytes(port)) != before or len(now) < STALLED:
            if time.monotonic() > end:
                raise RuntimeError(f"{len(now)} of {STALLED} clients are stalled")
            before = now
            tools.load(bench, service, connections=16, rate=FANOUT_RATE[CLIENTS], seconds=1)
        yield


def open_stalled(bench):
    plain_port = free_ports(1)[0]
    with stream_daemon(bench, plain_port) as service:
        def rate():
            return fan_out(bench, service, plain_port, CLIENTS, False, bench.work / "stalled.script")[0]

        def beside():
            with stalled_clients(bench, service, plain_port):
                return rate()
        yield lambda i: {"fanout_beside_stalled": alternate(i, beside, rate)}


def open_languages(bench):
    """The same events to as many clients: in three languages, and in one of them."""
    plain_port = free_ports(1)[0]
    with stream_daemon(bench, plain_port) as service:
        def rate(languages):
            return fan_out(bench, service, plain_port, CLIENTS, False,
                           bench.work / "languages.script", languages)[0]
        rate("de,ja,ar")
        yield lambda i: {"fanout_languages_vs_one": alternate(
            i, lambda: rate("de,ja,ar"), lambda: rate("ja"))}


def figures(_bench):
    yield Group([Figure("post_to_stream_ms_p50", "ms"), Figure("post_to_stream_ms_p99", "ms"),
                 Figure("post_to_stream_extra_ms_p50", "ms"),
                 Figure("post_to_stream_extra_ms_p99", "ms", None, at_most(5)),
                 Figure("post_to_stream_p99_less_post_p99_ms", "ms"),
                 Figure("post_to_stream_extra_p50_vs_raw", "ms", LEAST),
                 Figure("post_to_stream_extra_p99_vs_raw", "ms", LEAST)], open_extra)
    yield Group([Figure("fanout_languages_vs_one", "deliveries/CPU s", "all clients in one language",
                        at_least(0.9))], open_languages)
    yield Group([Figure("fanout_beside_stalled", "deliveries/CPU s", "the same without stalled clients",
                        at_least(0.9))], open_stalled)
    for name, clients, tls in (("fanout_vs_raw", CLIENTS, False),
                               ("fanout_tls_vs_raw", CLIENTS, True),
                               ("fanout_1000_vs_raw", MANY, False)):
        yield Group([Figure(name, "deliveries/CPU s", f"frames made beforehand, {clients} clients",
                            at_least(0.5))], open_fan_out(name, clients, tls))
