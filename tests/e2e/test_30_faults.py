"""Every kind of fault of tests/faults once, under load, and the account at the end. `make soak` is
the long run."""
import collections
import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading

import pytest

import house

sys.path.append(str(house.ROOT / "tests/faults"))

import fault_cluster as cluster  # noqa: E402
import kinds  # noqa: E402
import ledger  # noqa: E402
import proxy  # noqa: E402
import run  # noqa: E402
import tail  # noqa: E402


@pytest.fixture
def seed():
    seed = int(os.environ.get("RFEVENTD_SEED", random.randrange(1 << 30)))
    print(f"\nseed {seed} (RFEVENTD_SEED)")
    return seed


@pytest.mark.skipif(not cluster.binaries(), reason="no PostgreSQL server binaries here")
def test_nothing_is_lost_under_any_fault(seed):
    done = run.Run(seed).go(0)
    print(run.report([done], seed, 0)[0])
    assert set(done.fired) == set(kinds.KINDS)
    assert done.log["answered"] > 2000 and done.stream["streams"] > 3
    assert done.is_good(), (done.log, done.stream, done.complaints)


@pytest.mark.skipif(not cluster.binaries(), reason="no PostgreSQL server binaries here")
def test_a_disk_that_forgets_what_was_synced_is_noticed(seed, monkeypatch):
    """The account is worth nothing if it cannot be bad."""
    sites, disk = [], kinds.Disk

    def forgetful(state):
        sites[0].proxy.hold()   # what is answered now is in the journal alone
        threading.Timer(3, sites[0].proxy.release).start()
        return disk(state, ignore="fdatasync")
    monkeypatch.setattr(kinds, "Disk", forgetful)
    done = run.Run(seed, before=sites.append).go(0, ["power cut"])
    shutil.rmtree(done.folder)
    print(done.log)
    assert done.log["missing"] > 20 and not done.is_good()


@pytest.mark.skipif(not cluster.binaries(), reason="no PostgreSQL server binaries here")
def test_a_journal_that_cannot_begin_refuses_and_says_so(seed):
    def start_on_a_bad_disk(site):
        site.service.kill()
        site.controls.disk(kinds.controls.NO_SYNC)
        site.start()
        assert site.post().status_code == 503
        assert site.service.log().count("journal cannot grow, deliveries are answered 503") == 1
        site.controls.disk(kinds.controls.GOOD)
        site.wait_taken()
    done = run.Run(seed, before=start_on_a_bad_disk).go(0, ["row refused"])
    print(done.log)
    assert done.is_good(), (done.log, done.stream, done.complaints)


@pytest.fixture
def small_disk():
    """Makes a file system of 256 MiB under a folder."""
    mounted = []

    def make(folder):
        folder.mkdir(mode=0o755)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "tmpfs", folder],
                              check=False, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)
        shutil.rmtree(folder.parent, ignore_errors=True)


def fill_up(folder):
    """A file that leaves no room for another byte."""
    path = folder / "ballast"
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    return path


def full_file_system(site):
    """PostgreSQL's file system is full until it says so; then a person makes room."""
    ballast = fill_up(site.cluster.folder)
    try:
        house.wait_for(lambda: site.post(pad=256 << 10) and
                       "No space left on device" in site.cluster.log_end(), 40, "PostgreSQL is full")
        site.pause(1)
        assert site.is_running() and site.post().status_code in (200, 503)
    finally:
        ballast.unlink()
    site.cluster.revive()
    site.cluster.wait_ready()
    site.wait_taken()


@pytest.mark.skipif(not cluster.binaries(), reason="no PostgreSQL server binaries here")
def test_the_file_system_of_postgres_is_full(seed, small_disk, monkeypatch):
    monkeypatch.setattr(cluster, "SETTINGS", cluster.SETTINGS + "max_wal_size = 64MB\n")
    done = run.Run(seed, before=full_file_system)
    small_disk(done.folder / "cluster")
    done.go(0, ["row refused"])
    print(done.log)
    assert done.log["answered"] > 100 and done.is_good(), (done.log, done.stream, done.complaints)


# --- the account ----------------------------------------------------------------------------------

def account(tmp_path, lines, rows, quarantined=(), aside=()):
    (tmp_path / "sender").write_text("".join(line + "\n" for line in lines), encoding="ascii")
    book = ledger.Ledger().read(tmp_path / "sender")
    book.set_aside.update(map(ledger.key_of, aside))
    found = book.account([(seq, event_id, xmin) for seq, event_id, xmin in rows], list(quarantined))
    return {name: n for name, n in found.items() if n and name not in ledger.HARMLESS}


