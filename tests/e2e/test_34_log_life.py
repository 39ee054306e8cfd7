"""The life of the log: days dropped, what is set aside, what can be seen and carried off without a
service, backup and restore."""
import base64
import concurrent.futures
import contextlib
import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import uuid

import pytest

import house
from house import event_body, wait_for

DAYS = 6
KEEP = ["storage.retention.events=3d"]


def fill_days(service, each=5):
    """A delivery of `each` events a log day, up to today; the first seq of every day. The log is
    made older than it is: every transaction of the loader then goes one day on."""
    service.sql("update counter set log_day = log_day - %s, attached_until = null", DAYS)
    service.sql("update log_day set day = day - %s", DAYS)
    for _ in range(DAYS + 1):
        service.sql("select rfeventd_attach(coalesce(attached_until + 1, log_day)) from counter")
    for day in range(DAYS):
        body = event_body(EventId=f"day{day}-0")
        body["Events"] += [dict(body["Events"][0], EventId=f"day{day}-{i}", MemberId=str(i))
                           for i in range(1, each)]
        assert service.post(body).status_code == 200
        service.wait_entries((day + 1) * each)
    return dict(service.sql("select (select log_day from counter) - day, first_seq from log_day"))


def partitions(service):
    return [row[0] for row in service.sql("select relname::text from pg_class where relkind = 'r'"
                                          " and relname ~ '^event_2' order by 1")]


def sent_since(service, n):
    """What fill_days() did not send, when there are `n` of it."""
    found = [e for e in service.entries(own=True) if not e["EventId"].startswith("day")]
    return found if len(found) >= n else None


def restart(service, *sets):
    """The first turn of the upkeep comes with the start."""
    assert service.terminate()[0] == 0
    service.sets = [*service.sets, *sets]
    service.start()
    service.wait_ready()


