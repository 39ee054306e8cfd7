"""What is wrong with the service itself comes as events, like all others."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import pytest

import house
from house import Sender, event_body, wait_for, with_postgres, without_postgres


sys.path.append(str(house.ROOT / "tests/faults"))

from controls import EIO, FULL, GOOD, HANG, Controls  # noqa: E402


def key(entry):
    return entry["MessageId"].rsplit(".", 1)[1]


def own(service):
    """Keys of the service's own events, in the order of the log."""
    return [key(e) for e in service.entries(own=True) if e["MessageId"].startswith("Rfeventd.")]


def wait_own(service, *keys, timeout=30):
    def found():
        now = own(service)
        return now if set(keys) <= set(now) else None
    return wait_for(found, timeout, f"{keys} in the log")


def freeze(service):
    """The private PostgreSQL stands still; returns what lets it go on."""
    pid = service.postgres_pid()
    children = [int(p) for p in os.popen(f"pgrep -P {pid}").read().split()]
    for process in [pid, *children]:
        os.kill(process, signal.SIGSTOP)

    def go_on():
        for process in [*children, pid]:
            os.kill(process, signal.SIGCONT)
    return go_on


def test_the_database_goes_and_comes_back(service):
    german = json.loads((house.ROOT / "translations/de/Rfeventd.json").read_text())["Messages"]
    stream = service.stream(subscribe={"type": "subscribe", "after": "live", "language": "de"})
    stream.wait(lambda s: s.of("caught_up"))
    go_on = freeze(service)
    try:
        service.post(event_body(EventId="frozen"))
        shown = stream.wait(lambda s: [e for e in s.events("provisional")
                                       if key(e) == "DatabaseUnreachable"], 25, "told while it is away")
    finally:
        go_on()
    assert len(shown) == 1 and shown[0]["seq"] is None and shown[0]["Severity"] == "Critical"
    assert shown[0]["Message"].startswith(german["DatabaseUnreachable"]["Message"].split("%1")[0])
    wait_own(service, "DatabaseReachable")
    time.sleep(1)
    assert own(service) == ["DatabaseUnreachable", "DatabaseReachable"]
    final = {key(e): e for e in stream.wait_events(3)}
    assert final["DatabaseUnreachable"]["id"] == shown[0]["id"]
    assert final["DatabaseReachable"]["Message"] == german["DatabaseReachable"]["Message"]
    assert final["DatabaseReachable"]["source"]["name"] == "rfeventd"
    wait_for(lambda: service.metric("rfeventd_conditions_open") == 0, what="nothing is open")
    stream.close()


def test_killed_while_the_database_is_away(service):
    go_on = freeze(service)
    try:
        service.post(event_body(EventId="frozen"))
        wait_for(lambda: service.metric("rfeventd_conditions_open") == 1, 20, "raised")
        service.kill()
        service.start().wait_listening()
        assert "open\tdatabase_away" in (service.state_dir / "conditions").read_text()
    finally:
        go_on()
    service.wait_ready()
    wait_own(service, "DatabaseReachable")
    time.sleep(1)
    told = service.entries(own=True)
    assert own(service) == ["DatabaseUnreachable", "DatabaseReachable"], told


def test_an_event_that_a_kill_found_on_its_way_is_logged_once(service):
    """The file still has it, and the journal too: as after a kill between the two."""
    path = service.state_dir / "conditions"
    service.kill()
    body = json.dumps(event_body(MessageId="Rfeventd.1.0.TestMessage", MessageArgs=[]))
    line = f"event\t{uuid.uuid4()}\t{time.time_ns() // 1000}\t{body}\n"
    for _ in range(2):
        path.write_text("rfeventd conditions 1\n" + line)
        service.start().wait_ready()
        wait_own(service, "TestMessage")
        wait_for(lambda: "\nevent\t" not in path.read_text(), what="it is in the journal")
        service.kill()
    service.start().wait_ready()
    assert service.post(event_body(EventId="behind it")).status_code == 200
    service.wait_entries(1)
    assert own(service) == ["TestMessage"]