GOOD = ["A 0 0 2", "U 0 1 1", "R 1 0 1", "A 1 1 1", "D 2 0 1"]
OWN = "019ad5c2-0000-7000-8000-000000000001"
LOG = [(1, "0-0-0", 7), (2, "0-0-1", 7), (3, "1-1-0", 9)]


@pytest.mark.parametrize("lines,rows,expected", [
    (GOOD, LOG, {}),
    (GOOD, LOG + [(4, "0-1-0", 9)], {}),                       # unsure: it may be there
    (GOOD, LOG + [(4, "2-0-0", 9), (5, "2-0-0", 9)], {}),      # and this one twice
    (GOOD, LOG + [(4, OWN, 9)], {}),                           # the service's own
    (GOOD, LOG + [(4, OWN, 9), (5, OWN, 9)], {"doubled": 1}),
    (GOOD, LOG[:2], {"missing": 1}),
    (GOOD, LOG + [(4, "0-0-1", 9)], {"doubled": 1}),
    (GOOD, LOG + [(4, "1-0-0", 9)], {"refused, yet logged": 1}),
    (GOOD, LOG + [(4, "7-0-0", 9)], {"unknown": 1}),
    (GOOD, LOG + [(4, None, 9)], {"unknown": 1}),
    (GOOD, LOG[:2] + [(4, "1-1-0", 9)], {"gaps in seq": 1}),
    (GOOD, LOG[:2] + [(3, "1-1-0", 6)], {"commits out of order": 1}),
    (GOOD + ["A 0 2 1"], [(1, "0-2-0", 1), (2, "0-0-0", 1), (3, "0-0-1", 1), (4, "1-1-0", 1)],
     {"out of order": 1}),
], ids=["good", "unsure", "perhaps twice", "own", "own twice", "missing", "doubled", "refused", "unknown", "no id",
        "gap", "commit order", "order"])
def test_the_account_of_the_log(tmp_path, lines, rows, expected):
    assert account(tmp_path, lines, rows) == expected


@pytest.mark.parametrize("row,aside,expected", [
    ((1, b'{"Events":[{"EventId":"0-0-0"},{"EventId":"1-1-0"}]}'), ["1-1-0"], {}),
    ((-1, b'{"Events":[{"EventId":"1-1-0"}]}'), ["1-1-0"], {}),
    ((0, b'{"Events":[{"EventId":"1-1-0"}]}'), [], {"missing": 1, "wrongly set aside": 1}),
    ((-1, None), [], {"missing": 1, "wrongly set aside": 1}),
    ((0, b'{"Events":[{"EventId":"0-0-0"}]}'), ["0-0-0"], {"missing": 1, "logged and set aside": 1}),
], ids=["a record", "all of it", "not due", "without bytes", "in the log, too"])
def test_the_account_of_quarantine(tmp_path, row, aside, expected):
    assert account(tmp_path, GOOD, LOG[:2], [row], aside) == expected


def test_the_account_of_the_stream(tmp_path):
    heard = tmp_path / "reader"
    heard.write_text("C\nE 1 a\nC\nX seq 3 after 1\nE 3 c\n", encoding="utf-8")
    rows = [(1, "a", 0), (2, "b", 0), (3, "c", 0)]
    assert ledger.stream_account(heard, rows) == (
        {"streams": 2, "new epochs": 0, "heard": 2, "unlike the log": 1, "resume gaps": 1},
        ["seq 3 after 1"])


def test_the_account_of_a_stream_whose_log_was_set_back(tmp_path):
    heard = tmp_path / "reader"
    heard.write_text("C\nE 1 a\nE 2 gone\nN None\nC\nE 1 a\nE 2 b\n", encoding="utf-8")
    assert ledger.stream_account(heard, iter([(1, "a", 0), (2, "b", 0)])) == (
        {"streams": 2, "new epochs": 1, "heard": 2, "unlike the log": 0, "resume gaps": 0}, [])


@pytest.mark.parametrize("fired, told, right", [(0, 0, True), (1, 1, True), (3, 2, True), (1, 0, False),
                                                (0, 1, False), (1, 2, False)])
def test_an_epoch_is_told_when_there_is_one(fired, told, right):
    done = run.Run.__new__(run.Run)
    done.fired, done.stream = collections.Counter({run.SET_BACK: fired}), {"new epochs": told}
    assert done.epochs_are_right() == right


def test_report_of_two_runs():
    one = collections.namedtuple("One", "fired log stream complaints is_good")
    log = {"answered": 3, "in log": 3, "missing": 1}
    runs = [one(collections.Counter(a=2), log, {"heard": 3}, ["x"], lambda: False),
            one(collections.Counter(a=1, b=4), dict(log, missing=0), {"heard": 4}, [], lambda: True)]
    text, found = run.report(runs, 7, 12.3)
    assert text.startswith("seed 7, 12 s, 7 faults of 2 kinds\n")
    assert found["faults"] == {"a": 3, "b": 4} and not found["good"] and found["complaints"] == ["x"]
    assert found["account"] == {"answered": 6, "in log": 6, "missing": 1, "stream: heard": 7}