def expect_status(service, first):
    """Sizes, days and the disk, as the database and the system have them."""
    text = service.cli("storage", "status")
    assert text.returncode == 0, text.stderr
    assert "Days left" in text.stdout and "Growth a day" in text.stdout
    status = json.loads(service.cli("-o", "json", "storage", "status").stdout)
    assert (status["Events"], status["OldestSeq"], status["LastSeq"]) == (DAYS * 5, 1, DAYS * 5)
    assert status["RetentionDays"] == 90
    days = status["Days"]
    assert len(days) == len(first)
    assert [day["FirstSeq"] for day in days] == sorted(first.values())
    assert [day["State"] == "Current" for day in days] == [False] * (len(days) - 1) + [True]
    assert [day["Events"] for day in days[1:]] == [5] * (len(days) - 1)
    sizes = dict(service.sql("select relname::text, pg_total_relation_size(oid) from pg_class"
                             " where relkind = 'r' and relname ~ '^event_2'"))
    for day in days:
        assert day["Bytes"] == sizes["event_" + day["Day"].replace("-", "")], day
    over = [d["Bytes"] + d["TextBytes"] for d in days[:-1]]
    assert status["BytesPerDay"] == sum(over) // len(over)
    room = os.statvfs(service.state_dir / "postgresql")
    assert abs(status["FreeBytes"] - room.f_bavail * room.f_frsize) < 2**30
    assert abs(status["DaysLeft"] - status["FreeBytes"] // status["BytesPerDay"]) <= 1


def test_days_past_their_retention_go_and_readers_are_told_exactly(service):
    first = fill_days(service)
    expect_status(service, first)
    last = service.sql("select seq from counter")[0][0]
    oldest_day = partitions(service)[0]
    restart(service, *KEEP)
    wait_for(lambda: oldest_day not in partitions(service), 30, "the oldest day dropped")
    wait_for(lambda: len(service.sql("select 1 from log_day")) == 4, 10, "three days and today")
    kept = first[3]
    logged = [e["seq"] for e in service.entries(own=True)]
    assert [seq for seq in logged if seq <= last] == list(range(kept, last + 1))
    wait_for(lambda: service.stream().wait(lambda s: s.of("hello"))[0]["oldest_seq"] == kept, 10)
    stream = service.stream(subscribe={"type": "subscribe", "after": 3})
    stream.wait_events(last - kept + 1)
    assert stream.of("gap") == [{"type": "gap", "from": 4, "to": kept - 1, "reason": "retention"}]
    assert [e["seq"] for e in stream.events()] == list(range(kept, last + 1))
    stream.close()
    # Gone while a page was under way: the reader hears of that, too.
    service.sql("delete from event where seq in (%s, %s)", kept, kept + 1)
    stream = service.stream(subscribe={"type": "subscribe", "after": kept - 1})
    stream.wait_events(last - kept - 1)
    assert [(g["from"], g["to"]) for g in stream.of("gap")] == [(kept, kept + 1)]
    stream.close()
    # The text dictionary went with its day, and days that are over were frozen.
    texts = service.sql("select count(*) from pg_class where relkind = 'r' and relname ~"
                        " '^message_text_2' and right(relname, 8) < to_char(current_date - 3, 'YYYYMMDD')")
    assert texts == [(0,)]
    wait_for(lambda: service.sql("select count(*) from log_day where cared is null") == [(1,)], 20,
             "all days but today cared for")


def test_a_reader_of_an_old_day_stops_no_ingest(service):
    fill_days(service)
    oldest_day = partitions(service)[0]
    with contextlib.closing(service.connection()) as reader, \
            contextlib.closing(service.connection()) as snapshot:
        for one, table in ((reader, oldest_day), (snapshot, "event")):
            one.autocommit = False
            one.cursor().execute("set transaction isolation level repeatable read")
            one.cursor().execute(f"select count(*) from {table}")
        # The readers live as long as the private server: stay on it.
        service.kill()
        service.sets += KEEP
        service.start()
        service.wait_ready()
        sender = house.Sender(service, threads=2, pause=0.01).start()
        wait_for(lambda: service.sql("select 1 from pg_inherits where inhdetachpending"), 15,
                 "the day half detached")
        late = []
        end = time.monotonic() + 4
        while time.monotonic() < end:
            sent = len(sender.answered)
            start = time.monotonic()
            wait_for(lambda n=sent: service.metric("rfeventd_events_logged_total") >= n, 10)
            late.append(time.monotonic() - start)
        sender.stop()
        assert oldest_day in partitions(service)
        assert max(late) < 2.0, f"events waited {max(late):.1f} s for the log"
        snapshot.rollback()
        time.sleep(1)
        assert oldest_day in partitions(service)
        reader.rollback()
    wait_for(lambda: oldest_day not in partitions(service), 20, "the day dropped after its readers")
    entries = wait_for(lambda: sent_since(service, len(sender.answered)), 20, "all in the log")
    assert house.account(sender, entries) == {"missing": [], "doubled": [], "unknown": [],
                                              "out of order": []}


# --- quarantine ----------------------------------------------------------------------------------


def quarantine(service, *arguments):
    return service.cli("-o", "json", "quarantine", *arguments)


def test_quarantine_is_listed_shown_and_logged_once_it_can_be(service):
    service.sql("alter table event add constraint no_poison check (event_id not like 'poison%%')")
    body = event_body(EventId="good")
    record = body["Events"][0]
    body["Events"] += [dict(record, EventId="poison-1", MemberId="1"),
                       dict(record, EventId="poison-2", MemberId="2")]
    assert service.post(body).status_code == 200
    assert service.post(b'\xff\xfenot \x00 JSON').status_code == 200
    wait_for(lambda: len(json.loads(quarantine(service, "list").stdout)) == 3, 15)
    rows = json.loads(quarantine(service, "list").stdout)
    assert sorted(r["Reason"] for r in rows) == ["not_json", "refused_by_database",
                                                 "refused_by_database"]
    broken = next(r for r in rows if r["Reason"] == "not_json")
    assert broken["Bytes"] == 12
    env = dict(os.environ, RFEVENT_CONFIG=str(service.state_dir / "rfevent.env"))
    raw = subprocess.run([house.BUILD / "rfevent", "quarantine", "show", broken["Id"], "--raw"],
                         env=env, capture_output=True, check=True, timeout=20)
    assert raw.stdout == b'\xff\xfenot \x00 JSON'

    # Nothing has changed: all of it stays, and says why.
    again = quarantine(service, "retry", "--all")
    assert again.returncode == 1 and "no_poison" in again.stderr
    rows = json.loads(quarantine(service, "list").stdout)
    assert len(rows) == 3 and all(r["Retried"] for r in rows)
    assert [e["EventId"] for e in service.entries()] == ["good"]

    service.sql("alter table event drop constraint no_poison")
    refused = sorted(r["Id"] for r in rows if r["Reason"] == "refused_by_database")
    # The one that has the delivery's bytes goes first, and leaves them to the other.
    assert quarantine(service, "retry", refused[0]).returncode == 0
    assert json.loads(quarantine(service, "retry", refused[1]).stdout) == [
        {"Id": refused[1], "Result": "Logged", "Events": 1}]
    twice = quarantine(service, "retry", refused[0])
    assert twice.returncode == 1 and "HTTP 404" in twice.stderr
    entries = service.wait_entries(3)
    assert [e["EventId"] for e in entries] == ["good", "poison-1", "poison-2"]
    assert [e["id"].rsplit("-", 1)[1] for e in entries] == ["0", "1", "2"]
    assert len({e["id"][:36] for e in entries}) == 1
    assert all(e["Message"] == entries[0]["Message"] for e in entries)
    assert [r["Id"] for r in json.loads(quarantine(service, "list").stdout)] == [broken["Id"]]
    assert service.sql("select count(*) from journal_segment where node = 'quarantine'") == [(0,)]
    # Later events go on behind them, and the stream shows all in order.
    service.post(event_body(EventId="later"))
    logged = service.wait_entries(4)
    assert [e["EventId"] for e in logged] == ["good", "poison-1", "poison-2", "later"]
    everything = [e["seq"] for e in service.entries(own=True)]  # it told of what it set aside
    assert everything == list(range(1, len(everything) + 1))
    stream = service.stream(subscribe={"type": "subscribe", "after": 0})
    assert [e["seq"] for e in stream.wait_events(len(everything))] == everything
    stream.close()


def test_many_retries_at_once_log_a_row_once(shared_service):
    service = shared_service
    service.sql("alter table event add constraint no_poison check (event_id not like 'poison%%')")
    for i in range(6):
        service.post(event_body(EventId=f"poison-{i}"))
    wait_for(lambda: len(json.loads(quarantine(service, "list").stdout)) == 6, 15)
    service.sql("alter table event drop constraint no_poison")
    ids = [r["Id"] for r in json.loads(quarantine(service, "list").stdout)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda i: quarantine(service, "retry", i).returncode, ids * 3))
    assert sorted(statuses) == [0] * 6 + [1] * 12
    assert sorted(e["EventId"] for e in service.entries()) == [
        f"poison-{i}" for i in range(6)]
    assert json.loads(quarantine(service, "list").stdout) == []


