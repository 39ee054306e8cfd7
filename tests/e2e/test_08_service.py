"""Configuration, signals, restarts."""
import os
import pathlib
import signal
import subprocess

import house
from house import event_body


def run(*arguments):
    return subprocess.run([str(house.BUILD / "rfeventd"), *arguments], capture_output=True, text=True,
                          timeout=20, check=False)


def test_an_unknown_key_is_named_with_its_line(tmp_path):
    config = tmp_path / "rfeventd.yaml"
    config.write_text("state_dir: /tmp/x\nreceiver:\n  lisen: ['127.0.0.1:1']\n")
    result = run("--config", str(config), "--check-config")
    assert result.returncode == 1
    for word in (f"{config}:3", "receiver.lisen", "receiver.listen"):
        assert word in result.stderr


def test_print_config_reads_back(tmp_path):
    printed = run("--print-config", "--set", "receiver.max_sources=7").stdout
    config = tmp_path / "printed.yaml"
    config.write_text(printed)
    assert run("--config", str(config), "--print-config").stdout == printed
    assert run("--config", str(config), "--check-config").returncode == 0
    assert run("--version").stdout.startswith("rfeventd ")
    assert run("--nonsense").returncode == 2


def test_a_taken_port_is_named_with_its_key(service, tmp_path):
    result = run("--set", f"state_dir={tmp_path}", "--set", f"receiver.listen=127.0.0.1:{service.port}")
    assert result.returncode == 1
    assert f"127.0.0.1:{service.port}" in result.stderr and "receiver.listen" in result.stderr


def test_a_second_daemon_on_the_same_state_is_refused(service):
    ports = [house.free_port() for _ in range(2)]
    result = run("--set", f"state_dir={service.state_dir}", "--set", f"receiver.listen=127.0.0.1:{ports[0]}",
                 "--set", f"api.listen=127.0.0.1:{ports[1]}")
    assert result.returncode == 1 and "journal" in result.stderr
    assert service.post(event_body()).status_code == 200


def test_first_start_writes_its_files_with_the_right_modes(service):
    for name in ("admin-password", "enrolment-token", "rfevent.env"):
        assert (service.state_dir / name).stat().st_mode & 0o777 == 0o600
    certificates = list((service.state_dir / "tls").glob("*.crt"))
    assert len(certificates) >= 2
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in certificates)
    keys = list((service.state_dir / "tls").glob("*.key"))
    assert len(keys) == 2 and all(path.stat().st_mode & 0o777 == 0o600 for path in keys)


def test_hup_reads_registries_and_keeps_the_old_configuration_when_bad(new_service, tmp_path):
    config = tmp_path / "rfeventd.yaml"
    config.write_text("log: {level: info}\n")
    service = new_service()
    service.arguments = lambda original=service.arguments: [original()[0], "--config", str(config),
                                                            *original()[1:]]
    service.start().wait_ready()
    service.post(event_body(EventId="before", MessageId="House.1.0.DoorOpen", MessageArgs=["3"]))
    [entry] = service.wait_entries(1)
    assert entry["resolved_by"]["step"] == "none" and "House" in entry["Message"]

    folder = service.state_dir / "registries"
    folder.mkdir(exist_ok=True)
    (folder / "House.1.0.0.json").write_text("""{"@odata.type": "#MessageRegistry.v1_6_0.MessageRegistry",
        "Id": "House.1.0.0", "Name": "House", "Language": "en", "RegistryPrefix": "House",
        "RegistryVersion": "1.0.0", "OwningEntity": "us", "Messages": {"DoorOpen": {
        "Description": "d", "Message": "Door %1 stands open.", "Severity": "Warning",
        "MessageSeverity": "Warning", "NumberOfArgs": 1, "Resolution": "Close it."}}}""")
    config.write_text("log: {levle: debug}\n")
    os.kill(service.process.pid, signal.SIGHUP)
    house.wait_for(lambda: "log.levle" in service.log(), what="the bad key named")
    config.write_text("log: {level: debug}\n")
    os.kill(service.process.pid, signal.SIGHUP)
    house.wait_for(lambda: service.log().count("registries loaded") == 2, what="registries read again")
    service.post(event_body(EventId="after", MessageId="House.1.0.DoorOpen", MessageArgs=["3"]))
    entry = service.wait_entries(2)[-1]
    assert entry["Message"] == "Door 3 stands open." and entry["Severity"] == "Warning"
    assert entry["Resolution"] == "Close it."


def test_a_source_with_its_own_token(new_service):
    service = new_service(sets=["sources=[{name: rack7-n12, token: abcdefgh22222222, rack: '7', site: ber}]"])
    service.start().wait_ready()
    assert service.post(event_body(), token="abcdefgh22222222").status_code == 200
    [entry] = service.wait_entries(1)
    assert entry["source"]["name"] == "rack7-n12"
    assert (entry["source"]["site"], entry["source"]["rack"]) == ("ber", "7")


def test_a_repeat_is_logged_once_and_a_second_event_twice(service):
    body = event_body(EventId="same")
    for _ in range(3):
        assert service.post(body).status_code == 200
    without_time = event_body(EventId="timeless")
    del without_time["Events"][0]["EventTimestamp"]
    for _ in range(2):
        assert service.post(without_time).status_code == 200
    entries = service.wait_entries(3)
    assert [e["EventId"] for e in entries] == ["same", "timeless", "timeless"]
    assert "possible_repeat" in entries[2]["quirks"] and "possible_repeat" not in entries[1]["quirks"]
    assert service.metric("rfeventd_repeats_total") == 2


def test_an_orphaned_postgres_is_adopted(service):
    service.post(event_body())
    service.wait_entries(1)
    orphan = service.postgres_pid()
    service.kill()
    assert service.postgres_pid() == orphan
    service.start().wait_ready()
    assert len(service.entries()) == 1
    assert service.terminate()[0] == 0
    assert service.postgres_pid() is None


def test_acknowledge_database_answers_after_the_commit(new_service):
    service = new_service(sets=["storage.acknowledge=database"])
    service.start().wait_ready()
    for i in range(20):
        assert service.post(event_body(EventId=str(i))).status_code == 200
        assert len(service.entries("$orderby=Id%20asc")) == i + 1


def test_metrics_are_openmetrics(service):
    service.post(event_body())
    service.wait_entries(1)
    page = service.get("/metrics")
    assert page.headers["content-type"].startswith("application/openmetrics-text")
    assert page.text.endswith("# EOF\n")
    assert service.metric("rfeventd_deliveries_received_total") == 1
    assert service.metric("rfeventd_events_logged_total") == 1
    assert service.metric("rfeventd_log_last_seq") == 1
    assert service.metric("rfeventd_journal_oldest_seconds") == 0
    assert service.metric("rfeventd_journal_bytes") > 0
    assert pathlib.Path(service.log_path).exists()
