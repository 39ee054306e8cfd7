"""The stream: live, resume, filters, errors."""
import pytest

from house import event_body


def test_hello_then_everything_from_the_oldest(service):
    for i in range(3):
        service.post(event_body(EventId=str(i)))
    service.wait_entries(3)
    stream = service.stream(subscribe={"type": "subscribe", "after": 0})
    events = stream.wait_events(3)
    hello = stream.messages[0]
    assert hello["type"] == "hello"
    assert (hello["oldest_seq"], hello["last_seq"]) == (1, 3)
    assert [e["EventId"] for e in events] == ["0", "1", "2"]
    stream.wait(lambda s: [m for m in s.of("caught_up") if m["seq"] == 3])
    stream.close()


def test_query_subscribes_at_once(service):
    service.post(event_body())
    service.wait_entries(1)
    stream = service.stream("?after=0")
    stream.wait_events(1)
    stream.close()


def test_reconnecting_gets_exactly_what_was_missed_over_a_restart(service):
    stream = service.stream(subscribe={"type": "subscribe", "after": 0})
    for i in range(10):
        service.post(event_body(EventId=str(i)))
    heard = stream.wait_events(10)
    epoch, last = stream.messages[0]["epoch"], heard[-1]["seq"]
    stream.close()
    for i in range(10, 15):
        service.post(event_body(EventId=str(i)))
    service.wait_entries(15)
    assert service.terminate()[0] == 0
    service.start().wait_ready()
    for i in range(15, 20):
        service.post(event_body(EventId=str(i)))
    again = service.stream(subscribe={"type": "subscribe", "after": last, "epoch": epoch})
    missed = again.wait_events(10)
    assert [e["seq"] for e in missed] == list(range(11, 21))
    assert [e["EventId"] for e in missed] == [str(i) for i in range(10, 20)]
    assert not again.of("gap") and not again.of("error")
    again.close()


def test_a_wrong_epoch_is_told(service):
    stream = service.stream(subscribe={"type": "subscribe", "after": 5,
                                       "epoch": "00000000-0000-4000-8000-000000000000"})
    stream.wait(lambda s: [m for m in s.of("error") if m["code"] == "epoch_changed"])
    stream.close()


@pytest.mark.parametrize("text,expected", [
    ("Severity eq 'Critical'", ["a", "c"]),
    ("Severity ne 'Critical'", ["b"]),
    ("not (Severity eq 'Critical') or EventId eq 'c'", ["b", "c"]),
    ("EventId in ('a','b') and Severity eq 'Critical'", ["a"]),
])
def test_filters(service, text, expected):
    stream = service.stream(subscribe={"type": "subscribe", "after": 0, "filter": text})
    for event_id, severity in (("a", "Critical"), ("b", "OK"), ("c", "Critical")):
        service.post(event_body(EventId=event_id, MessageSeverity=severity))
    service.wait_entries(3)
    stream.wait(lambda s: [m for m in s.of("position") + s.of("caught_up") if m["seq"] == 3], 25,
                "position past what was filtered out")
    assert [e["EventId"] for e in stream.events()] == expected
    stream.close()


def test_a_bad_filter_is_told_with_its_column(service):
    stream = service.stream(subscribe={"type": "subscribe", "filter": "Severity is 'x'"})
    [error] = stream.wait(lambda s: s.of("error"))
    assert error["code"] == "bad_filter" and "column 10" in error["message"]
    stream.close()


def test_who_may_not_listen(service):
    wrong = service.stream(authenticate=False, headers={"Authorization": "Basic d3Jvbmc6d3Jvbmc="})
    wrong.closed.wait(5)
    assert "401" in str(wrong.error)
    foreign = service.stream(origin="https://evil.example")
    foreign.closed.wait(5)
    assert "403" in str(foreign.error)
    silent = service.stream(authenticate=False)
    silent.wait(lambda s: s.closed.is_set(), 10, "closed without a token")
    assert [m["code"] for m in silent.of("error")] == ["unauthorized"]


def test_a_token_in_the_first_frame(service):
    token = service.session({"UserName": "admin", "Password": service.password})
    stream = service.stream(authenticate=False, subscribe={
        "type": "subscribe", "token": token.headers["X-Auth-Token"], "after": 0})
    service.post(event_body())
    stream.wait_events(1)
    stream.close()


def test_a_second_subscribe_changes_the_first(service):
    stream = service.stream(subscribe={"type": "subscribe", "filter": "Severity eq 'OK'"})
    stream.wait(lambda s: s.of("caught_up"))
    service.post(event_body(EventId="a"))
    service.wait_entries(1)
    stream.subscribe(after=0)
    stream.wait_events(1)
    stream.close()
