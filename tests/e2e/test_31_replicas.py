"""Several daemons on one PostgreSQL: one sequence, shared knowledge, and nobody held up by a dead one."""
import json
import os
import random
import shutil
import signal
import threading
import time

import pytest

import house
from house import Sender, event_body, wait_for

SLOW = bool(os.environ.get("RFEVENTD_SLOW"))


class Replica(house.Service):
    """The others' admin password opens its door."""

    first = None

    @property
    def password(self):
        own = self.state_dir / "admin-password"
        return (own if own.exists() else self.first.state_dir / "admin-password").read_text().strip()


@pytest.fixture
def new_replica(cluster, state_dir):
    """Makes daemons on the cluster, each with a state directory of its own."""
    made = []

    def make(name, *sets, wait=True):
        path = state_dir / name
        path.mkdir(exist_ok=True)
        replica = Replica(path, sets=[f"storage.url='{cluster.url}'", *sets])
        replica.first = made[0] if made else replica
        made.append(replica)
        replica.start()
        return replica.wait_ready() if wait else replica

    yield make
    for replica in made:
        if replica.process and replica.process.poll() is None:
            os.kill(replica.process.pid, signal.SIGCONT)
        replica.close()


@pytest.fixture
def replicas(new_replica):
    made = [new_replica("a"), *(new_replica(name, wait=False) for name in ("b", "c"))]
    return [replica.wait_ready() for replica in made]


def wait_door(replica):
    """The operators' door opens a moment after the receiver, database or not."""
    wait_for(lambda: "operators' door listens" in replica.log().split("msg=starting")[-1], 10, "the door")


def log_of(cluster, own=False):
    """(seq, EventId) of the whole log; what the services say of themselves only with `own`."""
    return cluster.sql("select seq, event_id from event where %s or message_id is null"
                       " or message_id not like 'Rfeventd.%%' order by seq", own)


def assert_whole(cluster, senders):
    """Every event answered 2xx is there once, and seqs have no gap."""
    rows = log_of(cluster, own=True)
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) == len({event_id for _, event_id in rows})
    ids = [event_id for _, event_id in log_of(cluster)]
    assert {i for s in senders for i in s.answered} <= set(ids)
    assert set(ids) <= {i for s in senders for i in (*s.answered, *s.unsure, *s.refused)}
    return rows


def wait_logged(cluster, senders, timeout=30):
    answered = {i for s in senders for i in s.answered}
    wait_for(lambda: answered <= {i for _, i in log_of(cluster)}, timeout, "all of it in the log")


def heard(stream):
    return [(e["seq"], e["EventId"]) for e in stream.events()]


def test_one_sequence_and_every_stream_records_it(cluster, replicas):
    streams = [r.stream(subscribe={"type": "subscribe", "after": 0}) for r in replicas]
    for stream in streams:
        stream.wait(lambda s: s.of("caught_up"))
    senders = [Sender(r, threads=2).start() for r in replicas]
    time.sleep(20 if SLOW else 3)
    for sender in senders:
        sender.stop()
    wait_logged(cluster, senders)
    rows = assert_whole(cluster, senders)
    assert all(len(s.answered) > 50 and not s.refused and not s.unsure for s in senders)
    for stream in streams:
        stream.wait_events(len(rows))
        assert heard(stream) == rows
        stream.close()
    print(f"\n{len(rows)} events by three replicas, three identical streams")


