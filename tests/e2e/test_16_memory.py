"""PostgreSQL is away and every BMC sends: memory stays under its ceiling, the journal fills, says so
and recovers, and afterwards the log holds each answered delivery once."""
import contextlib
import json
import os
import subprocess
import time

import house
from house import event_body, now_text, with_postgres, without_postgres

SECONDS = int(os.environ.get("RFEVENTD_AWAY_SECONDS",
                             "600" if os.environ.get("RFEVENTD_SLOW") else "10"))
# docs/architecture.md, "Memory"
CEILING_MIB = 1024
# Ten minutes at full speed fill it: then the refusals are part of the run.
JOURNAL_MIB = max(1024, SECONDS * 10)
CONNECTIONS = 64
MANY_BODIES, MANY_RECORDS = 60, 20000
MANY_CEILING_MIB = 512  # without a bound they would take 700


def resident_mib(service):
    status = open(f"/proc/{service.process.pid}/status", encoding="ascii").read()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def watch(service, process):
    """Resident memory while the process runs, twice a second."""
    seen = []
    while process.poll() is None:
        time.sleep(0.5)
        seen.append(resident_mib(service))
    return seen


def start_load(service, record):
    return subprocess.Popen(
        [str(house.BUILD / "bench/load"), "--target", f"http://127.0.0.1:{service.plain_port}",
         "--path", f"/events/{service.token}", "--connections", str(CONNECTIONS),
         "--seconds", str(SECONDS), "--record", str(record)], stdout=subprocess.PIPE, text=True)


def send_bodies_of_many_records(service):
    """Each takes ten times as much memory as its bytes. The same one again and again, so that to
    the log all but one are repeats."""
    when = now_text()
    records = [{"EventId": f"many-{i}", "EventTimestamp": when} for i in range(MANY_RECORDS)]
    url = f"http://127.0.0.1:{service.plain_port}/events/{service.token}?[1-{MANY_BODIES}]"
    process = subprocess.Popen(["curl", "-sf", "-o", "/dev/null", "--data-binary", "@-", url],
                               stdin=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps({"Events": records}))
    process.stdin.close()
    seen = watch(service, process)
    assert process.returncode == 0
    return seen


def wait_loaded(service, seconds):
    """Until the log has what the journal had; returns the resident memory meanwhile."""
    mark, seen = event_body(), []
    [event_id] = [event["EventId"] for event in mark["Events"]]
    assert house.wait_for(lambda: service.post(mark).status_code == 200, 30, "room in the journal")
    end = time.monotonic() + seconds
    while not service.sql("select 1 from event where event_id = %s and"
                          " seq > (select max(seq) - 1000 from event)", event_id):
        assert time.monotonic() < end, "the journal is not loaded"
        seen.append(resident_mib(service))
        time.sleep(0.5)
    return seen


def against_record(service, record):
    """Counted by the database, which has no trouble with millions: how many were answered 200, and
    of all how many are missing, in the log more than once, and in the log although refused."""
    with contextlib.closing(service.connection()) as connection, connection.cursor() as cursor:
        cursor.execute("create temp table sent (event_id text, status int)")
        with open(record, encoding="ascii") as lines:
            cursor.copy_expert("copy sent from stdin (delimiter ' ')", lines)
        cursor.execute("create temp table logged as"
                       " select event_id, count(*) as n from event group by event_id")
        cursor.execute("select count(*) filter (where status = 200),"
                       " count(*) filter (where status = 200 and n is null),"
                       " count(*) filter (where n > 1),"
                       " count(*) filter (where status >= 400 and n is not null)"
                       " from sent left join logged using (event_id)")
        return cursor.fetchone()


def test_memory_stays_under_its_ceiling_without_the_database(new_service):
    service = new_service(sets=[f"storage.journal_max_bytes={JOURNAL_MIB}MiB"]).start().wait_ready()
    service.post(event_body(EventId="known"))
    service.wait_entries(1)
    without_postgres(service)
    service.start().wait_listening()
    record = service.state_dir / "record"

    house.wait_for(lambda: service.get("/-/healthy").status_code == 200)
    stalled = service.stream(subscribe={"type": "subscribe", "after": "live"})
    stalled.stall(SECONDS)
    load = start_load(service, record)
    seen = watch(service, load)
    figures = json.loads(load.stdout.read())
    many = send_bodies_of_many_records(service)
    assert not service.postgres_pid()
    with_postgres(service)
    start = time.monotonic()
    service.wait_ready()
    drained = wait_loaded(service, 120 + 4 * SECONDS)
    print(f"\n{figures['status']} in {SECONDS} s, MiB every {max(1, len(seen) // 20) / 2} s: "
          f"{[round(x) for x in seen[::max(1, len(seen) // 20)]]}, many records: "
          f"{round(max(many))}, loaded in {time.monotonic() - start:.0f} s: {round(max(drained))}")

    assert max(seen + many + drained) < CEILING_MIB and max(many) < MANY_CEILING_MIB
    half = len(seen) // 2
    assert max(seen[half:]) < 1.1 * max(seen[:half]) + 16
    answered, *wrong = against_record(service, record)
    assert answered == figures["status"]["200"] > 1000 * SECONDS / 4 and wrong == [0, 0, 0]
    assert service.sql("select count(*), count(distinct event_id) from event"
                       " where event_id like 'many-%%'") == [(MANY_RECORDS, MANY_RECORDS)]


def test_a_full_journal_says_so_and_recovers(new_service):
    service = new_service(sets=["storage.journal_max_bytes=64MiB"]).start().wait_ready()
    service.post(event_body(EventId="0"))
    service.wait_entries(1)
    without_postgres(service)
    service.start().wait_listening()

    def post(event_id):
        return service.post(event_body(EventId=event_id, Oem={"Filler": os.urandom(1 << 19).hex()}))

    answered = 0
    while (answer := post(str(answered + 1))).status_code == 200:
        answered += 1
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    assert 50 < answered < 64
    assert service.get("/-/healthy").status_code == 200
    with_postgres(service)
    house.wait_for(lambda: post("after").status_code == 200, 60, "room in the journal")
    service.wait_ready()
    entries = service.wait_entries(answered + 2, 60)
    assert [e["EventId"] for e in entries] == [*map(str, range(answered + 1)), "after"]
