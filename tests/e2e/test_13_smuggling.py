"""Bytes that two readers could see two ways: no event comes out of them that a strict reader would not see."""
import json
import socket

import pytest

from house import event_body

OUTER, HIDDEN = "outer", "hidden"


def delivery(path, event_id, *headers, body=None):
    body = json.dumps(event_body(EventId=event_id)).encode() if body is None else body
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: x", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def length(body):
    return b"Content-Length: %d" % len(body)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def attacks(path):
    """(name, bytes): each carries a whole delivery where a lenient reader would find one."""
    outer = json.dumps(event_body(EventId=OUTER)).encode()
    inner = json.dumps(event_body(EventId=HIDDEN)).encode()
    hidden = delivery(path, HIDDEN, length(inner), body=inner)
    end = b"0\r\n\r\n"

    def of(*headers, body):
        return delivery(path, OUTER, *headers, body=body)

    yield "CL.TE", of(length(end + hidden), b"Transfer-Encoding: chunked", body=end + hidden)
    yield "TE.CL", of(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=chunk(hidden) + end)
    for te in (b"Transfer-Encoding : chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding:\x0bchunked",
               b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding\x00: chunked", b" Transfer-Encoding: chunked",
               b"Transfer-Encoding: chun\x00ked", b"X: y\nTransfer-Encoding: chunked",
               b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding:\r\n chunked"):
        yield f"TE.TE {te!r}", of(te, length(end + hidden), body=end + hidden)
    for cl in (b"Content-Length: +0", b"Content-Length: -1", b"Content-Length: 0x0", b"Content-Length: 0, 0",
               b"Content-Length: 0\r\nContent-Length: %d" % len(hidden), b"Content-Length: 0 0", b"Content-Length: 0;",
               b"Content-Length : 0", b"Content-Length: 18446744073709551616", b"Content-Length: 0\x00"):
        yield f"CL {cl!r}", of(cl, body=hidden)
    for size in (b"0x0", b"+0", b"-0", b"10000000000000000", b"0 x", b";", b"0\n\n", b"ffffffffffffffff", b""):
        yield f"chunk {size!r}", of(b"Transfer-Encoding: chunked", body=size + b"\r\n\r\n" + hidden)
    yield "chunk without its end", of(b"Transfer-Encoding: chunked", body=chunk(outer)[:-2] + b"xx" + end + hidden)
    yield "chunk extension with LF", of(b"Transfer-Encoding: chunked", body=b"0;a\n\r\n" + hidden)
    yield "a request for a trailer", of(b"Transfer-Encoding: chunked", body=chunk(outer) + b"0\r\n" + hidden)
    yield "folded header", delivery(path, OUTER, b"X: y\r\n Content-Length: 0", length(outer + hidden), body=outer)
    yield "bare LF head", delivery(path, OUTER, b"X: y\n\n" + hidden, length(outer), body=outer)
    yield "bare CR", delivery(path, OUTER, b"X: y\r\r\n" + hidden, length(outer), body=outer)
    yield "two hosts", delivery(path, OUTER, b"Host: y", length(outer), body=outer) + hidden
    yield "1.0 chunked", of(b"Transfer-Encoding: chunked", body=end + hidden).replace(b"HTTP/1.1", b"HTTP/1.0", 1)


def say(service, data):
    with socket.create_connection(("127.0.0.1", service.plain_port), timeout=5) as sock:
        sock.settimeout(3)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
        except (TimeoutError, OSError):
            pass
    return answer


@pytest.fixture(scope="module")
def path(shared_service):
    return f"/events/{shared_service.token}"


def test_nothing_hidden_is_logged(shared_service, path):
    n = 0
    for name, data in attacks(path):
        answer = say(shared_service, data)
        status = [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert status and status[0] >= 400 and len(status) == 1, (name, answer)
        n += 1
    assert n > 30
    # What is behind a delivery that is whole is a delivery of its own: the check below can see events.
    inner = json.dumps(event_body(EventId="second")).encode()
    body = json.dumps(event_body(EventId="first")).encode()
    both = delivery(path, "first", length(body), body=body) + delivery(path, "second", length(inner), body=inner)
    assert say(shared_service, both).count(b"HTTP/1.1 200") == 2
    logged = [entry["EventId"] for entry in shared_service.wait_entries(2)]
    assert logged == ["first", "second"]


def test_a_body_may_look_like_a_request(shared_service, path):
    """Within its length everything is body."""
    before = len(shared_service.entries())
    hidden = delivery(path, HIDDEN, length(b"{}"), body=b"{}").decode()
    body = json.dumps(event_body(EventId="innocent", Message=hidden)).encode()
    assert say(shared_service, delivery(path, OUTER, length(body), body=body)).count(b"HTTP/1.1 200") == 1
    pieces = b"".join(chunk(body[i:i + 7]) for i in range(0, len(body), 7)) + b"0\r\n\r\n"
    again = delivery(path, OUTER, b"Transfer-Encoding: chunked", body=pieces)
    assert say(shared_service, again).count(b"HTTP/1.1 200") == 1  # the same body: a repeat
    logged = [entry["EventId"] for entry in shared_service.wait_entries(before + 1)][before:]
    assert logged == ["innocent"]