def test_records_beyond_the_most_are_logged_by_trying_again(shared_service):
    service = shared_service
    body = event_body(EventId="r0", MessageArgs=[])
    record = {k: body["Events"][0][k] for k in ("EventTimestamp", "MessageId")}
    body["Events"] = [dict(record, EventId=f"r{i}") for i in range(20050)]
    assert service.post(body).status_code == 200
    rows = wait_for(lambda: json.loads(quarantine(service, "list").stdout), 15)
    assert [r["Reason"] for r in rows] == ["too_many_records"]
    # Counted by what was sent: the service's own conditions stand in the log as well.
    logged = ("select count(*), count(distinct (delivery, idx)), count(distinct event_id) from event"
              " where event_id like 'r%%'")
    assert service.sql(logged) == [(20000, 20000, 20000)]
    assert quarantine(service, "retry", rows[0]["Id"]).returncode == 0
    assert service.sql(logged) == [(20050, 20050, 20050)]


def test_quarantine_in_pages(shared_service):
    service = shared_service
    service.sql("insert into quarantine select gen_random_uuid(), -1, null, now() - n * interval"
                " '1 s', '10.0.0.1', 'not_json', 'row ' || n, 'x' from generate_series(1, 2345) n")
    rows = json.loads(quarantine(service, "list", "--top", "3000").stdout)
    assert [r["Detail"] for r in rows] == [f"row {n}" for n in range(1, 2346)]
    assert len(json.loads(quarantine(service, "list").stdout)) == 1000
    path = "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Quarantine"
    page = service.get(path + "?$top=2&$skip=2343").json()
    assert [m["Detail"] for m in page["Members"]] == ["row 2344", "row 2345"]
    assert page["Members@odata.count"] == 2345 and "Members@odata.nextLink" not in page
    none = service.get(path + "?$top=0").json()
    assert none["Members"] == [] and "Members@odata.nextLink" not in none
    assert service.get(path + "?$top=few").status_code == 400
    assert service.get(path + "/nothing").status_code == 404
    assert service.ask("POST", path + f"/{rows[0]['Id']}", json={}).status_code == 405
    assert service.ask("GET", path, auth=("admin", "wrong")).status_code == 401


