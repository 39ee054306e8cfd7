"""Our HTTP/1 parser beside python3-h11 and Node's llhttp, on the same bytes.

Two parsers agree on an input when they read the same requests out of it: method, target and body of each,
in order. Where they do not, a rule below must say why ours is right; a disagreement without a rule fails,
and so does a rule that explains nothing any more. Refusing what others take is fine; taking what both
others refuse never is.
"""
import collections
import itertools
import json
import os
import random
import shutil
import struct
import subprocess

import pytest

import house

h11 = pytest.importorskip("h11", reason="python3-h11 is not installed: parsers are not compared")

MUTATIONS = int(os.environ.get("RFEVENTD_MUTATIONS", "6000"))
TOOL = house.BUILD / "tools/http1_requests"


# --- the inputs -----------------------------------------------------------------------------------

def request(line=b"POST /a HTTP/1.1", headers=(b"Host: h",), body=b"", eol=b"\r\n"):
    return eol.join([line, *headers, b"", b""]) + body


def with_length(body=b"abc", *more):
    return request(headers=(b"Host: h", b"Content-Length: %d" % len(body), *more), body=body)


def chunked(body, *more, te=b"Transfer-Encoding: chunked"):
    return request(headers=(b"Host: h", te, *more), body=body)


NEXT = request(b"GET /next HTTP/1.1")
CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"