def test_the_journal_fills_and_empties(new_service):
    service = new_service(sets=["storage.journal_max_bytes=64 MiB", "storage.journal_keep=0s"])
    service.start().wait_ready()
    service.post(event_body(EventId="first"))
    service.wait_entries(1)
    without_postgres(service)
    service.start().wait_listening()
    sender = Sender(service, threads=2, pad=1_000_000).start()
    wait_for(lambda: len(sender.refused) > 2, 60, "the journal is full")
    sender.stop()
    wait_for(lambda: service.metric("rfeventd_conditions_open") >= 2, 10, "raised")
    with_postgres(service)
    service.wait_ready()
    wait_own(service, "JournalNoLongerFull", "JournalNoLongerFilling", timeout=60)
    time.sleep(1)
    told = [k for k in own(service) if k.startswith("Journal")]
    assert told[:2] == ["JournalFilling", "JournalFull"]
    assert sorted(told[2:]) == ["JournalNoLongerFilling", "JournalNoLongerFull"]
    assert len(service.entries()) == 1 + len(sender.answered)


def test_what_is_set_aside_is_told_and_counted(service):
    for i in range(5):
        assert service.post(f"no JSON {i}").status_code == 200
    wait_own(service, "DeliveryQuarantined")
    time.sleep(1)
    told = [e for e in service.entries(own=True) if key(e) == "DeliveryQuarantined"]
    assert len(told) == 1
    assert told[0]["MessageArgs"][0] in ("127.0.0.1", "::1") and "not_json" in told[0]["MessageArgs"][1]
    assert told[0]["Severity"] == "Warning"


def test_a_reload_that_is_refused(state_dir, new_service):
    file = state_dir / "rfeventd.yaml"
    file.write_text("log: {level: info}\n")
    service = new_service()
    arguments = service.arguments
    service.arguments = lambda: [*arguments(), "--config", str(file)]
    service.start().wait_ready()
    file.write_text("log: {level: loud}\n")
    for _ in range(2):
        service.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
    wait_own(service, "ConfigurationRefused")
    file.write_text("log: {level: info}\n")
    service.process.send_signal(signal.SIGHUP)
    wait_own(service, "ConfigurationReloaded")
    assert own(service) == ["ConfigurationRefused", "ConfigurationReloaded"]
    refused = [e for e in service.entries(own=True) if key(e) == "ConfigurationRefused"][0]
    assert "log.level" in refused["MessageArgs"][0]


def make_certificate(path, days):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-days", str(days), "-keyout", f"{path}.key", "-out", f"{path}.crt"],
                   check=True, capture_output=True)


def test_a_certificate_near_its_end(state_dir, new_service):
    path = state_dir / "door"
    make_certificate(path, 20)
    pair = f"[{{certificate: '{path}.crt', key: '{path}.key'}}]"
    service = new_service(sets=[f"receiver.tls.certificates={pair}"])
    service.start().wait_ready()
    wait_own(service, "CertificateExpiring")
    args = [e for e in service.entries(own=True) if key(e) == "CertificateExpiring"][0]["MessageArgs"]
    assert args[0] == f"{path}.crt" and args[1] in ("19", "20")
    assert service.terminate()[0] == 0
    service.start().wait_ready()
    time.sleep(1)
    assert own(service) == ["CertificateExpiring"]
    for days, wanted in ((3, "CertificateExpiring"), (90, "CertificateRenewed")):
        before = own(service)
        make_certificate(path, days)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: own(service) == [*before, wanted], 10, wanted)


# --- what the disks, the clock and the caps do ---------------------------------------------------

@pytest.fixture
def faulty(state_dir, new_service):
    """Makes a service whose journal's disk and clock are in the test's hands."""
    def make(*sets):
        controls = Controls(state_dir / "faults", state_dir / "journal")
        service = new_service(sets=sets, env=controls.env)
        service.start().wait_ready()
        return service, controls
    return make


