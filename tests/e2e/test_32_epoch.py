"""A database that was set back: noticed, written again from the journal, and told to every reader."""
import os
import pathlib
import time

import pytest

import house
from cluster import Cluster
from house import Sender, account, event_body, wait_for


@pytest.fixture(scope="module")
def server():
    made = Cluster().start()
    yield made
    made.close()


@pytest.fixture
def cluster(server):
    """A fresh database on the module's server."""
    return server.new_database()


@pytest.fixture
def service(cluster, state_dir):
    made = house.Service(state_dir, sets=[f"storage.url='{cluster.url}'",
                                          "storage.journal_max_bytes=64MiB"])
    made.start().wait_ready()
    yield made
    made.close()


def wait_kept(service, seq):
    """The node has written down that it saw the log up to there."""
    def kept():
        lines = (service.state_dir / "snapshot").read_text().split("\n")
        return int(next(x for x in lines if x.startswith("seq ")).split()[2]) >= seq
    wait_for(kept, 15, f"seq {seq} in the snapshot")


def load(service, n):
    """Events that are answered and logged; the EventIds."""
    ids = [f"{n}-{i}-{time.monotonic_ns()}" for i in range(n)]
    for event_id in ids:
        assert service.post(event_body(EventId=event_id)).status_code == 200
    return ids


def event_ids(cluster):
    return [row[0] for row in cluster.sql("select event_id from event where message_id is null"
                                            " or message_id not like 'Rfeventd.%' order by seq")]


def set_back(cluster, name):
    cluster.stop("immediate")
    cluster.restore(name)
    cluster.start()


def hello_epoch(stream):
    return stream.of("hello")[-1]["epoch"]


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_a_log_set_back_is_written_again_from_the_journal(cluster, service, restarted):
    first = load(service, 5)
    service.wait_entries(5)
    cluster.stop()
    cluster.keep("old")
    cluster.start()
    service.wait_ready()
    later = load(service, 7)
    before = service.wait_entries(12)
    stream = service.stream(subscribe={"type": "subscribe", "after": 0})
    stream.wait_events(12)
    epoch = hello_epoch(stream)
    wait_kept(service, 12)
    if restarted:
        service.kill()
    set_back(cluster, "old")
    if restarted:
        service.start()
    service.wait_ready()
    end = load(service, 1)
    entries = wait_for(lambda: (lambda e: e if len(e) == 13 else None)(service.entries()), 20, "refilled")
    assert [e["EventId"] for e in entries] == first + later + end
    seqs = [e["seq"] for e in service.entries(own=True)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert {e["id"] for e in entries} >= {e["id"] for e in before}
    assert "epoch changed" in service.log()
    assert not cluster.sql("select 1 from log_gap")
    if restarted:
        stream.close()
    else:
        # Who was listening hears of the new log, and again what it lost.
        stream.wait(lambda s: hello_epoch(s) != epoch, 10, "hello of the new epoch")
        stream.wait(lambda s: end[0] in [e["EventId"] for e in s.events()], 10, "the end")
        stream.close()
    late = service.stream(subscribe={"type": "subscribe", "after": 12, "epoch": epoch})
    late.wait(lambda s: [e for e in s.of("error") if e["code"] == "epoch_changed"])
    assert hello_epoch(late) != epoch
    late.close()
    # A second restart finds nothing to do.
    now = cluster.sql("select epoch from meta")
    service.kill()
    service.start().wait_ready()
    assert cluster.sql("select epoch from meta") == now and len(event_ids(cluster)) == 13


@pytest.mark.parametrize("n_kept", [0, 2] if os.environ.get("RFEVENTD_SLOW") else [0])
def test_what_is_gone_from_the_journal_too_is_a_gap(cluster, state_dir, n_kept):
    service = house.Service(state_dir, sets=[f"storage.url='{cluster.url}'", "storage.journal_keep=0s"])
    service.start().wait_ready()
    try:
        first = load(service, 3)
        service.wait_entries(3)
        cluster.stop()
        cluster.keep("old")
        cluster.start()
        service.wait_ready()
        load(service, 4)
        service.wait_entries(7)
        # A restart seals the segment, which is then loaded, old enough, and deleted.
        assert service.terminate()[0] == 0
        service.start().wait_ready()
        journal = pathlib.Path(service.state_dir) / "journal"
        wait_for(lambda: not list(journal.glob("*.journal")), 20, "the segments are gone")
        # Seven, and what the service said of a database that took its time.
        last = cluster.sql("select seq from counter")[0][0]
        kept = load(service, n_kept)
        service.wait_entries(7 + n_kept)
        wait_kept(service, last + n_kept)
        wait_for(lambda: f"gone {last}\n" in (service.state_dir / "snapshot").read_text(), 10, "written down")
        service.kill()
        set_back(cluster, "old")
        service.start().wait_ready()
        wait_for(lambda: event_ids(cluster) == first + kept, 20, "what can be had")
        # Seqs from 4 on were given to events that nobody has: they stay empty.
        assert cluster.sql("select from_seq, to_seq from log_gap") == [(4, last)]
        wait_for(lambda: cluster.sql("select 1 from event where message_id like '%.EpochChanged'"), 10, "told")
        there = cluster.sql("select array_agg(seq order by seq) from event")[0][0]
        assert len(there) >= 3 + n_kept and there == [1, 2, 3, *range(last + 1, last - 2 + len(there))]
        stream = service.stream(subscribe={"type": "subscribe", "after": 0})
        stream.wait(lambda s: s.of("caught_up"))
        assert [e["seq"] for e in stream.events()] == there
        assert stream.of("gap") == [{"type": "gap", "from": 4, "to": last, "reason": "lost"}]
        load(service, 1)
        assert stream.wait_events(len(there) + 1)[-1]["seq"] == there[-1] + 1
        stream.close()
        # In the middle of a page too.
        late = service.stream(subscribe={"type": "subscribe", "after": 0})
        assert [e["seq"] for e in late.wait_events(len(there) + 1)] == [*there, there[-1] + 1]
        assert late.of("gap") == stream.of("gap")
        late.close()
        count = service.get(house.ENTRIES + "?$top=1").json()["Members@odata.count"]
        assert count == len(there) + 1
    finally:
        service.close()


def test_set_back_under_load(cluster, service):
    sender = Sender(service, threads=2, pause=0.002).start()
    time.sleep(1)
    cluster.stop()
    cluster.keep("old")
    cluster.start()
    rounds = 3 if os.environ.get("RFEVENTD_SLOW") else 1
    for _ in range(rounds):
        time.sleep(2)
        service.wait_ready()
        set_back(cluster, "old")
    time.sleep(2)
    sender.stop()
    service.wait_ready()
    wait_for(lambda: set(sender.answered) <= set(event_ids(cluster)), 40, "all of it again")
    entries = service.entries()
    assert account(sender, service.entries(own=True)) == {"missing": [], "doubled": [], "unknown": [], "out of order": []}
    print(f"\n{len(entries)} events, set back {rounds} times")