def hand_written():
    """Edge cases, each one behind and in front of a plain request where that can matter."""
    yield from (request(b"GET / HTTP/1.1"), with_length(), chunked(CHUNKS), NEXT + NEXT, b"\r\n" + NEXT)
    for line in (b"GET / HTTP/1.0", b"GET / HTTP/1.2", b"GET / HTTP/2.0", b"GET / HTTP/0.9", b"GET /", b"GET / HTTP/1.10",
                 b"GET / HTTP/1", b"GET / http/1.1", b"GET / HTTP/1.1 ", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1",
                 b" GET / HTTP/1.1", b"GET\t/\tHTTP/1.1", b"get / HTTP/1.1", b"G@T / HTTP/1.1", b"BREW / HTTP/1.1",
                 b"M-SEARCH * HTTP/1.1", b"PRI * HTTP/2.0", b"OPTIONS * HTTP/1.1", b"GET * HTTP/1.1",
                 b"CONNECT h:443 HTTP/1.1", b"GET http://h/x?y HTTP/1.1", b"GET HTTP://h HTTP/1.1",
                 b"GET http:///x HTTP/1.1", b"GET ftp://h/x HTTP/1.1", b"GET x HTTP/1.1", b"GET ?x HTTP/1.1",
                 b"GET /a b HTTP/1.1", b"GET /a#b HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1", b"GET /\x00 HTTP/1.1",
                 b"GET /\x7f HTTP/1.1", b"GET /\x01 HTTP/1.1", b"GET /a\rb HTTP/1.1", b"GET /%zz HTTP/1.1",
                 b"GET /[x]{y}|z^`\"<> HTTP/1.1", b"GET /\\ HTTP/1.1", b"GET /" + b"a" * 9000 + b" HTTP/1.1",
                 b"", b"\x16\x03\x01\x02\x00", b"SSTP_DUPLEX_POST / HTTP/1.1"):
        yield request(line) + NEXT
    for header in (b"X: y", b"X:y", b"X:  y \t", b"X:", b"X: ", b": y", b"X : y", b"X\t: y", b" X: y", b"X y", b"X", b"X: a\rb",
                   b"X: a\x00b", b"X: a\x01b", b"X: a\x7fb", b"X: \xe4\xf6", b"X\xe4: y", b"X: y\r\n folded", b"X: y\r\n\tfolded",
                   b"X: y\r\n \r\n z", b"X(: y", b"\"X\": y", b"X: " + b"v" * 9000, b"@: y", b"X: y\n", b"X: y\nZ: w",
                   b"X: y\r\r", b"Host: h", b"Host: i", b"Host:", b"Host: a b", b"Host: a,b", b"Host: u@h", b"Host: h/x",
                   b"Expect: 100-continue", b"Expect: more", b"Connection: close", b"Connection: keep-alive",
                   b"Connection: close, x", b"Connection: upgrade\r\nUpgrade: websocket", b"Upgrade: h2c",
                   b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c", b"Trailer: X", b"TE: trailers",
                   b"Proxy-Connection: close", b"Content-Type:"):
        yield request(b"GET / HTTP/1.1", (b"Host: h", header)) + NEXT
        yield with_length(b"abc", header) + NEXT
    yield request(b"GET / HTTP/1.1", ()) + NEXT
    yield request(b"GET / HTTP/1.0", ()) + NEXT
    yield request(b"GET / HTTP/1.0", (b"Connection: keep-alive",)) + NEXT
    yield request(b"GET / HTTP/1.1", (b"Host: h",), eol=b"\n") + NEXT
    yield request(b"GET / HTTP/1.1", [b"Host: h"] + [b"X%d: y" % i for i in range(63)]) + NEXT
    yield request(b"GET / HTTP/1.1", [b"Host: h"] + [b"X%d: y" % i for i in range(90)]) + NEXT
    for length in (b"3", b" 3 ", b"03", b"+3", b"-3", b"0x3", b"3.0", b"3,3", b"3, 3", b"3 3", b"3;", b"", b"abc", b"\xd9\xa3",
                   b"18446744073709551616", b"99999999999999999999999", b"3\x00", b"1e1", b"3\r\nContent-Length: 3",
                   b"3\r\nContent-Length: 5", b"3\r\ncontent-length: 3", b"0\r\nTransfer-Encoding: chunked", b"4"):
        yield request(headers=(b"Host: h", b"Content-Length: " + length), body=b"abc") + NEXT
        yield request(headers=(b"Host: h", b"Content-Length:" + length), body=CHUNKS) + NEXT
    for te in (b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED", b"Transfer-Encoding: chunked ",
               b"Transfer-Encoding : chunked", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: xchunked",
               b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
               b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
               b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"Transfer-Encoding: \"chunked\"",
               b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding:", b"Transfer-Encoding:\r\n chunked",
               b"Transfer_Encoding: chunked", b"Transfer-Encoding\x00: chunked", b"Transfer-Encoding: chun\x00ked",
               b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked,", b"X: y\nTransfer-Encoding: chunked"):
        yield chunked(CHUNKS, te=te) + NEXT
        yield chunked(CHUNKS, b"Content-Length: 3", te=te) + NEXT
        yield request(b"POST / HTTP/1.0", (b"Host: h", te), CHUNKS) + NEXT
    for body in (CHUNKS, b"03\r\nabc\r\n0\r\n\r\n", b"3;x\r\nabc\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0;z\r\n\r\n", b"3 ;x\r\nabc\r\n0\r\n\r\n",
                 b"3 \r\nabc\r\n0\r\n\r\n", b" 3\r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"3\r\nabc0\r\n\r\n", b"3\r\nabc\r\r\n0\r\n\r\n",
                 b"3\r\nabc\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n",
                 b"3\r\nabcd\r\n0\r\n\r\n", b"g\r\nabc\r\n0\r\n\r\n", b"\r\nabc\r\n0\r\n\r\n", b"A\r\n0123456789\r\n0\r\n\r\n",
                 b"a\r\n0123456789\r\n00\r\n\r\n", b"10000000000000003\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
                 b"0000000000000003\r\nabc\r\n0\r\n\r\n", b"00000000000000000003\r\nabc\r\n0\r\n\r\n",
                 b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", b"3\r\nabc\r\n0\r\nX y\r\n\r\n", b"3\r\nabc\r\n0\r\n: y\r\n\r\n",
                 b"3\r\nabc\r\n0\r\nX: y\n\r\n", b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n", b"3\r\nabc\r\n0\r\n folded\r\n\r\n",
                 b"3;" + b"x" * 300 + b"\r\nabc\r\n0\r\n\r\n", b"3;x=\"\r\n\"\r\nabc\r\n0\r\n\r\n", b"3;x\ry\r\nabc\r\n0\r\n\r\n",
                 b"3;\x00\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\nX: " + b"v" * 9000 + b"\r\n\r\n", b"0\r\n\r\n", b"3\r\nab", b"3",
                 b"3\r\nabc\r\n0\r\n", b"3\rabc\r\n0\r\n\r\n"):
        yield chunked(body) + NEXT


def mutations(seed=20261121):
    """Inputs with a few bytes changed, doubled, cut out or moved."""
    rng = random.Random(seed)
    bases = [with_length() + NEXT, chunked(CHUNKS) + NEXT, NEXT + with_length(b"hello", b"Connection: close"),
             chunked(b"3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n") + with_length(), request(b"GET http://h/x HTTP/1.1") + NEXT]
    pieces = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b";", b"\x00", b"\x7f", b"\xff", b"0", b"3", b"f", b"Content-Length: 3\r\n",
              b"Transfer-Encoding: chunked\r\n", b"chunked", b"HTTP/1.1", b"HTTP/1.0", b"Host: h\r\n", b"Connection: close\r\n", b"%", b"/", b"-", b"+"]
    for _ in range(MUTATIONS):
        data = bytearray(rng.choice(bases))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            at = rng.randrange(len(data) + 1)
            change = rng.randrange(4)
            if change == 0:
                data[at:at] = rng.choice(pieces)
            elif change == 1:
                del data[at:at + rng.choice((1, 1, 2, 5))]
            elif change == 2 and at < len(data):
                data[at] = rng.choice((rng.randrange(256), 13, 10, 32, 58))
            else:
                end = min(len(data), at + rng.randrange(1, 20))
                data[at:at] = data[at:end]
        yield bytes(data)