def one_pair(service, raised, cleared, timeout=30):
    """Both were told, once each and in this order; the raising entry."""
    wait_own(service, raised, cleared, timeout=timeout)
    told = [e for e in service.entries(own=True) if key(e) in (raised, cleared)]
    assert [key(e) for e in told] == [raised, cleared]
    return told[0]


def test_the_database_is_read_only_for_a_while(service):
    with contextlib.closing(service.connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("alter system set default_transaction_read_only = on")
        cursor.execute("select pg_reload_conf()")
        assert service.post(event_body(EventId="meanwhile")).status_code == 200
        wait_for(lambda: service.metric("rfeventd_conditions_open") == 1, 20, "raised")
        assert service.get("/-/ready").status_code == 503
        cursor.execute("set default_transaction_read_only = off")
        cursor.execute("alter system reset default_transaction_read_only")
        cursor.execute("select pg_reload_conf()")
    told = one_pair(service, "DatabaseReadOnly", "DatabaseWritable")
    assert told["Severity"] == "Critical" and "read-only" in told["MessageArgs"][0]
    assert [e["EventId"] for e in service.entries()] == ["meanwhile"]


@pytest.fixture
def small_disk():
    """A file system of 32 MiB, for any user."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-disk-", dir="/tmp"))
    done = None
    if os.geteuid() == 0:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=777", "tmpfs", folder],
                              check=False, capture_output=True, text=True)
    mounted = done is not None and done.returncode == 0
    if mounted:
        yield folder
        subprocess.run(["umount", folder], check=True)
    folder.rmdir()
    if not mounted:
        pytest.skip("no file system can be mounted here")


def test_the_disk_of_the_database_is_full(new_service, small_disk):
    """Today's events stand on a disk that somebody fills and, later, makes room on."""
    service = new_service()
    service.start().wait_ready()
    owner = os.stat(service.state_dir / "postgresql")
    place = small_disk / "space"
    place.mkdir(mode=0o700)
    os.chown(place, owner.st_uid, owner.st_gid)
    service.sql(f"create tablespace small location '{place}'")
    today = service.sql("select 'event_' || to_char(log_day, 'YYYYMMDD') from counter")[0][0]
    service.sql(f"alter table {today} set tablespace small")
    ballast = small_disk / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    sender = Sender(service, threads=2, pause=0.05, pad=60_000).start()
    wait_for(lambda: service.metric("rfeventd_conditions_open") == 1, 30, "raised")
    assert service.process.poll() is None
    ballast.unlink()
    told = one_pair(service, "DatabaseDiskFull", "DatabaseDiskNoLongerFull")
    sender.stop()
    assert "No space left on device" in told["MessageArgs"][0]
    assert len(sender.answered) > 20 and not sender.refused and not sender.unsure
    service.wait_entries(len(sender.answered))
    assert not any(house.account(sender, service.entries(own=True)).values())
    service.sql(f"alter table {today} set tablespace pg_default")
    service.sql("drop tablespace small")


def test_the_disk_of_the_journal_is_full(faulty):
    service, controls = faulty("storage.journal_max_bytes=64 MiB", "storage.journal_keep=0s")
    controls.disk(FULL)
    sender = Sender(service, threads=2, pad=1_000_000).start()
    wait_for(lambda: len(sender.refused) > 5, 60, "refused")
    wait_for(lambda: service.metric("rfeventd_conditions_open") >= 1, 10, "raised")
    assert controls.fired > 0 and service.process.poll() is None
    controls.disk(GOOD)
    before = len(sender.answered)
    wait_for(lambda: len(sender.answered) > before + 5, 20, "taken again")
    sender.stop()
    one_pair(service, "JournalFull", "JournalNoLongerFull", timeout=60)
    assert not sender.unsure
    service.wait_entries(len(sender.answered), timeout=60)
    assert not any(house.account(sender, service.entries(own=True)).values())


def test_the_disk_of_the_journal_fails(faulty):
    """The service ends: what it cannot promise it does not answer. The next start tells why."""
    service, controls = faulty()
    assert service.post(event_body(EventId="before")).status_code == 200
    controls.disk(EIO)
    with pytest.raises(Exception):
        service.post(event_body(EventId="lost with its sender"))
    assert service.process.wait(10) != 0
    controls.disk(GOOD)
    service.start().wait_ready()
    told = one_pair(service, "JournalWriteFailed", "JournalWritable")
    assert told["Severity"] == "Critical"
    assert service.post(event_body(EventId="after")).status_code == 200
    assert [e["EventId"] for e in service.wait_entries(2)] == ["before", "after"]


def test_the_clock_steps(faulty):
    service, controls = faulty()
    for offset, seconds in ((7200, 7200), (-30, -7230)):
        before = len(own(service))
        controls.clock(offset)
        wait_for(lambda n=before: len(own(service)) == n + 1, 15, "told")
        told = service.entries(own=True)[-1]
        assert key(told) == "ClockStepped" and abs(int(told["MessageArgs"][0]) - seconds) <= 2
    controls.clock(20)   # less than a minute is no step
    time.sleep(1)
    assert service.post(event_body(EventId="after")).status_code == 200
    service.wait_entries(1)
    assert own(service) == ["ClockStepped"] * 2


def post_from(service, address, body, timeout=60):
    connection = http.client.HTTPConnection("127.0.0.1", service.plain_port, timeout=timeout,
                                            source_address=(address, 0))
    with contextlib.closing(connection):
        connection.request("POST", f"/events/{service.token}", body)
        return connection.getresponse().status


def test_no_more_sources_can_enrol(new_service):
    service = new_service(sets=["receiver.max_sources=2"])
    service.start().wait_ready()
    sent = []
    for i in (1, 2, 3, 1):
        sent.append(post_from(service, f"127.0.0.{i}", json.dumps(event_body(EventId=f"from {i}"))))
        time.sleep(0.3)   # who enrolled is known to all workers
    assert sent == [200, 200, 503, 200]
    told = wait_own(service, "SourceLimitReached")
    assert told == ["SourceLimitReached"]
    assert service.terminate()[0] == 0
    service.sets = ["receiver.max_sources=3"]
    service.start().wait_ready()
    told = one_pair(service, "SourceLimitReached", "SourceLimitNoLongerReached")
    assert told["MessageArgs"] == ["2"]
    assert post_from(service, "127.0.0.3", json.dumps(event_body(EventId="now"))) == 200
    assert len(service.wait_entries(4)) == 4


def test_memory_for_deliveries_is_short(faulty):
    """The journal's disk hangs while large reports come: some are refused, none that was taken is lost."""
    service, controls = faulty()
    report = (b'{"@odata.type":"#MetricReport.v1_4_2.MetricReport","Id":"%d","Name":"r","MetricValues":[],'
              b'"Description":"' + b"\xe9" * (8 << 20) + b'"}')   # Latin-1: read in twice the memory
    answers = []
    controls.disk(HANG)

    def post(number):
        try:
            answers.append(post_from(service, "127.0.0.1", report.replace(b"%d", b"%d" % number), 300))
        except OSError:   # refused while it was still sending
            answers.append(None)
    threads = [threading.Thread(target=post, args=(i,)) for i in range(30)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    try:
        wait_for(lambda: 503 in answers, 150, "refused")
    finally:
        controls.disk(GOOD)
    for thread in threads:
        thread.join(300)
    assert {200, 503} <= set(answers) <= {200, 503, None} and len(answers) == 30
    one_pair(service, "MemoryLimitReached", "MemoryLimitNoLongerReached", timeout=60)
    taken = answers.count(200)
    wait_for(lambda: service.sql("select count(*) from metric_report")[0][0] >= taken, 60,
             "all that were taken")
    assert service.sql("select count(*) from metric_report")[0][0] <= taken + answers.count(None)
