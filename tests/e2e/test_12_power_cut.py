"""A power cut under load: whatever was not synced is gone, and every delivery that was answered 200
is in the log once. Without the syncs it is not: the same test says so."""
import os
import random
import signal
import subprocess
import textwrap
import time

import pytest

import house
from house import Sender, account, event_body, with_postgres, without_postgres
from power_cut import Disk

ROUNDS = int(os.environ.get("RFEVENTD_KILLS", "3"))
SMALL_SEGMENTS = "storage.journal_max_bytes=64MiB"  # 4 MiB each: they change within a run
PAD = 16384                                         # bytes of a body, so that they do soon
MARK = "Other"                                      # EventType of what tells that all is loaded


@pytest.fixture
def disk(state_dir):
    """Makes the disk under the state directory."""
    made = []

    def make(**options):
        made.append(Disk(state_dir, **options))
        return made[0]

    yield make
    for one in made:
        one.switch_off()


@pytest.fixture
def chance():
    seed = int(os.environ.get("RFEVENTD_SEED", random.randrange(1 << 30)))
    print(f"\nseed {seed} (RFEVENTD_SEED)")
    return random.Random(seed)


def secrets(service):
    """What must not be made anew: people and BMCs have copies of it."""
    return [(service.state_dir / name).read_bytes()
            for name in ("tls/ca.crt", "admin-password", "enrolment-token")]


def segments(service):
    return {path.name for path in (service.state_dir / "journal").glob("*.journal")}


def kill_everything(service):
    """kill -9 of the daemon, and of PostgreSQL when it runs."""
    service.kill()
    pid = service.postgres_pid()
    if pid:
        os.kill(pid, signal.SIGKILL)
        house.wait_for(lambda: not service.postgres_pid(), 10, "PostgreSQL ended")


def load_and_cut(service, disk, chance, rounds):
    """Rounds of load, each ended by a power cut soon after a second segment was begun. In between
    the daemon may be killed and lives on with the power; PostgreSQL may die, too; and some of what
    was not synced may have reached the disk all the same."""
    sender = Sender(service, pad=PAD).start()
    for number in range(rounds):
        time.sleep(chance.uniform(0.1, 0.4))
        if number % 3 == 1:
            service.kill()
            service.start().wait_listening()
        before = segments(service)
        house.wait_for(lambda: len(segments(service) - before) > 1, 30, "another segment")
        time.sleep(chance.uniform(0, 0.3))
        (service.kill if number % 2 else lambda: kill_everything(service))()
        disk.cut(chance if number % 3 == 2 else None)
        service.start().wait_listening()
    time.sleep(0.2)
    return sender.stop()


def load_without_postgres(service, disk, chance, rounds):
    without_postgres(service)
    disk.switch_on()
    service.start().wait_listening()
    sender = load_and_cut(service, disk, chance, rounds)
    assert not service.postgres_pid()
    return sender


def entries_up_to_now(service):
    """The log once it holds all that the journal held: it is filled in order."""
    service.wait_ready()
    body = event_body(EventType=MARK)
    [mark] = [event["EventId"] for event in body["Events"]]
    assert service.post(body).status_code == 200
    house.wait_for(lambda: service.entries(f"$filter=EventId%20eq%20'{mark}'"), 60, "the last event")
    return service.entries(own=True)


def check(senders, entries):
    """All that was answered is there, once; nothing else but the marks."""
    everyone = Sender(None, threads=0)
    for sender in senders:
        everyone.answered += sender.answered
        everyone.unsure += sender.unsure
        everyone.refused += sender.refused
    print(f"{len(everyone.answered)} answered 200, {len(everyone.unsure)} unsure, "
          f"{len(entries)} in the log")
    found = account(everyone, entries)
    marks = [entry["EventId"] for entry in entries if entry["EventType"] == MARK]
    assert len(everyone.answered) > 50 * len(senders)
    assert not {entry["EventId"] for entry in entries} & set(everyone.refused)
    assert found == {"missing": [], "doubled": [], "unknown": marks, "out of order": []}


def test_power_cuts_under_load(new_service, disk, chance):
    disk = disk()
    service = new_service(sets=[SMALL_SEGMENTS], env=disk.env).start().wait_ready()
    before = secrets(service)
    sender = load_and_cut(service, disk, chance, ROUNDS)
    assert secrets(service) == before
    check([sender], entries_up_to_now(service))


