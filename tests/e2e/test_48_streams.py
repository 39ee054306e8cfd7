"""The stream in full: changes in flight, CloudEvents, origins, slow clients, the ends; what it says is what
docs/api/asyncapi.yaml says, and what the door answers is what docs/api/openapi.yaml says."""
import collections
import time

import pytest
import websockets

import house
from house import event_body

PAGE = "https://noc.example:8080"
LANGUAGES = ("en", "de", "ja", "ar")


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """One ready service with an allowed origin, for the tests that only add events."""
    path = tmp_path_factory.mktemp("streams", numbered=True)
    for folder in (path, *path.parents[:3]):
        folder.chmod(0o711)
    made = house.Service(path, sets=[f"api.origins=['{PAGE}']"])
    made.start().wait_ready()
    yield made
    made.close()


NOT_OWN = "Source ne 'rfeventd'"


def posted(service, n, **record):
    """n new events, as the log has them."""
    ids = []
    for _ in range(n):
        body = event_body(**record)
        assert service.post(body).status_code == 200
        ids.append(body["Events"][0]["EventId"])

    def logged():
        found = [e for e in service.entries() if e["EventId"] in ids]
        return found if len(found) == n else None
    return house.wait_for(logged, 10, "in the log")


# --- changes in flight ---

def test_the_language_changes_in_flight_exactly_where_it_is_told(door):
    """Events keep coming while it is changed again and again: each is heard once, in the language that counted."""
    stream = door.stream(subscribe={"type": "subscribe", "language": "en"})
    stream.wait(lambda s: s.of("caught_up"))
    first = stream.of("caught_up")[0]["seq"]
    sender = house.Sender(door, threads=2, pause=0.002).start()
    for language in LANGUAGES[1:] + LANGUAGES:
        n = len(stream.of("position"))
        stream.subscribe(language=language)
        stream.wait(lambda s, n=n: len(s.of("position")) > n)
        time.sleep(0.05)
    sender.stop()
    stream.wait(lambda s: set(sender.answered) <= {e["EventId"] for e in s.events()})
    language, seq, heard = "en", first, collections.Counter()
    for message in list(stream.messages):
        if message["type"] == "position":
            assert message["changed"] and message["seq"] == seq
            language = message["language"]
        for entry in message.get("events", []):
            assert entry["seq"] == seq + 1 and entry["language"] == language
            seq = entry["seq"]
            heard[language] += 1
    assert set(heard) == set(LANGUAGES), heard
    stream.close()


def test_a_filter_changes_while_the_client_catches_up(door):
    """From the oldest on; in the middle of it only Critical is wanted, from exactly where it stood."""
    for severity in ("Critical", "OK") * 40:
        assert door.post(event_body(MessageSeverity=severity, Message="x" * 4000)).status_code == 200
    log = door.wait_entries(80)
    stream = door.stream("?after=0")
    stream.subscribe(filter="Severity eq 'Critical'")
    [told] = stream.wait(lambda s: [m for m in s.of("position") if m.get("changed")])
    stream.wait(lambda s: [m for m in s.of("caught_up") + s.of("position") if m["seq"] >= log[-1]["seq"]])
    wanted = [e["seq"] for e in door.entries(own=True)
              if e["seq"] <= told["seq"] or e.get("Severity") == "Critical"]
    assert [e["seq"] for e in stream.events()] == wanted
    stream.close()


def test_after_in_a_change_goes_there(door):
    log = posted(door, 3)
    stream = door.stream("?after=live")
    stream.wait(lambda s: s.of("caught_up"))
    stream.subscribe(after=log[0]["seq"], filter=NOT_OWN)
    assert stream.wait_events(2) == log[1:]
    stream.close()


# --- CloudEvents ---

def cloud(service, query="", **options):
    return service.stream(query, subprotocols=("cloudevents.json",), **options)


def of_type(stream, kind):
    return [m for m in list(stream.messages) if m["type"] == kind]


EVENT = "org.dmtf.redfish.event.v1"


