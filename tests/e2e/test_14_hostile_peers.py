"""Peers that flood, stall, reset and stray, over HTTP/1 and HTTP/2: memory stays, the others are served."""
import contextlib
import json
import random
import socket
import ssl
import threading
import time

import pytest
from house import event_body

hpack = pytest.importorskip("hpack", reason="python3-hpack is not installed")
frames = pytest.importorskip("hyperframe.frame", reason="python3-hyperframe is not installed")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GROWTH_KB = 64 * 1024  # what an attack may add to the resident memory, buffers of the kernel aside


def resident_kb(service):
    with open(f"/proc/{service.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


class Others:
    """A BMC that posts an event every 20 ms on a connection of its own, and how long each took."""

    def __init__(self, service):
        self.service, self.took, self.failed = service, [], 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        path = f"/events/{self.service.token}"
        with socket.create_connection(("127.0.0.1", self.service.plain_port), 10, ("127.0.2.1", 0)) as sock:
            while not self._stop.wait(0.02):
                body = json.dumps(event_body()).encode()
                start = time.monotonic()
                sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                if not sock.recv(4096).startswith(b"HTTP/1.1 200"):
                    self.failed += 1
                self.took.append(time.monotonic() - start)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)


@contextlib.contextmanager
def under_attack(service, name):
    """What must hold around any attack."""
    before = resident_kb(service)
    with Others(service) as others:
        time.sleep(0.1)
        yield
        time.sleep(0.1)
    grown = resident_kb(service) - before
    took = sorted(others.took)
    print(f"\n{name}: memory {grown:+} KB, others' median {1000 * took[len(took) // 2]:.1f} ms, "
          f"most {1000 * took[-1]:.0f} ms")
    assert service.process.poll() is None
    assert others.failed == 0 and took
    assert took[len(took) // 2] < 0.25 and took[-1] < 3
    assert grown < GROWTH_KB


def connect(service, tls=False):
    sock = socket.create_connection(("127.0.0.1", service.port if tls else service.plain_port), 10)
    if tls:
        context = ssl.create_default_context(cafile=str(service.ca))
        context.set_alpn_protocols(["h2"])
        sock = context.wrap_socket(sock, server_hostname="localhost")
    return sock


def pour(sock, piece, limit, seconds=2.0):
    """Send `piece` again and again, up to `limit` times, while the door takes it; how many went."""
    sock.settimeout(0.5)
    end = time.monotonic() + seconds
    for n in range(limit):
        try:
            sock.sendall(piece)
        except OSError:
            return n
        if time.monotonic() > end:
            return n
    return limit


def rest(sock, seconds=5.0):
    """All the door still says, until it closes or falls silent."""
    sock.settimeout(seconds)
    said = b""
    with contextlib.suppress(OSError):
        while piece := sock.recv(65536):
            said += piece
    return said


# --- HTTP/1 ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("line", [b"X: y\r\n", b"X: " + b"y" * 4000 + b"\r\n", b"y" * 4096], ids=["many", "large", "endless"])
def test_header_floods(shared_service, line):
    with under_attack(shared_service, f"headers of {len(line)} bytes"):
        for _ in range(20):
            with connect(shared_service) as sock:
                sock.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\n" + (b"" if line.endswith(b"\n") else b"X: "))
                pour(sock, line, 10000)
                answer = rest(sock)
                assert answer.startswith(b"HTTP/1.1 431") or answer == b""


def test_slow_writers_and_readers(shared_service):
    path = f"/events/{shared_service.token}".encode()
    with under_attack(shared_service, "150 slow peers"):
        held = []
        for i in range(150):
            sock = connect(shared_service, tls=i % 5 == 4)
            if i % 3 == 0:
                sock.sendall(b"POST " + path + b" HTTP/1.1\r\nHost:")
            elif i % 3 == 1:
                sock.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n{")
            else:  # never reads what it is answered
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                pour(sock, b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 3000, 0.05)
            held.append(sock)
        for _ in range(10):
            for sock in held:
                with contextlib.suppress(OSError):
                    sock.sendall(b" ")
            time.sleep(0.05)
        for sock in held:
            sock.close()


def test_resets_at_any_moment(shared_service):
    rng = random.Random(7)
    path = f"/events/{shared_service.token}".encode()
    body = json.dumps(event_body()).encode()
    whole = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with under_attack(shared_service, "400 resets"):
        for _ in range(400):
            with connect(shared_service) as sock:
                sock.sendall(whole[:rng.randrange(len(whole) + 1)])
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_half_close_gets_its_answer(shared_service):
    path = f"/events/{shared_service.token}".encode()
    body = json.dumps(event_body()).encode()
    with connect(shared_service) as sock:
        sock.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        sock.shutdown(socket.SHUT_WR)
        assert rest(sock).startswith(b"HTTP/1.1 200")


# --- HTTP/2 ---------------------------------------------------------------------------------------

def headers_block(path="/events", method="POST", *more):
    return hpack.Encoder().encode([(":method", method), (":scheme", "http"), (":path", path), (":authority", "x"), *more])


def headers_frame(stream, block, flags=("END_HEADERS",)):
    frame = frames.HeadersFrame(stream, data=block)
    for flag in flags:
        frame.flags.add(flag)
    return frame.serialize()


def start_http2(sock):
    sock.sendall(PREFACE + frames.SettingsFrame(0).serialize())


def said_frames(data):
    found, at = [], 0
    while at + 9 <= len(data):
        frame, length = frames.Frame.parse_frame_header(memoryview(data[at:at + 9]))
        if at + 9 + length > len(data):
            break
        frame.parse_body(memoryview(data[at + 9:at + 9 + length]))
        found.append(frame)
        at += 9 + length
    return found


def goaway_code(sock):
    """The error code of the door's GOAWAY; None when it closed without one or goes on."""
    codes = [f.error_code for f in said_frames(rest(sock, 3)) if isinstance(f, frames.GoAwayFrame)]
    return codes[-1] if codes else None


def flood_continuations(sock):
    sock.sendall(headers_frame(1, headers_block()[:4], flags=()))
    pour(sock, frames.ContinuationFrame(1, data=b"").serialize(), 100000)


def flood_resets(sock):
    block = headers_block("/events/aaaaaaaaaaaaaaaa")
    for stream in range(1, 40001, 2):
        try:
            sock.sendall(headers_frame(stream, block) + frames.RstStreamFrame(stream, error_code=8).serialize())
        except OSError:
            return


def flood_pings(sock):
    pour(sock, frames.PingFrame(0, opaque_data=b"12345678").serialize() * 100, 20000)


def flood_settings(sock):
    pour(sock, frames.SettingsFrame(0, settings={4: 65535}).serialize() * 100, 20000)


def flood_priorities(sock):
    frame = frames.PriorityFrame(1, depends_on=0, stream_weight=9)
    pour(sock, frame.serialize() * 100, 20000, 1.0)


def flood_empty_data(sock):
    sock.sendall(headers_frame(1, headers_block()))
    pour(sock, frames.DataFrame(1, data=b"").serialize() * 100, 20000, 1.0)


def bomb_hpack(sock):
    """A value of 4 KB put in the table, then named a thousand times: 4 MB of headers in a few KB."""
    encoder = hpack.Encoder()
    block = encoder.encode([(":method", "POST"), (":scheme", "http"), (":path", "/events"), (":authority", "x"),
                            ("bomb", "b" * 3900)])
    block += encoder.encode([("bomb", "b" * 3900)] * 1000)
    for stream in range(1, 400, 2):
        try:
            sock.sendall(headers_frame(stream, block if stream == 1 else block[-1000:], ("END_HEADERS", "END_STREAM")))
        except OSError:
            return


def flood_headers(sock):
    sock.sendall(headers_frame(1, headers_block("/events", "POST", *((f"x{i}", "y" * 200) for i in range(60))), flags=()))


def never_open_windows(sock):
    """Ask for answers and take none of them."""
    sock.sendall(frames.SettingsFrame(0, settings={4: 0}).serialize())
    block = headers_block("/none", "GET")
    for stream in range(1, 4001, 2):
        try:
            sock.sendall(headers_frame(stream, block, ("END_HEADERS", "END_STREAM")))
        except OSError:
            return


FLOODS = [flood_continuations, flood_resets, flood_pings, flood_settings, flood_priorities, flood_empty_data, bomb_hpack,
          flood_headers, never_open_windows]


@pytest.mark.parametrize("tls", [False, True], ids=["prior_knowledge", "tls"])
@pytest.mark.parametrize("flood", FLOODS, ids=lambda f: f.__name__)
def test_http2_floods(shared_service, flood, tls):
    with under_attack(shared_service, flood.__name__):
        for _ in range(3):
            with connect(shared_service, tls) as sock:
                start_http2(sock)
                flood(sock)


# What breaks a rule of RFC 9113, and the error code that says so (None: the stream ends, or it is ignored).
BROKEN = [
    ("data on an idle stream", frames.DataFrame(1, data=b"x").serialize(), 1),
    ("an even stream", headers_frame(2, headers_block()), 1),
    ("a frame too long", b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 20000, 6),
    ("a window past its end", frames.WindowUpdateFrame(0, window_increment=0x7FFFFFFF).serialize(), 3),
    ("settings on a stream", b"\0\0\0\4\0\0\0\0\1", 1),
    ("settings of a wrong length", b"\0\0\5\4\0\0\0\0\0abcde", 6),
    ("a ping of a wrong length", b"\0\0\4\6\0\0\0\0\0ping", 6),
    ("a push", b"\0\0\5\5\4\0\0\0\1\0\0\0\2\x82", 1),
    ("continuation without headers", frames.ContinuationFrame(1, data=b"x").serialize(), 1),
    ("headers, then something else", headers_frame(1, headers_block(), ()) + frames.PingFrame(0, opaque_data=b"12345678").serialize(), 1),
    ("a header block that is none", headers_frame(1, b"\xff\xff\xff\xff\xff\xff\xff"), 9),
    ("padding longer than its frame", b"\0\0\2\0\x08\0\0\0\1\xffa", 1),
    ("an unknown frame", b"\0\0\1\xee\0\0\0\0\0x", None),
]


@pytest.mark.parametrize("data, code", [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_frames(shared_service, data, code):
    with connect(shared_service) as sock:
        start_http2(sock)
        sock.sendall(data)
        if code is None:
            sock.sendall(frames.PingFrame(0, opaque_data=b"stillfor").serialize())
            assert any(isinstance(f, frames.PingFrame) for f in said_frames(rest(sock, 1)))
        else:
            assert goaway_code(sock) == code


@pytest.mark.parametrize("path", ["/none", "/events/aaaaaaaaaaaaaaaa"])
def test_data_on_a_stream_that_is_over(shared_service, path):
    """It changes nothing: one answer, and the connection is refused (STREAM_CLOSED) or goes on. What
    comes together with the request may be refused before the answer is on its way."""
    for pause in (0, 0.2):
        with connect(shared_service) as sock:
            start_http2(sock)
            sock.sendall(headers_frame(1, headers_block(path, "GET"), ("END_HEADERS", "END_STREAM")))
            time.sleep(pause)
            sock.sendall(frames.DataFrame(1, data=b"late").serialize() * 3)
            sock.sendall(frames.PingFrame(0, opaque_data=b"stillfor").serialize())
            said = said_frames(rest(sock, 1))
            n_answers = sum(isinstance(f, frames.HeadersFrame) for f in said)
            codes = [f.error_code for f in said if isinstance(f, (frames.GoAwayFrame, frames.RstStreamFrame))]
            assert n_answers == 1 or (pause == 0 and n_answers == 0 and codes == [5])
            assert codes == [5] or (codes == [] and any(isinstance(f, frames.PingFrame) for f in said))


def test_preface_garbage(shared_service):
    for data in (PREFACE[:-1] + b"X", PREFACE + b"garbage" * 10, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", PREFACE[:10]):
        with connect(shared_service) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            rest(sock, 3)
    assert shared_service.post(event_body()).status_code == 200