# --- the readers ----------------------------------------------------------------------------------

Reading = collections.namedtuple("Reading", "requests error")


def run(command, inputs):
    data = b"".join(struct.pack("<I", len(one)) + one for one in inputs)
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=120)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(inputs), done.stderr.decode()[:2000]
    return [json.loads(line) for line in lines]


def target_of(text):
    """A target as ours names it: absolute-form is reduced to its path."""
    lowered = text.lower()
    for scheme in ("http://", "https://"):
        if lowered.startswith(scheme):
            rest = text[len(scheme):]
            cut = min([i for i in (rest.find("/"), rest.find("?")) if i >= 0], default=len(rest))
            text = rest[cut:] if rest[cut:].startswith("/") else "/" + rest[cut:]
    return text


def ours(inputs):
    readings = []
    for out in run([str(TOOL)], inputs):
        requests = [(r["method"], r["path"] + ("?" + r["query"] if r["query"] else ""), r["body"]) for r in out["requests"]]
        readings.append(Reading(requests, out["words"] if out["status"] else None))
    return readings


def llhttp(inputs):
    readings = []
    for out in run(["node", "--no-warnings", str(house.ROOT / "tests/tools/llhttp.js")], inputs):
        requests = [(r["method"], target_of(r["url"]), r["body"]) for r in out["requests"]]
        readings.append(Reading(requests, out["error"]))
    return readings


def h11_one(data):
    requests = []
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=16384)
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                now, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                requests.append((now.method.decode("latin-1"), target_of(now.target.decode("latin-1")), body.hex()))
                if connection.their_state is not h11.DONE:  # an upgrade it waits for us to decide
                    return Reading(requests, "paused")
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return Reading(requests, None)
                connection.start_next_cycle()
            else:
                return Reading(requests, None)
    except h11.RemoteProtocolError as error:
        return Reading(requests, str(error))


# --- why they may differ --------------------------------------------------------------------------

Rule = collections.namedtuple("Rule", "name other kind clause why holds")


def refused(words):
    """We say no, with these words."""
    return lambda data, mine, theirs: mine.error is not None and words in mine.error


def they_say(words):
    return lambda data, mine, theirs: theirs.error is not None and words in theirs.error