# --- the journal, without a service --------------------------------------------------------------


def offline(service, *arguments):
    """rfevent on the folder alone: no environment file, no service."""
    return subprocess.run([house.BUILD / "rfevent", *arguments, "--state-dir", service.state_dir],
                          env={"RFEVENT_CONFIG": "/nonexistent", "HOME": "/nonexistent"}, text=True,
                          capture_output=True, check=False, timeout=30)


def digest(folder):
    return {p.name: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
            for p in sorted(folder.iterdir())}


def test_the_journal_of_a_dead_box_is_carried_off(service):
    bodies = [json.dumps(event_body(EventId=f"dead-{i}", MessageArgs=["x" * i * 7]))
              for i in range(40)]
    for body in bodies:
        assert service.post(body).status_code == 200
    assert service.post(b"\xff\x00 no text").status_code == 200
    live = json.loads(service.cli("-o", "json", "journal", "status").stdout)
    assert [s["State"] for s in live] == ["open"] and live[0]["Oldest"]
    assert service.cli("journal", "verify").returncode == 0
    service.kill()
    journal = service.state_dir / "journal"
    before = digest(journal)
    assert offline(service, "journal", "verify").returncode == 0
    lines = [json.loads(line) for line in offline(service, "journal", "export").stdout.splitlines()]
    sent = [line for line in lines if line["peer"] == "127.0.0.1"]  # the rest is the service's own
    assert [line["body"] for line in sent[:-1]] == bodies
    assert base64.b64decode(sent[-1]["body_base64"]) == b"\xff\x00 no text"
    assert all(line["source"] and line["received"] for line in lines)
    after = offline(service, "journal", "export", "--after", lines[9]["id"]).stdout.splitlines()
    assert [json.loads(line)["id"] for line in after] == [line["id"] for line in lines[10:]]
    since = offline(service, "journal", "export", "--since", lines[20]["received"]).stdout.splitlines()
    assert len(since) == len(lines) - 20
    missing = offline(service, "journal", "export", "--after", str(uuid.uuid4()))
    assert missing.returncode == 1 and missing.stdout == ""
    assert digest(journal) == before

    # A record that is damaged is named by its place, and what recovery does is said.
    segment = next(journal.glob("*.journal"))
    data = bytearray(segment.read_bytes())
    at = data.index(b"dead-17")
    data[at] ^= 1
    segment.write_bytes(data)
    found = offline(service, "-o", "json", "journal", "verify")
    assert found.returncode == 1
    places = json.loads(found.stdout)
    assert len(places) == 1 and places[0]["Segment"] == segment.name
    assert places[0]["From"] <= at < places[0]["To"] and "journal_damaged" in places[0]["Recovery"]
    left = offline(service, "journal", "export")
    assert left.returncode == 1 and len(left.stdout.splitlines()) == len(lines) - 1

    # The last one torn: a write that never ended.
    data[at] ^= 1
    last = lines[-1].get("body", "\0 no text").encode()[-8:]
    end = data.rindex(last)
    data[end:end + 8] = bytes(8)
    segment.write_bytes(data)
    torn = offline(service, "-o", "json", "journal", "verify")
    assert torn.returncode == 1 and "cuts it off" in json.loads(torn.stdout)[0]["Recovery"]