# --- the tools ------------------------------------------------------------------------------------

def message(kind, text=b""):
    return kind + (len(text) + 4).to_bytes(4, "big") + text


def test_the_proxy_finds_messages_wherever_they_are_cut():
    started = (8).to_bytes(4, "big") + b"\0\3\0\0"
    said = [started, message(b"Q", b"BEGIN\0"), message(b"d", b"x" * 50), message(b"c"),
            message(b"Q", b"COMMIT\0")]
    whole = b"".join(said)
    for size in (len(whole), 7, 1):
        frames, at, found = proxy.Frames(), 0, []
        while at < len(whole):
            found += [kind[:1] for kind, _ in frames.feed(whole[at:at + size])]
            at += size
        assert found == [b"", b"Q", b"d", b"c", b"Q"], size
    found = list(proxy.Frames().feed(whole))
    assert [start for _, start in found] == [0, 8, 19, 74, 79]
    assert found[-1][0] == b"QCOMMIT\0"


@pytest.mark.parametrize("flip", [False, True], ids=["torn", "flipped"])
def test_a_spoilt_tail_is_never_a_record(tmp_path, flip):
    chance = random.Random(5)
    assert tail.crc32c(0, b"123456789") == 0xE3069283
    payload = b"a delivery " * 30
    front = bytes(16) + bytes(range(16)) + bytes(tail.FIRST - 32)
    seed = tail.crc32c(0, front[16:32])
    content = front + tail.head(seed, tail.FIRST, payload) + payload
    content += bytes(-len(payload) % 8) + bytes(4096)
    end = tail.end_of(content)
    assert end == tail.FIRST + tail.HEAD_BYTES + len(payload) + -len(payload) % 8
    for i in range(20):
        path = tmp_path / f"{i:02}.journal"
        path.write_bytes(content)
        assert tail.unsealed(tmp_path) == path
        assert tail.spoil(path, chance, flip)
        after = path.read_bytes()
        assert after[:end] == content[:end] and after != content and len(after) == len(content)
        length = int.from_bytes(after[end:end + 4], "little")
        part = after[end + tail.HEAD_BYTES:end + tail.HEAD_BYTES + length]
        assert after[end:end + tail.HEAD_BYTES] + part != tail.head(seed, end, part) + part or not part


CLOCK_AND_DISK = """
import os, sys, time
def said(call):
    try:
        return str(call())
    except OSError as error:
        return os.strerror(error.errno)
root = sys.argv[1]
inside, outside = (os.open(p, os.O_RDWR | os.O_CREAT) for p in (root + "/in/x", root + "/x"))
for line in sys.stdin:
    fds = (inside, outside)
    print(round(time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)),
          *(said(lambda: os.pwrite(fd, b"123456", 0)) for fd in fds),
          *(said(lambda: os.pwrite(fd, b"123456", 4)) for fd in fds),
          *(said(lambda: os.posix_fallocate(fd, 0, 10)) for fd in fds),
          *(said(lambda: os.fsync(fd)) for fd in fds), os.pread(inside, 10, 0), sep="|", flush=True)
"""


def test_the_preloaded_clock_and_disk(tmp_path):
    controls = run.kinds.controls
    (tmp_path / "in").mkdir()
    made = controls.Controls(tmp_path / "controls", tmp_path / "in")
    with subprocess.Popen(["/usr/bin/python3", "-c", CLOCK_AND_DISK, str(tmp_path)], text=True,
                          env=dict(os.environ, **made.env), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as program:
        def ask():
            program.stdin.write("\n")
            program.stdin.flush()
            return program.stdout.readline().rstrip("\n").split("|")
        full, bad = "No space left on device", "Input/output error"
        (tmp_path / "in/x").write_bytes(b"......")
        made.disk(controls.FULL)
        first = ask()
        assert first[1:] == ["6", "6", full, "6", full, "None", "None", "None", "b'123456'"]
        assert made.fired == 2
        made.disk(controls.EIO)
        made.clock(-86400)
        moved = ask()
        assert abs(int(moved[0]) - int(first[0]) + 86400) < 2
        assert moved[1:5] == [bad, "6", bad, "6"]
        made.disk(controls.SHORT)
        assert ask()[1:5] == ["3", "6", "3", "6"]
        made.disk(controls.NO_SYNC)
        assert ask()[5:] == ["None", "None", bad, "None", str(bytes(10))]
        made.disk(controls.GOOD)
        assert ask()[1:] == ["6"] * 4 + ["None"] * 4 + ["b'1234123456'"]
        program.stdin.close()
    assert made.clock_moves() == 2