# kind: "stricter" we read fewer requests, "laxer" more, "other" different ones. In order: the first that
# holds explains.
RULES = [
    Rule(name, "both", "stricter", clause, why, refused(words)) for name, words, clause, why in (
        ("version", "HTTP version", "RFC 9112 2.3", "HTTP-version is exactly HTTP/DIGIT.DIGIT, and only major 1 is spoken"),
        ("request line", "request line has no", "RFC 9112 3", "one method, one space, a target of visible ASCII, one space, a version"),
        ("target form", "target is not a path", "RFC 9112 3.2", "origin-form, or absolute-form with http or https; this is no proxy"),
        ("asterisk", "may have '*'", "RFC 9112 3.2.4", "asterisk-form is for OPTIONS alone"),
        ("fragment", "holds a fragment", "RFC 9112 3.2", "a target has no fragment"),
        ("host", "Host is", "RFC 9112 3.2", "exactly one Host that is a host: MUST answer 400 otherwise"),
        ("header line", "header line is folded", "RFC 9112 5.1, 5.2", "no blank around the name, no folding"),
        ("header value", "holds a control character", "RFC 9110 5.5", "CR, LF and NUL are refused; so are the other controls"),
        ("many headers", "too many headers", "RFC 6585 5", "a cap of ours: 64"),
        ("length", "Content-Length is given twice", "RFC 9112 6.3", "one Content-Length of digits alone; a list of equal ones may be refused"),
        ("length and encoding", "exclude each other", "RFC 9112 6.1, 6.3", "both in one message is how requests are smuggled: refused"),
        ("encoding", "transfer encodings", "RFC 9112 6.1", "chunked alone is understood; anything else gets 501"),
        ("encoding in 1.0", "has no Transfer-Encoding", "RFC 9112 6.1", "faulty framing in HTTP/1.0: refused"),
        ("expectation", "expectations", "RFC 9110 10.1.1", "417 for what cannot be met"),
        ("bare LF", "bare LF", "RFC 9112 2.2", "a line ends in CRLF; that a recipient MAY take LF alone is no duty"),
        ("chunks", "chunks", "RFC 9112 7.1", "a chunk line is hex digits, extensions without controls, CRLF; data end in CRLF"),
    )
] + [
    Rule("their methods", "llhttp", kind, "RFC 9110 9.1", "any token is a method, and it is case-sensitive; the handler says 405",
         they_say("HPE_INVALID_METHOD")) for kind in ("laxer", "other")
] + [
    Rule("minor version", "llhttp", "laxer", "RFC 9110 2.5", "a higher minor version is spoken to as 1.1",
         they_say("HPE_INVALID_VERSION")),
    Rule("upgrade", "both", "laxer", "RFC 9110 7.8", "an upgrade that is not taken is a plain request; others wait for a decision",
         lambda data, mine, theirs: b"pgrade" in data and theirs.error in (None, "paused")),
    Rule("proxy-connection", "llhttp", "laxer", "RFC 9112 C.2.2", "Proxy-Connection means nothing",
         lambda data, mine, theirs: b"Proxy-Connection" in data),
    Rule("extension", "llhttp", "laxer", "RFC 9112 7.1.1", "chunk extensions that are not understood are ignored, whatever they say",
         lambda data, mine, theirs: theirs.error == "HPE_STRICT" and b"3;" in data),
    Rule("length in a trailer", "llhttp", "laxer", "RFC 9110 6.5.1", "a trailer does not frame the message; it is dropped",
         they_say("HPE_INVALID_CONTENT_LENGTH")),
    Rule("keep-alive in 1.0", "h11", "laxer", "RFC 9112 9.3", "HTTP/1.0 persists when it asks to",
         lambda data, mine, theirs: b"HTTP/1.0" in data and theirs.error == "paused"),
    Rule("blank line first", "h11", "laxer", "RFC 9112 2.2", "one empty line before a request is ignored",
         they_say("no request line received")),
]


def explain(data, mine, other, theirs):
    n = len(os.path.commonprefix([mine.requests, theirs.requests]))
    if mine.requests == theirs.requests:
        return None
    kind = "stricter" if n == len(mine.requests) else "laxer" if n == len(theirs.requests) else "other"
    for rule in RULES:
        if rule.other in (other, "both") and rule.kind == kind and rule.holds(data, mine, theirs):
            return rule.name
    return f"unexplained: {kind} than {other}"


def allowed_alone(data):
    """Where we stand alone: an upgrade not taken, whose decision both others wait for."""
    return b"pgrade" in data


@pytest.fixture(scope="module")
def inputs():
    if not TOOL.exists():
        pytest.skip(f"{TOOL} is not built")
    return list(dict.fromkeys(itertools.chain(hand_written(), mutations())))


def check(inputs, other, readings):
    seen, unexplained = collections.Counter(), []
    for data, mine, theirs in zip(inputs, ours(inputs), readings):
        name = explain(data, mine, other, theirs)
        if name and name.startswith("unexplained"):
            unexplained.append((name, data, mine, theirs))
        elif name:
            seen[name] += 1
    print(f"\n{len(inputs)} inputs, {other}: {sum(seen.values())} differ")
    for name, n in seen.most_common():
        print(f"  {n:5} {name}")
    for (kind, a, b), n in collections.Counter((u[0], u[2].error, u[3].error) for u in unexplained).most_common():
        print(f"  {n:5} {kind}: ours {a!r}, theirs {b!r}")
    for name, data, mine, theirs in unexplained[:40]:
        print(name, data, mine, theirs, sep="\n    ")
    assert not unexplained, f"{len(unexplained)} disagreements without a rule"
    return seen


def test_beside_others(inputs):
    if not shutil.which("node"):
        pytest.skip("node is not installed: llhttp is not compared")
    beside_h11, beside_llhttp = [h11_one(data) for data in inputs], llhttp(inputs)
    used = check(inputs, "h11", beside_h11) + check(inputs, "llhttp", beside_llhttp)
    assert {rule.name for rule in RULES} == set(used), "rules that explain nothing"
    for data, mine, a, b in zip(inputs, ours(inputs), beside_h11, beside_llhttp):
        extra = [r for i, r in enumerate(mine.requests)
                 if r not in a.requests[i:i + 1] and r not in b.requests[i:i + 1]]
        assert not extra or allowed_alone(data), (data, mine, a, b)