# --- backup --------------------------------------------------------------------------------------


def documented(name, service, backup):
    """The commands of docs/backup.md, as they stand there."""
    text = (house.ROOT / "docs/backup.md").read_text()
    block = re.search(rf"<!-- commands: {name} -->\n```sh\n(.*?)```", text, re.S).group(1)
    path = pathlib.Path(glob.glob("/usr/lib/postgresql/*/bin")[-1])
    env = dict(os.environ, STATE=str(service.state_dir), BACKUP=str(backup),
               PATH=f"{os.environ['PATH']}:{path}")
    done = subprocess.run(["bash", "-euc", block], env=env, text=True, capture_output=True,
                          check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def backup():
    path = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-backup-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def hello(service):
    stream = service.stream()
    said = stream.wait(lambda s: s.of("hello"))[0]
    stream.close()
    return said


def test_a_restored_log_is_filled_from_the_journal(service, backup):
    for i in range(10):
        service.post(event_body(EventId=f"kept-{i}"))
    before = service.wait_entries(10)
    epoch = hello(service)["epoch"]
    documented("dump", service, backup)
    for i in range(5):
        service.post(event_body(EventId=f"after-{i}"))
    service.wait_entries(15)
    assert service.terminate()[0] == 0
    documented("restore", service, backup)
    service.start()
    service.wait_ready()
    entries = service.wait_entries(15, 30)
    assert entries[:10] == before
    assert [e["EventId"] for e in entries[10:]] == [f"after-{i}" for i in range(5)]
    assert [e["seq"] for e in entries] == list(range(1, 16))
    said = hello(service)
    assert said["epoch"] != epoch and said["last_seq"] >= 15
    service.post(event_body(EventId="new"))
    assert service.wait_entries(16)[15]["EventId"] == "new"


def test_a_backup_makes_a_new_machine_the_old_one(service, backup):
    for i in range(10):
        service.post(event_body(EventId=f"kept-{i}"))
    before = service.wait_entries(10)
    epoch, token, password = hello(service)["epoch"], service.token, service.password
    documented("dump", service, backup)
    service.kill()
    path = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-e2e-", dir="/tmp"))
    path.chmod(0o711)
    other = house.Service(path)
    try:
        subprocess.run(["tar", "-C", path, "-xf", backup / "state.tar"], check=True)
        other.start()
        other.wait_ready()
        assert other.terminate()[0] == 0
        documented("restore", other, backup)
        other.start()
        other.wait_ready()
        assert (other.token, other.password) == (token, password)
        assert other.entries() == before
        assert hello(other)["epoch"] == epoch
        assert other.post(event_body(EventId="new")).status_code == 200
        entries = other.wait_entries(11)
        assert entries[10]["EventId"] == "new" and entries[10]["seq"] >= 11
    finally:
        other.close()
        shutil.rmtree(path, ignore_errors=True)