def test_cloud_events(door):
    stream = cloud(door)
    stream.wait(lambda s: of_type(s, "io.rfeventd.stream.caught_up.v1"))
    assert stream.messages[0]["type"] == "io.rfeventd.stream.hello.v1"
    stream.subscribe(filter=NOT_OWN)
    stream.wait(lambda s: of_type(s, "io.rfeventd.stream.position.v1"))
    log = posted(door, 3, MessageSeverity="Warning")
    events = stream.wait(lambda s: of_type(s, EVENT) if len(of_type(s, EVENT)) == 3 else None)
    for event, entry in zip(events, log):
        assert event["data"] == entry
        assert {k: event[k] for k in event if k != "data"} == {
            "specversion": "1.0", "type": EVENT, "source": f"/sources/{entry['source']['id']}", "id": entry["id"],
            "time": entry["received"], "subject": "/redfish/v1/Chassis/1", "sequence": f"{entry['seq']:020}",
            "severitytext": "Warning", "severitynumber": 13, "datacontenttype": "application/json"}
    # Resumes like the other form, and hears of its mistakes in its own.
    again = cloud(door, f"?after={events[0]['data']['seq']}&filter=Nonsense")
    [error] = again.wait(lambda s: of_type(s, "io.rfeventd.stream.error.v1"))
    assert error["data"]["code"] == "bad_filter"
    again.subscribe(after=events[0]["data"]["seq"], filter=NOT_OWN)
    again.wait(lambda s: len(of_type(s, EVENT)) == 2)
    assert [e["sequence"] for e in of_type(again, EVENT)] == [e["sequence"] for e in events[1:]]
    stream.close()
    again.close()


@pytest.mark.parametrize("offered,chosen", [
    ((), None), (("rfevents.v1",), "rfevents.v1"), (("cloudevents.json",), "cloudevents.json"),
    (("soap", "cloudevents.json", "rfevents.v1"), "cloudevents.json"),
    (("rfevents.v1", "cloudevents.json"), "rfevents.v1"), (("soap",), 400),
])
def test_the_subprotocol(door, offered, chosen):
    stream = door.stream("?after=0", subprotocols=offered)
    if chosen == 400:
        assert isinstance(stream.error, websockets.InvalidStatusCode if hasattr(
            websockets, "InvalidStatusCode") else Exception) and "400" in str(stream.error)
        return
    stream.wait(lambda s: s.messages)
    assert stream._socket.subprotocol == chosen
    assert ("specversion" in stream.messages[0]) == (chosen == "cloudevents.json")
    stream.close()


# --- origins, extensions ---

@pytest.mark.parametrize("origin,may", [
    (None, True), (PAGE, True), (PAGE.upper(), True), ("own", True), ("https://noc.example", False),
    ("https://noc.example:8080.evil.example", False), ("https://evil.example", False), ("null", False),
])
def test_origins(door, origin, may):
    stream = door.stream("?after=0", origin=f"https://localhost:{door.api_port}" if origin == "own" else origin)
    if may:
        stream.wait(lambda s: s.of("hello"))
    else:
        assert "403" in str(stream.error)
    stream.close()


def test_no_extension_is_agreed_to(door):
    """The client library offers permessage-deflate by itself."""
    stream = door.stream("?after=0")
    stream.wait(lambda s: s.of("hello"))
    assert "permessage-deflate" in str(stream._socket.request_headers if hasattr(
        stream._socket, "request_headers") else stream._socket.request.headers)
    headers = stream._socket.response_headers if hasattr(
        stream._socket, "response_headers") else stream._socket.response.headers
    assert "Sec-WebSocket-Extensions" not in headers
    stream.close()


# --- slow clients, ends ---

def test_a_stalled_client_misses_nothing_and_costs_the_others_nothing(door):
    """More than its queue holds goes by while it reads nothing."""
    stalled, other = door.stream("?after=live"), door.stream("?after=live")
    for stream in (stalled, other):
        stream.wait(lambda s: s.of("caught_up"))
    stalled.stall(4)
    sender = house.Sender(door, threads=2, pad=60000).start()
    house.wait_for(lambda: len(sender.answered) >= 200, 20, "200 large events are taken")
    sender.stop()
    other.wait(lambda s: set(sender.answered) <= {e["EventId"] for e in s.events()})
    assert len(stalled.events()) < len(other.events()), "the other one waited for it"
    wanted = [e["seq"] for e in other.events()]
    stalled.wait(lambda s: len(s.events()) >= len(wanted), 20)
    assert [e["seq"] for e in stalled.events()] == wanted
    assert not stalled.of("gap") and not stalled.of("error")
    for stream in (stalled, other):
        stream.close()


@pytest.mark.parametrize("message,code,close_code", [
    ("x" * 8193, "too_big", 1009), (b"\x00\x01", "bad_request", 1003),
])
def test_messages_that_end_it(door, message, code, close_code):
    stream = door.stream("?after=0&filter=EventId%20eq%20%27none%27")
    stream.wait(lambda s: s.of("hello"))
    stream.send_raw(message)
    stream.wait(lambda s: s.closed.is_set())
    assert [m["code"] for m in stream.of("error")] == [code]
    assert stream.close_code == close_code


def test_the_service_says_goodbye(new_service):
    service = new_service().start().wait_ready()
    streams = [service.stream("?after=0"), cloud(service)]
    for stream in streams:
        stream.wait(lambda s: s.messages)
    assert service.terminate()[0] == 0
    for stream in streams:
        stream.wait(lambda s: s.closed.is_set())
        assert stream.close_code == 1001
