"""The clients under docs/examples follow a real service over restarts: no gap, no repeat; and ask its log."""
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest

import house
from house import event_body

EXAMPLES = house.ROOT / "docs/examples"
NOT_OWN = "Source ne 'rfeventd'"


class Python:
    name = "Python"

    def __init__(self, service):
        self.words = [sys.executable, str(EXAMPLES / "rfevents.py"), "--url", service.url, "--user", "admin",
                      "--password-file", str(service.state_dir / "admin-password"), "--ca", str(service.ca)]
        self.env = dict(os.environ)


class Node:
    name = "Node"

    def __init__(self, service):
        node = shutil.which("node")
        if not node:
            pytest.skip("nodejs is not installed: the JavaScript client is not tested")
        # Node before 22 has no WebSocket of its own, or hides it; Debian's node-ws is handed in then.
        flags = next((flags for flags in ((), ("--experimental-websocket",)) if self.has_socket(node, flags)), None)
        if flags is None and not pathlib.Path("/usr/share/nodejs/ws").is_dir():
            pytest.skip("this Node has no WebSocket, and node-ws is not installed: the JavaScript client is not tested")
        self.words = [node, *(flags or ()), str(EXAMPLES / "rfevents.mjs"), "--url", service.url, "--user", "admin"]
        self.env = dict(os.environ, RFEVENT_PASSWORD=service.password, NODE_EXTRA_CA_CERTS=str(service.ca),
                        NODE_PATH="/usr/share/nodejs", NODE_NO_WARNINGS="1")

    @staticmethod
    def has_socket(node, flags):
        return subprocess.run([node, *flags, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"],
                              capture_output=True, check=False, timeout=30).returncode == 0


class Run:
    """A client that follows, and every line it said."""

    def __init__(self, client, *arguments):
        self.process = subprocess.Popen([*client.words, "follow", *arguments], env=client.env, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.events, self.notes = [], []
        self.readers = [threading.Thread(target=self.read, args=(self.process.stdout, self.events, json.loads)),
                        threading.Thread(target=self.read, args=(self.process.stderr, self.notes, str.rstrip))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(stream, into, take):
        for line in stream:
            into.append(take(line))

    def wait(self, n, timeout=30):
        def enough():
            assert self.process.poll() is None, self.notes
            return len(self.events) >= n
        house.wait_for(enough, timeout, f"{n} events; {len(self.events)} came; {self.notes}")
        return [e["EventId"] for e in self.events]

    def kill(self):
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def follow():
    """Starts a client that follows; all are killed at the end."""
    runs = []

    def start(client, *arguments):
        runs.append(Run(client, *arguments))
        return runs[-1]
    yield start
    for run in runs:
        run.kill()


KINDS = pytest.mark.parametrize("kind", [Python, Node], ids=lambda kind: kind.name)


def send(service, names):
    for name in names:
        assert service.post(event_body(EventId=name, MessageArgs=[name])).status_code == 200


@KINDS
def test_follows_over_restarts_of_both(kind, service, follow, state_dir):
    """The service is stopped, then killed, then the client is killed: each event is heard once, in order; after the
    client's own death at least once, and again only what it had not committed."""
    client, cursor = kind(service), str(state_dir / "cursor.json")
    names = [f"{client.name}-{i}" for i in range(60)]
    run = follow(client, "--cursor", cursor, "--start", "0", "--filter", NOT_OWN, "--language", "de")
    send(service, names[:15])
    run.wait(15)
    assert service.terminate()[0] == 0
    service.start().wait_ready()
    send(service, names[15:30])
    assert run.wait(30) == names[:30]
    service.kill()
    service.start().wait_ready()
    send(service, names[30:45])
    assert run.wait(45) == names[:45]
    assert {e["language"] for e in run.events} == {"de"}
    house.wait_for(lambda: committed(cursor)["seq"] >= run.events[-1]["seq"], 10, "its cursor is kept")
    run.kill()
    send(service, names[45:])
    again = follow(client, "--cursor", cursor, "--filter", NOT_OWN)
    assert again.wait(15) == names[45:]
    assert not run.notes and not again.notes


def committed(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def mine(prefix):
    return f"startswith(EventId,'{prefix}')"


@KINDS
def test_what_was_not_committed_comes_again(kind, shared_service, follow, tmp_path):
    cursor, names = tmp_path / "cursor.json", [f"{kind.name} again {i}" for i in range(3)]
    send(shared_service, names)
    stream = shared_service.stream("?after=live")
    epoch = stream.wait(lambda s: s.of("hello"))[0]["epoch"]
    stream.close()
    [first] = house.wait_for(lambda: [e for e in shared_service.entries() if e["EventId"] == names[0]], 10, "logged")
    cursor.write_text(json.dumps({"epoch": epoch, "seq": first["seq"]}))
    run = follow(kind(shared_service), "--cursor", str(cursor), "--filter", mine(f"{kind.name} again"))
    assert run.wait(2) == names[1:]


@KINDS
def test_another_log_is_told_and_read_from_its_oldest(kind, shared_service, follow, tmp_path):
    cursor, names = tmp_path / "cursor.json", [f"{kind.name} epoch {i}" for i in range(2)]
    cursor.write_text(json.dumps({"epoch": "11111111-2222-4333-8444-555555555555", "seq": 5000}))
    send(shared_service, names)
    run = follow(kind(shared_service), "--cursor", str(cursor), "--filter", mine(f"{kind.name} epoch"))
    assert run.wait(2) == names
    house.wait_for(lambda: run.notes, 5, "it is told")
    assert len(run.notes) == 1 and run.notes[0].startswith("epoch_changed")
    house.wait_for(lambda: committed(cursor)["seq"] >= run.events[-1]["seq"], 10, "its cursor is kept")
    assert committed(cursor)["epoch"] != "11111111-2222-4333-8444-555555555555"


def test_a_gap_is_told(service, follow):
    send(service, ["a", "b", "c"])
    log = service.wait_entries(3)
    service.sql("DELETE FROM event WHERE seq <= %s", log[1]["seq"])
    assert service.terminate()[0] == 0
    service.start().wait_ready()
    for kind in (Python, Node):
        run = follow(kind(service), "--start", "0", "--filter", NOT_OWN)
        assert run.wait(1) == ["c"]
        house.wait_for(lambda: run.notes, 5, "it is told")
        assert run.notes[0].startswith("gap")


def ask(client, *arguments):
    return subprocess.run([*client.words, *arguments], env=client.env, capture_output=True, text=True, timeout=60,
                          check=False)


@KINDS
def test_query_by_pages(kind, shared_service):
    names = [f"{kind.name} query {i}" for i in range(25)]
    for name, severity in zip(names, itertools.cycle(["OK", "Critical"])):
        assert shared_service.post(event_body(EventId=name, MessageSeverity=severity)).status_code == 200
    house.wait_for(lambda: [e for e in shared_service.entries() if e["EventId"] == names[-1]], 10, "they are logged")
    answer = ask(kind(shared_service), "query", "--page", "4", "--filter",
                 f"Severity eq 'Critical' and {mine(f'{kind.name} query')}")
    assert answer.returncode == 0, answer.stderr
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [e["EventId"] for e in found] == names[1::2]


@pytest.mark.parametrize("command", ["query", "follow"])
@KINDS
def test_what_is_refused_ends_it_with_words(kind, shared_service, command):
    client = kind(shared_service)
    answer = ask(client, command, "--filter", "Severity is 'x'")
    assert answer.returncode == 1 and "column 10" in answer.stderr
    if kind is Python:
        client.words += ["--token", "rfe_wrong"]
    else:
        client.env["RFEVENT_PASSWORD"] = "wrong"
    answer = ask(client, command)
    assert answer.returncode == 1 and "401" in answer.stderr


def test_powershell_is_at_least_whole():
    """It cannot run here: its brackets and quotes close, and it names what the others name."""
    text = (EXAMPLES / "rfevents.ps1").read_text(encoding="ascii")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    stack, quote = [], None
    for c in code:
        if quote:
            quote = None if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "({[":
            stack.append(c)
        elif c in ")}]":
            assert stack and stack.pop() + c in ("()", "{}", "[]")
    assert not stack and not quote
    for word in (house.ENTRIES, "/stream", "rfevents.v1", "epoch_changed", "caught_up", "position", "gap"):
        assert word in text, word