class Follower:
    """A client that comes back with its last seq and epoch whenever its stream ends."""

    def __init__(self, replica):
        self.replica, self.got, self.others = replica, [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        epoch = None
        while not self._stop.is_set():
            first = {"type": "subscribe", "after": self.got[-1][0] if self.got else 0}
            if epoch:
                first["epoch"] = epoch
            stream = self.replica.stream(subscribe=first)
            n = 0
            while not self._stop.is_set() and not (stream.closed.is_set() and n == len(stream.messages)):
                for message in stream.messages[n:]:
                    n += 1
                    epoch = message.get("epoch", epoch)
                    if message["type"] == "events":
                        self.got += [(e["seq"], e["EventId"]) for e in message["events"]]
                    elif message["type"] in ("gap", "error"):
                        self.others.append(message)
                time.sleep(0.02)
            stream.close()
            time.sleep(0.05)

    def stop(self):
        self._stop.set()
        self._thread.join(20)


def test_a_replica_killed_again_and_again(cluster, replicas):
    seed = int(os.environ.get("RFEVENTD_SEED", time.time()))
    dice = random.Random(seed)
    followers = [Follower(r) for r in replicas]
    senders = [Sender(r, threads=2, pause=0.002).start() for r in replicas]
    for _ in range(12 if SLOW else 3):
        time.sleep(10 if SLOW else 1.0)
        victim = dice.choice(replicas)
        victim.kill()
        victim.start()
    time.sleep(1)
    for sender in senders:
        sender.stop()
    for replica in replicas:
        replica.wait_ready()
    wait_logged(cluster, senders)
    rows = assert_whole(cluster, senders)
    for follower in followers:
        wait_for(lambda f=follower: len(f.got) >= len(rows), 20, "a stream has all of it")
        follower.stop()
        assert follower.got == rows and not follower.others
    print(f"\nseed {seed}: {len(rows)} events, identical on three streams")


HOLDERS = """
    select a.pid, a.xact_start from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where l.relation = 'journal_segment'::regclass and l.mode = 'RowExclusiveLock' and l.granted
      and a.wait_event = 'ClientRead' and a.query like 'COPY%'"""


def freeze_in_copy(cluster, replica, timeout=30):
    """SIGSTOP while its loader's backend waits for it inside COPY, with the counter row taken."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        os.kill(replica.process.pid, signal.SIGSTOP)
        held = set(cluster.sql(HOLDERS))
        if held:
            time.sleep(0.1)
            held &= set(cluster.sql(HOLDERS))
        if held:
            return held.pop()[0]
        os.kill(replica.process.pid, signal.SIGCONT)
        time.sleep(random.uniform(0.001, 0.01))
    raise AssertionError("never caught inside COPY")


def test_a_replica_frozen_inside_copy_stalls_the_others_for_5_s_at_most(cluster, replicas):
    frozen, *others = replicas
    senders = [Sender(r, threads=2, pad=20000 if r is frozen else 0).start() for r in replicas]
    time.sleep(0.5)
    pid = freeze_in_copy(cluster, frozen)
    start = time.monotonic()
    before = cluster.sql("select seq from counter")[0][0]
    wait_for(lambda: cluster.sql("select seq from counter")[0][0] > before, 15, "the log goes on")
    stall = time.monotonic() - start
    stream = others[0].stream(subscribe={"type": "subscribe", "after": "live"})
    stream.wait_events(20, 5)
    stream.close()
    assert not cluster.sql("select 1 from pg_stat_activity where pid = %s", pid)
    os.kill(frozen.process.pid, signal.SIGCONT)
    time.sleep(1)
    for sender in senders:
        sender.stop()
    wait_logged(cluster, senders)
    rows = assert_whole(cluster, senders)
    assert frozen.process.poll() is None
    print(f"\nstalled {stall:.1f} s; {len(rows)} events")
    assert stall <= 5


def test_a_repeat_at_another_replica_is_logged_once(cluster, replicas):
    a, b, _ = replicas
    sane = json.dumps(event_body(EventId="sane"))
    vague = json.dumps(event_body(EventId="vague", EventTimestamp="never"))
    for body in (sane, vague):
        assert a.post(body).status_code == 200
        wait_for(lambda: len(log_of(cluster)) == len({sane, body}), 5, "logged by a")
        assert b.post(body).status_code == 200
    wait_for(lambda: len(log_of(cluster)) >= 3, 5, "logged by b")
    b.kill()
    b.start().wait_ready()
    assert b.post(sane).status_code == 200
    assert b.post(event_body(EventId="end")).status_code == 200
    wait_for(lambda: log_of(cluster)[-1][1] == "end", 5, "the end")
    assert [i for _, i in log_of(cluster)] == ["sane", "vague", "vague", "end"]
    quirks = cluster.sql("select quirks from event where event_id = 'vague' order by seq")
    assert ["possible_repeat" in (q or []) for (q,) in quirks] == [False, True]


def test_secrets_and_sources_are_shared(cluster, new_replica):
    a = new_replica("a", "sources=[{name: here, token: abcdefghabcdefgh, site: Ulm}]")
    b = new_replica("b")
    assert not (b.state_dir / "admin-password").exists()
    assert (a.state_dir / "admin-password").exists()
    assert a.token == b.token
    assert b.get("/redfish/v1/Managers").status_code == 200
    source = wait_for(lambda: cluster.sql("select id from source where name = 'here'"), 5, "a row")
    wait_for(lambda: b.metric("rfeventd_sources") == 1, 5, "known at b")
    assert b.post(event_body(EventId="at b"), token="abcdefghabcdefgh").status_code == 200
    wait_for(lambda: cluster.sql("select 1 from event where event_id = 'at b' and source_id = %s",
                                 source[0][0]), 5, "logged as the source of a")
    # What is written straight into the table by whoever makes sources.
    cluster.sql("insert into source (id, name, token, state, created)"
                " values (gen_random_uuid(), 'later', 'zzzzzzzzyyyyyyyy', 1, now())")
    start = time.monotonic()
    for replica in (a, b):
        wait_for(lambda r=replica: r.metric("rfeventd_sources") == 2, 5, "heard of")
    assert time.monotonic() - start < 3
    assert b.post(event_body(), token="wwwwwwwwwwwwwwww").status_code == 401


def test_replicas_that_have_nothing_to_say_leave_each_other_alone(cluster, new_replica):
    new_replica("a")
    new_replica("b")
    time.sleep(1)
    with cluster.connection() as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("listen rfeventd_shared")
        time.sleep(2)
        cursor.execute("select 1")
        assert len(connection.notifies) <= 1


def wait_door(replica):
    """It opens a little after the receiver's."""
    wait_for(lambda: "operators' door listens" in replica.log()[replica.log().rfind("receiver listens"):], 10,
             "the operators' door")


def test_a_restart_without_the_database_knows_the_others_sources(cluster, new_replica):
    a = new_replica("a")
    b = new_replica("b")
    old = (b.state_dir / "snapshot").read_bytes()
    cluster.sql("insert into source (id, name, token, state, created)"
                " values (gen_random_uuid(), 'known', 'knownknownknown2', 1, now())")
    wait_for(lambda: b.metric("rfeventd_sources") == 1, 5, "known at b")
    wait_for(lambda: b"knownknownknown2" in (b.state_dir / "snapshot").read_bytes(), 5, "kept")
    b.kill()
    # A snapshot from before: what it does not know may be known to the database.
    c = a.state_dir.parent / "c"
    shutil.copytree(b.state_dir, c)
    (c / "snapshot").write_bytes(old)
    cluster.stop()
    b.start().wait_listening()
    assert b.post(event_body(EventId="by snapshot"), token="knownknownknown2").status_code == 200
    wait_door(b)
    assert b.metric("rfeventd_sources") == 1
    stale = new_replica("c", wait=False)
    stale.wait_listening()
    assert stale.post(event_body(EventId="unverified"), token="knownknownknown2").status_code == 200
    wait_door(stale)
    assert stale.metric("rfeventd_sources") == 0
    assert stale.post(event_body(EventId="nobody"), token="nobodynobodynob").status_code == 200
    assert stale.post(event_body(), path="/events/").status_code == 401
    cluster.start()
    wait_for(lambda: {i for _, i in log_of(cluster)} == {"by snapshot", "unverified"}, 20, "decided")
    wait_for(lambda: cluster.sql("select reason from quarantine") == [("unverified",)], 10, "set aside")
    wait_for(lambda: stale.post(event_body(), token="nobodynobodynob").status_code == 401, 10,
             "refused once it is known")


def test_first_start_without_the_database_gives_way(cluster, new_replica):
    a = new_replica("a")
    cluster.stop()
    b = new_replica("b", wait=False)
    b.wait_listening()
    made = b.token
    assert made != a.token
    assert b.post(event_body(EventId="early")).status_code == 200
    cluster.start()
    wait_for(lambda: b.token == a.token, 10, "the shared token")
    assert not (b.state_dir / "admin-password").exists()  # a made the account
    wait_for(lambda: [i for _, i in log_of(cluster)] == ["early"], 10, "what it took is logged")
    assert b.post(event_body(EventId="late")).status_code == 200


def test_a_replica_with_another_key_does_not_start(cluster, new_replica, state_dir):
    for name in ("one", "two"):
        (state_dir / f"key-{name}").write_text(name * 20)
    keyed = [f"secrets.key_file={state_dir}/key-{name}" for name in ("one", "two")]
    a = new_replica("a", keyed[0])
    wait_for(lambda: cluster.sql("select 1 from shared_fact where name = 'key-fingerprint'"), 5, "said")
    fresh = new_replica("b", keyed[1], wait=False)
    assert fresh.process.wait(10) == 1
    assert "key-two" in fresh.log() and "put a copy of their key file" in fresh.log()
    without = new_replica("c", wait=False)
    assert without.process.wait(10) == 1 and "secrets.key_file" in without.log()
    # Also one that has a snapshot, and so is up before it sees the database.
    assert a.terminate()[0] == 0
    a.sets[-1] = keyed[1]
    a.start()
    assert a.process.wait(10) == 1 and "key-two" in a.log()
    a.sets[-1] = keyed[0]
    a.start().wait_ready()


def test_the_journal_of_a_dead_replica_is_taken_over(cluster, new_replica, state_dir):
    a = new_replica("a")
    dead = new_replica("dead")
    before = Sender(dead, threads=1).start()
    time.sleep(0.5)
    before.stop()
    wait_logged(cluster, [before])
    cluster.stop()
    after = Sender(dead, threads=2).start()
    time.sleep(0.7)
    after.stop()
    dead.kill()
    own = Sender(a, threads=1).start()
    time.sleep(0.3)
    a.kill()
    own.stop()
    assert len(after.answered) > 20
    cluster.start()
    # While somebody runs on it, it is left alone.
    busy = new_replica("busy")
    a.sets.append(f"storage.adopt=['{state_dir}/dead','{state_dir}/busy','{state_dir}/nowhere']")
    a.start().wait_ready()
    senders = [before, after, own]
    wait_logged(cluster, senders)
    assert_whole(cluster, senders)
    assert "in use by another rfeventd" in a.log()
    assert not list((state_dir / "dead/journal").glob("*.journal"))
    # Its segments are ours now: a restart loads nothing twice.
    a.kill()
    a.start().wait_ready()
    assert busy.post(event_body(EventId="end")).status_code == 200
    wait_for(lambda: log_of(cluster)[-1][1] == "end", 10, "the end")
    assert_whole(cluster, [*senders, type("End", (), {"answered": ["end"], "unsure": [], "refused": []})])


def test_one_reads_a_log_and_the_other_hears_the_pushes(cluster, replicas):
    """What came by push and from the source's own log is there once, whichever replica it came to."""
    one, two, _ = replicas
    assert one.post(event_body(EventId="first")).status_code == 200
    wait_for(lambda: len(log_of(cluster)) == 1, what="the first one")
    path = house.IMPORT.format(cluster.sql("select source_id from event where event_id = 'first'")[0][0])
    sent = [event_body(EventId=f"r{i}", MessageArgs=[f"PSU {i}"]) for i in range(20)]
    log = house.log_collection([b["Events"][0] for b in sent])
    for body in sent[:10]:
        assert two.post(body).status_code == 200
    wait_for(lambda: len(log_of(cluster)) == 11, what="what was pushed")
    assert one.ask("POST", path, json=log).status_code == 200
    wait_for(lambda: len(log_of(cluster)) == 21, what="the gap is filled")
    for body in sent[5:]:
        assert two.post(body).status_code == 200
    assert two.ask("POST", path, json=log).status_code == 200
    assert two.post(event_body(EventId="last")).status_code == 200
    wait_for(lambda: "last" in dict(map(reversed, log_of(cluster))), what="all are loaded")
    rows = log_of(cluster, own=True)
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    assert sorted(i for _, i in log_of(cluster)) == sorted(["first", "last", *(f"r{i}" for i in range(20))])
