"""The benchmark measures what it says: its generator, its record, its report."""
import collections
import http.server
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
from h2 import config as h2_config
from h2 import connection as h2_connection
from h2 import events as h2_events

import house

BENCH = house.ROOT / "tests/bench"
LOAD = house.BUILD / "bench/load"


def frame():
    spec = importlib.util.spec_from_file_location("bench_frame", BENCH / "frame.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def collector():
    """An HTTP server that keeps every body, refuses each tenth, and drops one unanswered."""
    bodies = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # an answer is one write

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(body)
            if len(bodies) == 55:
                self.close_connection = True
                return
            self.send_response(503 if len(bodies) % 10 == 0 else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], bodies
    server.shutdown()
    thread.join()
    server.server_close()


def load(*arguments):
    done = subprocess.run([LOAD, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=True)
    return json.loads(done.stdout)


def test_no_two_bodies_alike_and_each_is_in_the_record(collector, tmp_path):
    port, bodies = collector
    record = tmp_path / "record"
    result = load("--target", f"http://127.0.0.1:{port}", "--path", "/events/x", "--requests", 200,
                  "--connections", 1, "--per-connection", 30, "--body-bytes", 1500, "--record", record)
    assert result["sent"] == 200 and result["errors"] == 1
    assert result["status"] == {"200": 179, "503": 20} and result["answered_2xx"] == 179
    events = [json.loads(body) for body in bodies]
    assert {len(body) for body in bodies} == {1500}
    noted = dict(line.split() for line in record.read_text().splitlines())
    assert set(noted) == {event["Id"] for event in events} and len(noted) == 200
    assert [event["Events"][0]["EventId"] for event in events] == [e["Id"] for e in events]
    assert collections.Counter(noted.values()) == {"200": 179, "503": 20, "0": 1}
    assert noted[events[54]["Id"]] == "0" and noted[events[9]["Id"]] == "503"


def serve_h2(listener, bodies, n_requests):
    """One connection of HTTP/2 without TLS; streams are answered last first, some at a time."""
    peer, _ = listener.accept()
    h2 = h2_connection.H2Connection(h2_config.H2Configuration(client_side=False))
    h2.initiate_connection()
    whole = []
    with peer:
        while True:
            peer.sendall(h2.data_to_send())
            data = peer.recv(65536)
            if not data:
                return
            for event in h2.receive_data(data):
                if isinstance(event, h2_events.DataReceived):
                    bodies[event.stream_id] += event.data
                    h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2_events.StreamEnded):
                    whole.append(event.stream_id)
            is_last = len(bodies) == n_requests
            while len(whole) >= 4 or (whole and is_last):
                h2.send_headers(whole.pop(), [(":status", "204")], end_stream=True)


def test_streams_of_http2_do_not_mix_their_bodies(tmp_path):
    """Bodies of several frames, interleaved: each is of its own event."""
    bodies, record = collections.defaultdict(bytes), tmp_path / "record"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_h2, args=(listener, bodies, 40))
        thread.start()
        result = load("--target", f"http://127.0.0.1:{listener.getsockname()[1]}", "--path", "/x",
                      "--protocol", "h2", "--connections", 1, "--streams", 8, "--requests", 40,
                      "--body-bytes", 40000, "--record", record)
        thread.join()
    assert result["status"] == {"204": 40} and result["errors"] == 0
    events = [json.loads(body) for body in bodies.values()]
    assert {len(body) for body in bodies.values()} == {40000}
    assert all(event["Id"] == event["Events"][0]["EventId"] for event in events)
    assert len({event["Id"] for event in events}) == 40
    assert {event["Id"] + " 204" for event in events} == set(record.read_text().splitlines())


def test_open_loop_keeps_its_rate(collector):
    port, bodies = collector
    result = load("--target", f"http://127.0.0.1:{port}", "--path", "/", "--rate", 100, "--seconds",
                  1, "--connections", 4)
    assert result["sent"] == 100 == len(bodies)
    assert 0.9 < result["seconds"] < 2


def test_latency_counts_from_when_a_request_was_due():
    """A server that stalls once is charged for all it kept waiting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            peer, _ = listener.accept()
            with peer:
                for i in range(50):
                    if i == 10:
                        time.sleep(0.5)
                    head = b""
                    while b"Note" not in head or not head.endswith(b"}}}]}"):
                        head += peer.recv(65536)
                    peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                peer.recv(1)
        thread = threading.Thread(target=serve)
        thread.start()
        result = load("--target", f"http://127.0.0.1:{listener.getsockname()[1]}", "--path", "/",
                      "--rate", 100, "--requests", 50, "--connections", 1)
        thread.join()
    # 100 a second: during the stall 39 more fell due, and the median of all waited long.
    assert result["answered_2xx"] == 50 and result["latency_us"]["p50"] > 100000


def test_report_has_medians_ratios_and_every_run(tmp_path):
    module = frame()
    figures = [module.Figure("a", "us", "the other", module.at_most(0.9)), module.Figure("b", "ms")]
    runs = [{"a": (1.0, 2.0), "b": (7.0, None)}, {"a": (9.0, 3.0), "b": (5.0, None)},
            {"a": (2.0, 8.0), "b": (6.0, None)}]

    def opened(_bench):
        yield lambda i: runs[i]

    def broken(_bench):
        raise RuntimeError("no such stage")
        yield

    bench = module.Bench(rounds=3)
    groups = [module.Group([module.Figure("c", "s")], broken), module.Group(figures, opened)]
    done, failures = module.run(bench, groups)
    bench.close()
    module.write(tmp_path / "out/bench.json", done)
    result = json.loads((tmp_path / "out/bench.json").read_text())
    assert failures == [["c"]] and set(result) == {"commit", "machine", "figures"}
    first, second = result["figures"]
    assert (first["value"], first["reference_value"], first["ratio"]) == (2.0, 3.0, 0.5)
    assert [run["ratio"] for run in first["runs"]] == [0.5, 3.0, 0.25]
    assert first["reference"] == "the other" and first["unit"] == "us"
    assert second["value"] == 6.0 and second["ratio"] is None and second["reference"] is None
    assert {"cpu", "cores", "kernel"} <= set(result["machine"])


def test_a_real_figure(tmp_path):
    """Both servers answer all of them, and their CPU is of the right order."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    output = tmp_path / "bench.json"
    done = subprocess.run(["/usr/bin/python3", BENCH / "bench.py", "--quick", "--output", output,
                           "--only", "http1_cpu_vs_nginx"], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (figure,) = json.loads(output.read_text())["figures"]
    assert figure["name"] == "http1_cpu_vs_nginx" and len(figure["runs"]) == 1
    assert 0.5 < figure["value"] < 500 and 0.5 < figure["reference_value"] < 500
    assert figure["ratio"] == pytest.approx(figure["value"] / figure["reference_value"])


def test_figures_have_names_of_their_own():
    done = subprocess.run(["/usr/bin/python3", BENCH / "bench.py", "--list"], capture_output=True,
                          text=True, check=True)
    names = done.stdout.split()
    assert "http1_cpu_vs_nginx" in names and len(names) == len(set(names))
