"""Real payloads and registries, when they are there (../shared/data)."""
import collections
import json

import house


def test_every_real_payload_is_taken_logged_and_streamed(new_service, shared_data):
    files = sorted((shared_data / "events").rglob("*.json"))
    assert len(files) == 74
    service = new_service(sets=[f"registries.path=['{shared_data / 'registries'}']"])
    service.start().wait_ready()
    stream = service.stream(subscribe={"type": "subscribe", "after": "live"})
    stream.wait(lambda s: s.of("caught_up"))

    events = reports = 0
    for file in files:
        body = file.read_bytes()
        answer = service.post(body)
        assert (answer.status_code, answer.text) == (200, "{}"), file
        content = json.loads(body)
        if "MetricValues" in content:
            reports += 1
            continue
        records = content.get("Events", [content])
        events += len({json.dumps(record, sort_keys=True) for record in records})
    assert (len(files) - reports, reports) == (62, 12)

    logged = service.wait_entries(events)
    streamed = stream.wait_events(events)
    assert len(logged) == events
    assert [e["id"] for e in streamed] == [e["id"] for e in logged]
    for entry in logged + streamed:
        assert entry["Message"].strip(), entry
        assert "%1" not in entry["Message"], entry
    house.wait_for(lambda: service.metric("rfeventd_metric_reports_total") == 12)
    assert service.sql("select count(*) from metric_report") == [(12,)]
    assert service.sql("select count(*) from quarantine") == [(0,)]

    quirks = collections.Counter(q for e in logged for q in e.get("quirks", []))
    steps = collections.Counter(e["resolved_by"]["step"] for e in logged)
    print(f"\n{events} events; steps {dict(steps)}; quirks met:")
    for quirk, n in sorted(quirks.items()):
        print(f"  {quirk} {n}")
    assert {"origin_string", "name_case", "duplicate_record", "no_envelope", "args_null",
            "message_missing", "record_reference", "record_oem_only"} <= set(quirks)
    page = service.get("/metrics").text
    assert 'rfeventd_quirks_total{quirk="origin_string"}' in page
    stream.close()


def test_all_real_registries_load(new_service, shared_data):
    service = new_service(sets=[f"registries.path=['{shared_data / 'registries'}']"])
    service.start().wait_ready()
    line = house.wait_for(lambda: next((row for row in service.log().splitlines()
                                        if "registries loaded" in row), None), 30)
    loaded = int(line.split(" registries=")[1].split()[0])
    shipped = len(list((house.ROOT / "registries/standard").glob("*.json")))
    print(f"\n{loaded} registries loaded, {shipped} of them shipped")
    assert loaded >= 262 + shipped
