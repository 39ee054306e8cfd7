"""rfevent: tail, list, show, send."""
import json

import pytest

import house
from house import event_body


@pytest.fixture(scope="module")
def filled(shared_service):
    for i in range(3):
        shared_service.post(event_body(EventId=f"e{i}", MessageArgs=[f"PSU {i}"],
                                       MessageSeverity="Critical" if i == 2 else "OK"))
    shared_service.wait_entries(3)
    return shared_service


def test_list(filled):
    table = filled.cli("event", "list")
    assert table.returncode == 0, table.stderr
    assert all(f"PSU {i}" in table.stdout for i in range(3))
    assert "\x1b[" not in table.stdout  # not a terminal: no colour
    entries = json.loads(filled.cli("-o", "json", "event", "list").stdout)
    assert [e["EventId"] for e in entries] == ["e2", "e1", "e0"]
    lines = filled.cli("-o", "jsonl", "event", "list", "--top", "2").stdout.splitlines()
    assert [json.loads(line)["EventId"] for line in lines] == ["e2", "e1"]
    critical = filled.cli("-o", "json", "event", "list", "--filter", "Severity eq 'Critical'")
    assert [e["EventId"] for e in json.loads(critical.stdout)] == ["e2"]


def test_show(filled):
    shown = filled.cli("event", "show", "2")
    assert shown.returncode == 0 and "PSU 1" in shown.stdout and "Power.1.2.PowerSupplyFailed" in shown.stdout
    assert json.loads(filled.cli("-o", "json", "event", "show", "2").stdout)["EventId"] == "e1"
    missing = filled.cli("event", "show", "4711")
    assert missing.returncode == 1 and "4711" in missing.stderr


def test_tail_after(filled):
    tail = filled.cli_until("PSU 2", "-o", "jsonl", "event", "tail", "--after", "0")
    assert [json.loads(line)["EventId"] for line in tail] == ["e0", "e1", "e2"]


def test_send(filled, tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(event_body(EventId="sent-a")))
    second.write_text(json.dumps(event_body(EventId="sent-b")))
    sent = filled.cli("event", "send", str(first), str(second))
    assert sent.returncode == 0, sent.stderr
    piped = filled.cli("event", "send", "-", input=json.dumps(event_body(EventId="sent-c")))
    assert piped.returncode == 0, piped.stderr
    assert [e["EventId"] for e in filled.wait_entries(6)][-3:] == ["sent-a", "sent-b", "sent-c"]
    assert filled.cli("event", "send", str(tmp_path / "none.json")).returncode == 1


def test_usage_and_reach(filled, tmp_path):
    assert filled.cli("event", "dance").returncode == 2
    assert filled.cli("--help").returncode == 0
    for words in (["event", "--help"], ["event", "tail", "--help"]):
        helped = filled.cli(*words)
        assert helped.returncode == 0 and "tail" in helped.stdout
    away = filled.cli("--url", f"https://localhost:{house.free_port()}", "event", "list")
    assert away.returncode == 3 and "localhost" in away.stderr
    (tmp_path / "password").write_text("wrong\n")
    refused = filled.cli("--password-file", str(tmp_path / "password"), "event", "list")
    assert refused.returncode == 1 and refused.stderr
