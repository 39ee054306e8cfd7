"""PostgreSQL comes late, goes, freezes: nothing but lag."""
import os
import signal
import time

import house
from house import Sender, account, event_body, with_postgres, without_postgres


def test_a_known_bmc_is_answered_at_once_without_the_database(new_service):
    sets = []
    shared = house.ROOT / "../shared/data/registries"
    if shared.is_dir():
        sets = [f"registries.path=['{shared}']"]
    service = new_service(sets=sets)
    service.start().wait_ready()
    service.post(event_body(EventId="known"))
    service.wait_entries(1)
    without_postgres(service)

    service.start()
    seconds = service.wait_listening()
    answer = service.post(event_body(EventId="away-0"))
    assert answer.status_code == 200
    print(f"\nlistening {seconds * 1000:.0f} ms after the start")
    assert seconds < (0.2 if not service.env.get("RFEVENTD_SLOW") else 5)

    stream = service.stream(subscribe={"type": "subscribe", "after": "live"})
    for i in range(1, 6):
        assert service.post(event_body(EventId=f"away-{i}")).status_code == 200
    shown = stream.wait(lambda s: (lambda e: e if "away-5" in [x["EventId"] for x in e] else None)(
        s.events("provisional")), 20, "provisional events")
    assert all(e["seq"] is None and e["Message"] for e in shown)
    assert service.get("/-/ready").status_code == 503
    assert service.metric("rfeventd_journal_oldest_seconds") > 0
    assert service.metric("rfeventd_database_up") == 0

    with_postgres(service)
    service.wait_ready()
    entries = service.wait_entries(7, 60)
    assert [e["EventId"] for e in entries] == ["known"] + [f"away-{i}" for i in range(6)]
    assert [e["seq"] for e in entries] == list(range(1, 8))
    final = stream.wait(lambda s: (lambda e: e if len(e) >= 5 else None)(s.events()), 10, "final events")
    ids = {e["id"] for e in final}
    assert {e["id"] for e in shown} <= ids | {entries[1]["id"]}
    stream.close()


def test_postgres_killed_under_load(service):
    rounds = int(os.environ.get("RFEVENTD_KILLS", "6")) // 2
    sender = Sender(service).start()
    for _ in range(rounds):
        time.sleep(0.4)
        pid = house.wait_for(service.postgres_pid, 20, "PostgreSQL runs")
        os.kill(pid, signal.SIGKILL)
        house.wait_for(lambda: service.postgres_pid() not in (None, pid), 60, "PostgreSQL again")
    time.sleep(0.5)
    sender.stop()
    assert not sender.unsure and len(sender.answered) > 100
    house.wait_for(lambda: service.get("/-/ready").status_code == 200, 30, "ready")
    entries = service.wait_entries(len(sender.answered), 60)
    print(f"\n{rounds} kills of PostgreSQL, {len(sender.answered)} answered 200")
    assert account(sender, service.entries(own=True)) == {"missing": [], "doubled": [], "unknown": [],
                                        "out of order": []}


def test_postgres_frozen_for_a_while(service):
    stream = service.stream(subscribe={"type": "subscribe", "after": "live"})
    stream.wait(lambda s: s.of("caught_up"))
    service.post(event_body(EventId="before"))
    service.wait_entries(1)
    pid = service.postgres_pid()
    children = [int(p) for p in os.popen(f"pgrep -P {pid}").read().split()]
    for process in [pid, *children]:
        os.kill(process, signal.SIGSTOP)
    try:
        for i in range(5):
            assert service.post(event_body(EventId=f"frozen-{i}")).status_code == 200
        stream.wait_events(5, 10, "provisional")
    finally:
        for process in [*children, pid]:
            os.kill(process, signal.SIGCONT)
    entries = service.wait_entries(6, 30)
    assert [e["EventId"] for e in entries] == ["before"] + [f"frozen-{i}" for i in range(5)]
    stream.close()


def test_a_row_the_database_refuses_costs_nobody_else(service):
    service.post(event_body(EventId="start"))
    service.wait_entries(1)
    service.sql("alter table event add constraint no_poison check (event_id <> 'poison')")
    bodies = [event_body(EventId=f"good-{i}") for i in range(20)]
    bodies[7]["Events"].insert(1, dict(bodies[7]["Events"][0], EventId="poison"))
    bodies[12]["Events"][0]["EventId"] = "poison"
    for body in bodies:
        assert service.post(body).status_code == 200
    entries = service.wait_entries(20, 30)
    assert [e["EventId"] for e in entries] == ["start"] + [f"good-{i}" for i in range(20) if i != 12]
    house.wait_for(lambda: service.metric("rfeventd_quarantined_total") == 2)
    kept = service.sql("select reason, detail from quarantine")
    assert len(kept) == 2
    assert all(reason == "refused_by_database" and "no_poison" in detail for reason, detail in kept)
