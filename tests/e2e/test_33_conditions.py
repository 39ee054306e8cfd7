"""What is wrong with the service itself comes as events, like all others."""
import json
import os
import signal
import subprocess
import time
import uuid

import house
from house import Sender, event_body, wait_for, with_postgres, without_postgres


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
