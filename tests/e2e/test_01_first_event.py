"""The main job: a BMC pushes, an operator sees words, live."""
import json
import os
import re
import subprocess
import time

import house
from house import event_body


def test_an_event_reaches_log_and_stream_in_words(service):
    stream = service.stream().subscribe(after="live")
    stream.wait(lambda s: s.of("caught_up"))
    answer = service.post(event_body(EventId="first"))
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["content-length"] == "2"

    [event] = stream.wait_events(1)
    [entry] = service.wait_entries(1)
    for one in (event, entry):
        assert one["seq"] == 1
        assert re.fullmatch(r"[0-9a-f-]{36}-0", one["id"])
        assert one["EventId"] == "first"
        assert one["MessageId"] == "Power.1.2.PowerSupplyFailed"
        assert "PSU 2" in one["Message"] and "%1" not in one["Message"]
        assert one["Resolution"]
        assert one["Severity"] == "Critical"
        assert one["Category"] == "alert"
        assert one["OriginOfCondition"] == "/redfish/v1/Chassis/1"
        assert one["language"] == "en"
        assert one["source"]["name"] == "127.0.0.1"
        assert one["resolved_by"]["registry"] == "Power"
        assert one["resolved_by"]["step"] == "exact"
        assert re.fullmatch(r"[0-9a-f]{64}", one["resolved_by"]["sha256"])
    assert event == entry
    stream.close()


def test_the_whole_delivery_is_kept_byte_for_byte(service):
    body = json.dumps(event_body(), indent=3) + "\n \n"
    assert service.post(body).status_code == 200
    service.wait_entries(1)
    log_entry = service.get(f"{house.ENTRIES}/1").json()
    assert service.get(log_entry["AdditionalDataURI"]).content == body.encode()


def test_log_entries_are_redfish_newest_first(service):
    for i in range(5):
        service.post(event_body(EventId=f"e{i}"))
    service.wait_entries(5)
    page = service.get(f"{house.ENTRIES}?$top=2").json()
    assert page["@odata.type"] == "#LogEntryCollection.LogEntryCollection"
    assert page["Members@odata.count"] == 5
    assert [m["Id"] for m in page["Members"]] == ["5", "4"]
    assert page["Members"][0]["EventId"] == "e4"
    assert page["Members"][0]["Oem"]["Rfeventd"]["Category"] == "alert"
    following = service.get(page["Members@odata.nextLink"]).json()
    assert [m["Id"] for m in following["Members"]] == ["3", "2"]
    skipped = service.get(f"{house.ENTRIES}?$skip=3").json()
    assert [m["Id"] for m in skipped["Members"]] == ["2", "1"]
    assert "Members@odata.nextLink" not in skipped
    assert service.get(f"{house.ENTRIES}/5").json()["EventId"] == "e4"
    assert service.get(f"{house.ENTRIES}/99").status_code == 404


def test_rfevent_tail_shows_it_within_a_second(service):
    env = dict(os.environ, RFEVENT_CONFIG=str(service.state_dir / "rfevent.env"))
    tail = subprocess.Popen([str(house.BUILD / "rfevent"), "event", "tail"], env=env, text=True,
                            stdout=subprocess.PIPE)
    try:
        house.wait_for(lambda: service.metric("rfeventd_stream_clients") == 1, 10, "tail connected")
        service.post(event_body(MessageArgs=["PSU 77"]))
        start = time.monotonic()
        while "PSU 77" not in (line := tail.stdout.readline()):
            assert line, "tail ended"
        assert time.monotonic() - start < 1.0
    finally:
        tail.terminate()
        tail.wait(5)


def test_stopping_takes_under_ten_seconds_and_exits_zero(service):
    service.post(event_body())
    status, seconds = service.terminate()
    assert status == 0, service.log()
    assert seconds < 10
    assert service.postgres_pid() is None
