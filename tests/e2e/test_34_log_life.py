"""The life of the log: days dropped, what is set aside, what can be seen and carried off without a
service, backup and restore."""
import contextlib
import time

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
    found = [e for e in service.entries() if not e["EventId"].startswith("day")]
    return found if len(found) >= n else None


def restart(service, *sets):
    """The first turn of the upkeep comes with the start."""
    assert service.terminate()[0] == 0
    service.sets = [*service.sets, *sets]
    service.start()
    service.wait_ready()


def test_days_past_their_retention_go_and_readers_are_told_exactly(service):
    first = fill_days(service)
    last = service.sql("select seq from counter")[0][0]
    oldest_day = partitions(service)[0]
    restart(service, *KEEP)
    wait_for(lambda: oldest_day not in partitions(service), 30, "the oldest day dropped")
    wait_for(lambda: len(service.sql("select 1 from log_day")) == 4, 10, "three days and today")
    kept = first[3]
    assert [e["seq"] for e in service.entries()] == list(range(kept, last + 1))
    wait_for(lambda: service.stream().wait(lambda s: s.of("hello"))[0]["oldest_seq"] == kept, 10)
    stream = service.stream(subscribe={"type": "subscribe", "after": 3})
    stream.wait_events(last - kept + 1)
    assert stream.of("gap") == [{"type": "gap", "from": 4, "to": kept - 1, "reason": "retention"}]
    assert [e["seq"] for e in stream.events()] == list(range(kept, last + 1))
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
