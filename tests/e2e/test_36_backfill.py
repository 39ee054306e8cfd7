"""What a source kept in its own log, imported: what it pushed is not logged again."""
import json
import uuid

from house import BMC_LOG, IMPORT, Sender, event_body, log_collection, log_entry, wait_for


def bodies(n, prefix):
    return [event_body(EventId=f"{prefix}-{i}", MessageArgs=[f"PSU {i}"]) for i in range(n)]


def source_of(service):
    return wait_for(lambda: service.entries("$top=5"), what="an entry")[0]["source"]["id"]


def import_log(service, source, body):
    answer = service.ask("POST", IMPORT.format(source), json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(service):
    return sorted(e["EventId"] for e in service.entries())


def test_a_saved_log_fills_the_gap(service, tmp_path):
    """Half of what happened was pushed; the rest is in the BMC's log, which an operator saved."""
    sent = bodies(40, "e")
    for body in sent[:20]:
        assert service.post(body).status_code == 200
    service.wait_entries(20)
    saved = tmp_path / "log.json"
    saved.write_text(json.dumps(log_collection([b["Events"][0] for b in sent])))
    source = source_of(service)
    for _ in range(2):
        done = service.cli("-o", "json", "event", "import", "--source", source, str(saved))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["Entries"] in (40, "40")
        service.wait_entries(40)
    # Pushes that come late: the queue of a BMC that was cut off.
    for body in sent[15:30]:
        assert service.post(dict(body, Id=str(uuid.uuid4()))).status_code == 200
    service.post(event_body(EventId="last"))
    wait_for(lambda: "last" in ids(service), what="all are loaded")
    expected = sorted([b["Events"][0]["EventId"] for b in sent] + ["last"]
                      + [b["Events"][0]["EventId"] for b in sent[15:20]])
    assert ids(service) == expected, "pushed twice in other bytes: only those are there twice"
    marked = [e for e in service.entries() if "backfilled" in e.get("quirks", [])]
    assert sorted(e["EventId"] for e in marked) == sorted(b["Events"][0]["EventId"] for b in sent[20:])
    assert service.metric("rfeventd_repeats_total") == 20 + 40 + 10


def test_killed_at_any_moment(service):
    """Pushes, imports and kill -9 at once: each event is there once."""
    service.post(event_body(EventId="first"))
    service.wait_entries(1)
    source = source_of(service)
    expected, unsure = ["first"], set()
    for turn in range(3):
        sender = Sender(service, threads=1, pause=0.01).start()
        sent = bodies(30, f"turn{turn}")
        records = [b["Events"][0] for b in sent]
        for i, body in enumerate(sent):
            if i % 10 == 4:
                seen = max(0, i - 8)
                import_log(service, source, log_collection(records[seen:i + 5], 100 * turn + seen))
            assert service.post(body).status_code == 200
        service.kill()
        sender.stop()
        expected += [r["EventId"] for r in records] + sender.answered
        service.start().wait_ready()
        import_log(service, source, log_collection(records, 100 * turn))
        for body in sent[:10]:
            assert service.post(body).status_code == 200
        service.post(event_body(EventId=f"behind {turn}"))
        expected.append(f"behind {turn}")
        wait_for(lambda: f"behind {turn}" in ids(service), 30, "all are loaded")
        # One whose answer the kill took may be there.
        unsure |= set(sender.unsure)
        assert sorted(i for i in ids(service) if i not in unsure) == sorted(expected)


def test_what_is_no_log_is_refused(service):
    service.post(event_body(EventId="first"))
    service.wait_entries(1)
    source = source_of(service)
    for body in (b"no JSON", b"{}" + b"x", json.dumps({"Members": [{"@odata.id": f"{BMC_LOG}/1"}]}).encode(),
                 b'{"Members": []}', b"[]", b"[" + b'{"MessageId":"A.1.0.B"},' * 20000 + b"{}]"):
        answer = service.ask("POST", IMPORT.format(source), content=body)
        assert answer.status_code == 400, (body, answer.text)
        assert "@Message.ExtendedInfo" in answer.json()["error"]
    assert service.ask("POST", IMPORT.format("nobody"), json=[]).status_code == 404
    assert service.cli("event", "import", "--source", "nobody", "/dev/null").returncode == 1
    assert service.cli("event", "import", "/dev/null").returncode == 2
    assert ids(service) == ["first"]
    one = import_log(service, source, log_entry(event_body(EventId="one")["Events"][0], 1))
    assert one["Entries"] == 1
    wait_for(lambda: ids(service) == ["first", "one"], what="a single entry")