def test_power_cuts_while_the_journal_alone_has_it(new_service, disk, chance):
    disk = disk()
    service = new_service(sets=[SMALL_SEGMENTS, "storage.journal_keep=0s"], env=disk.env)
    service.start().wait_ready()
    senders = []
    for _ in range((ROUNDS + 2) // 3):  # what the small journal has room for
        senders.append(load_without_postgres(service, disk, chance, 3))
        with_postgres(service)
        entries = entries_up_to_now(service)
        if len(senders) < (ROUNDS + 2) // 3:
            house.wait_for(lambda: len(segments(service)) < 3, 30, "room in the journal again")
    check(senders, entries)


def test_without_the_syncs_it_would_lose(new_service, disk, chance):
    disk = disk(ignore="fdatasync")
    service = new_service(sets=[SMALL_SEGMENTS], env=disk.env).start().wait_ready()
    bytes_ignored = load_without_postgres(service, disk, chance, 1)
    assert service.terminate()[0] == 0
    disk.switch_on()
    service.env["POWER_CUT_IGNORE"] = "directories"
    service.start().wait_listening()
    names_ignored = load_and_cut(service, disk, chance, 1)
    with_postgres(service)
    entries = entries_up_to_now(service)
    for sender in bytes_ignored, names_ignored:
        missing = account(sender, entries)["missing"]
        print(f"{len(missing)} of {len(sender.answered)} lost")
        assert len(missing) > 50


def test_a_directory_that_a_crash_left_unsynced(new_service, disk):
    disk = disk()
    run_program(disk, "")
    (disk.root / "journal").mkdir(mode=0o700)
    (disk.root / "decode-guard").mkdir()  # not a file: the start goes no further than the journal
    service = new_service(env=disk.env).start()
    assert service.process.wait(20) != 0
    disk.cut()
    assert (disk.root / "journal").is_dir()


# What the disk itself promises, by a program that does one thing after another.
FORGETFUL = """
    import os
    root = os.environ["POWER_CUT_ROOT"]
    here = os.open(root, os.O_RDONLY)
    def make(name, text, flags=0):
        fd = os.open(f"{root}/{name}", os.O_RDWR | os.O_CREAT | flags)
        os.write(fd, text)
        return fd
    os.fsync(make("synced without a name", b"1"))
    os.rename(f"{root}/late", f"{root}/late.old")
    os.mkdir(f"{root}/folder without a name")
    os.remove(f"{root}/old")
    %s
    os.rename(f"{root}/new name", f"{root}/newer name")
    os.remove(f"{root}/synced without a name")
    os.fsync(make("same inode perhaps", b"2"))
"""
NAMES = """
    os.fsync(here)
    fd = make("kept", b"not synced")
    fd = make("synced", b"first "); os.fsync(fd)
    os.pwrite(fd, b"F", 0); os.write(fd, b"second"); os.fdatasync(fd); os.write(fd, b" third")
    fd = make("cut", b"0123456789"); os.fsync(fd)
    os.ftruncate(fd, 5); os.ftruncate(fd, 8); os.fdatasync(fd); os.ftruncate(fd, 1)
    make("at once", b"durable", os.O_DSYNC)
    os.mkdir(f"{root}/folder"); folder = os.open(f"{root}/folder", os.O_RDONLY)
    os.close(os.open(f"{root}/folder/inside", os.O_CREAT)); os.fsync(folder)
    os.close(os.open(f"{root}/folder/later", os.O_CREAT))
    os.fsync(here)
"""
START = {"old": b"there", "late": b"at the start", "new name": b"new"}


@pytest.mark.parametrize("names,ignore,expected", [
    ("", "", START),
    (NAMES, "directories", START),
    (NAMES, "", {
        "late.old": b"at the start", "synced without a name": b"1", "kept": b"",
        "synced": b"First second", "cut": b"01234\0\0\0", "at once": b"durable", "new name": b"new",
        "folder": {"inside": b""}, "folder without a name": {}}),
    (NAMES, "fdatasync", {
        "late.old": b"at the start", "synced without a name": b"1", "kept": b"",
        "synced": b"first ", "cut": b"0123456789", "at once": b"", "new name": b"new",
        "folder": {"inside": b""}, "folder without a name": {}}),
], ids=["nothing synced", "names ignored", "all synced", "fdatasync ignored"])
def test_the_disk_forgets(state_dir, disk, names, ignore, expected):
    for name, content in START.items():
        (state_dir / name).write_bytes(content)
    one = disk(ignore=ignore)
    run_program(one, textwrap.dedent(FORGETFUL) % textwrap.dedent(names))
    one.cut()
    assert tree(state_dir) == expected


def test_a_crash_alone_makes_nothing_durable(state_dir, disk):
    one = disk()
    (state_dir / "file").write_bytes(b"at the start")
    run_program(one, "import os; open(os.environ['POWER_CUT_ROOT'] + '/file', 'w').write('new')")
    run_program(one, "import os; open(os.environ['POWER_CUT_ROOT'] + '/other', 'w').write('new')")
    assert tree(state_dir) == {"file": b"new", "other": b"new"}
    one.cut()
    assert tree(state_dir) == {"file": b"at the start"}


def run_program(disk, program):
    """Python, which is killed at its end."""
    program += "\nimport os; os.kill(os.getpid(), 9)"
    done = subprocess.run(["/usr/bin/python3", "-c", program], env=dict(os.environ, **disk.env),
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == -9, done.stderr


def tree(folder):
    return {path.name: tree(path) if path.is_dir() else path.read_bytes()
            for path in folder.iterdir()}
