"""What the receiver answers, to friend and stranger."""
import json
import socket

import pytest

import house
from house import event_body


def raw(service, request):
    """One request over plain TCP, everything until the peer closes or falls silent."""
    with socket.create_connection(("127.0.0.1", service.plain_port), timeout=5) as sock:
        sock.sendall(request)
        sock.settimeout(1.5)
        received = b""
        try:
            while piece := sock.recv(65536):
                received += piece
        except TimeoutError:
            pass
        return received


@pytest.mark.parametrize("path", ["/events", "/events/", "/events/abcdefghabcdefgh"])
def test_no_or_wrong_token_is_401(shared_service, path):
    answer = shared_service.post(event_body(), path=path)
    assert answer.status_code == 401
    assert answer.json()["error"]["@Message.ExtendedInfo"][0]["Message"]


def test_what_vendors_append_to_the_path_is_ignored(shared_service):
    for ending in ("/", ":8443/events", "/redfish/events", "?x=1"):
        path = f"/events/{shared_service.token.upper()}{ending}"
        assert shared_service.post(event_body(), path=path).status_code == 200


def test_not_post_is_405(shared_service):
    for method in (b"GET", b"PUT", b"DELETE", b"PATCH"):
        path = f"/events/{shared_service.token}".encode()
        answer = raw(shared_service, method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n"
                     b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 405")
        assert b"Allow: POST" in answer


def test_health_needs_no_login(shared_service):
    answer = raw(shared_service, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    for path in ("/-/healthy", "/-/ready"):
        assert shared_service.get(path, auth=None).status_code == 200


def test_too_large_is_413_before_it_is_sent(shared_service):
    answer = raw(shared_service, f"POST /events/{shared_service.token} HTTP/1.1\r\nHost: x\r\n"
                 f"Content-Length: {17 << 20}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413")


def test_chunked_and_expect_and_odd_types_are_fine(shared_service):
    before = len(shared_service.entries())
    body = json.dumps(event_body()).encode()
    path = f"/events/{shared_service.token}".encode()
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json, Application/JSON\r\n"
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:100], body[100:]))
    chunked = head + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + pieces + b"0\r\n\r\n"
    assert raw(shared_service, chunked).startswith(b"HTTP/1.1 200")
    expecting = head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", shared_service.plain_port), timeout=5) as sock:
        sock.sendall(expecting)
        assert sock.recv(1000).startswith(b"HTTP/1.1 100")
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    shared_service.wait_entries(before + 1)


def test_pipelined_requests_are_answered_in_order(shared_service):
    good = json.dumps(event_body()).encode()
    path = f"/events/{shared_service.token}".encode()
    requests = b"".join([
        b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(good) + good,
        b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /events/wrongwrong HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"])
    answers = raw(shared_service, requests)
    places = [answers.find(text) for text in (b"{}", b'"status"', b"HTTP/1.1 401")]
    assert -1 not in places and places == sorted(places)


@pytest.mark.parametrize("body", [b"", b"hello", b"{\"Events\": [", b"\x00\x01\x02", b"<html/>"])
def test_not_json_is_kept_and_answered_200_with_the_reason(shared_service, body):
    before = shared_service.metric("rfeventd_quarantined_total")
    answer = shared_service.post(body)
    assert answer.status_code == 200
    [info] = answer.json()["@Message.ExtendedInfo"]
    assert info["MessageId"].startswith("Rfeventd.") and info["Message"]
    house.wait_for(lambda: shared_service.metric("rfeventd_quarantined_total") == before + 1)
    kept = shared_service.sql("select raw, reason from quarantine order by received desc limit 1")
    assert (bytes(kept[0][0]), kept[0][1]) == (body, "not_json")


def test_marks_nuls_and_windows_1252_are_quirks(shared_service):
    before = len(shared_service.entries())
    text = json.dumps(event_body(Message="21 \u00b0C", MessageId="Oem.1.0.Odd"), ensure_ascii=False)
    body = b"\xef\xbb\xbf" + text.encode("cp1252") + b"\0\0"
    assert shared_service.post(body).status_code == 200
    entry = shared_service.wait_entries(before + 1)[-1]
    assert entry["Message"] == "21 \u00b0C"
    assert {"byte_order_mark", "not_utf8", "trailing_nul"} <= set(entry["quirks"])


def test_one_bad_record_never_costs_the_others(shared_service):
    before = len(shared_service.entries())
    body = event_body(EventId="good")
    body["Events"] = [17, body["Events"][0], "text", None]
    assert shared_service.post(body).status_code == 200
    entry = shared_service.wait_entries(before + 1)[-1]
    assert entry["EventId"] == "good" and entry["id"].endswith("-1")


def test_wrong_login_is_401_and_unknown_things_are_refused_in_words(shared_service):
    assert shared_service.get(house.ENTRIES, auth=("admin", "wrong")).status_code == 401
    assert shared_service.get(house.ENTRIES, auth=None).status_code == 401
    assert shared_service.get("/metrics", auth=None).status_code == 401
    assert shared_service.get("/nothing").status_code == 404
    bad = shared_service.get(f"{house.ENTRIES}?$filter=Severity%20is%20'x'")
    assert bad.status_code == 400 and "column" in bad.text
    assert shared_service.get(f"{house.ENTRIES}?$wrong=1").status_code == 501


def test_a_session_token_opens_the_door(shared_service):
    login = shared_service.session({"UserName": "admin", "Password": shared_service.password})
    assert login.status_code == 201
    token = login.headers["X-Auth-Token"]
    for headers in ({"X-Auth-Token": token}, {"Authorization": f"Bearer {token}"}):
        assert shared_service.get(house.ENTRIES, auth=None, headers=headers).status_code == 200
    assert shared_service.session({"UserName": "admin", "Password": "no"}).status_code == 401
