"""A running rfeventd, a stream client that records, and a sender that keeps its own record."""
import asyncio
import base64
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import threading
import time
import uuid

import httpx
import psycopg2
import websockets

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
# The client of Debian 12 calls them otherwise than that of Debian 13.
STREAM_HEADERS = ("additional_headers" if int(websockets.__version__.split(".")[0]) >= 14
                  else "extra_headers")
IMPORT = "/redfish/v1/AggregationService/AggregationSources/{}/Actions/Oem/Rfeventd.ImportLog"
BMC_LOG = "/redfish/v1/Managers/BMC/LogServices/Log/Entries"
ENTRIES = "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries"


# Below the ports of outgoing connections, and a range for each of those that test side by side: a
# port is still free when the daemon takes it.
PORTS = range(12000, 32000)
PORTS_OF_ONE = 2500


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
NEXT_PORTS = itertools.count(random.randrange(PORTS_OF_ONE))


def free_port():
    """Not one that was given out lately."""
    for n in NEXT_PORTS:
        port = PORTS[(WORKER * PORTS_OF_ONE + n % PORTS_OF_ONE) % len(PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable")


def wait_for(condition, timeout=10.0, what="condition"):
    """The first true value of condition(), asked again and again; fails after `timeout` s."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


def now_text():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def event_body(**record):
    """A delivery with one record, unlike any other."""
    one = {"MemberId": "0", "EventType": "Alert", "EventTimestamp": now_text(),
           "EventId": str(uuid.uuid4()), "MessageId": "Power.1.2.PowerSupplyFailed",
           "MessageArgs": ["PSU 2"],
           "OriginOfCondition": {"@odata.id": "/redfish/v1/Chassis/1"}}
    one.update(record)
    return {"@odata.type": "#Event.v1_9_0.Event", "Id": str(uuid.uuid4()), "Name": "Test",
            "Events": [one]}


def log_entry(record, number):
    """The log entry of what was pushed as `record`, as a BMC keeps it: less of it, in other words."""
    return {"@odata.id": f"{BMC_LOG}/{number}", "@odata.type": "#LogEntry.v1_15_0.LogEntry",
            "Id": str(number), "Name": "Log entry", "EntryType": "Event",
            "Created": record["EventTimestamp"], "Severity": "Critical",
            "MessageId": record["MessageId"], "MessageArgs": record["MessageArgs"],
            "EventId": record["EventId"],
            "Links": {"OriginOfCondition": record["OriginOfCondition"]}}


def log_collection(records, first=1):
    members = [log_entry(r, first + i) for i, r in enumerate(records)]
    return {"@odata.id": BMC_LOG, "@odata.type": "#LogEntryCollection.LogEntryCollection",
            "Name": "Log", "Members@odata.count": len(members), "Members": members}


class Service:
    """One daemon on a state directory. Ports stay the same over restarts."""

    def __init__(self, state_dir, sets=(), env=None):
        self.state_dir = pathlib.Path(state_dir)
        self.sets = list(sets)
        self.env = dict(os.environ, **(env or {}))
        self.port, self.plain_port, self.api_port = free_port(), free_port(), free_port()
        self.process = None
        self.log_path = self.state_dir / "rfeventd.log"
        self.started_at = None

    def arguments(self):
        sets = [f"state_dir={self.state_dir}",
                f"receiver.listen=['127.0.0.1:{self.port}']",
                f"receiver.listen_plain=['127.0.0.1:{self.plain_port}']",
                f"api.listen=['127.0.0.1:{self.api_port}']", *self.sets]
        return [str(BUILD / "rfeventd"), *itertools.chain(*(("--set", s) for s in sets))]

    def start(self):
        self.started_at = time.monotonic()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.arguments(), stderr=log, stdout=log, env=self.env)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_listening(self, timeout=20.0):
        """Until the receiver answers; returns the seconds since the start."""
        def answers():
            assert self.process.poll() is None, f"rfeventd ended:\n{self.log()}"
            try:
                with socket.create_connection(("127.0.0.1", self.plain_port), timeout=1) as sock:
                    sock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                    return sock.recv(100).startswith(b"HTTP/1.1 200")
            except OSError:
                return False
        end = time.monotonic() + timeout
        while not answers():
            assert time.monotonic() < end, f"not listening:\n{self.log()}"
            time.sleep(0.005)
        seconds = time.monotonic() - self.started_at
        wait_for(self.door_is_open, 10, "the operators' door, which opens a little later")
        return seconds

    def door_is_open(self):
        try:
            socket.create_connection(("127.0.0.1", self.api_port), timeout=1).close()
            return True
        except OSError:
            return False

    def wait_ready(self, timeout=60.0):
        def ready():
            assert self.process.poll() is None, f"rfeventd ended:\n{self.log()}"
            try:
                return self.get("/-/ready").status_code == 200
            except (httpx.HTTPError, OSError):
                return False
        wait_for(ready, timeout, f"ready:\n{self.log() if self.log_path.exists() else ''}")
        return self

    def kill(self):
        """kill -9, as a crash would."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout=12.0):
        """SIGTERM; the exit status, and how long it took."""
        start = time.monotonic()
        self.process.terminate()
        status = self.process.wait(timeout)
        return status, time.monotonic() - start

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        pid = self.postgres_pid()
        if pid:
            os.kill(pid, signal.SIGQUIT)
            wait_for(lambda: not self.postgres_pid(), 10, "PostgreSQL ended")
        assert "Sanitizer" not in self.log() and "runtime error" not in self.log(), self.log()

    # --- PostgreSQL ---
    def postgres_pid(self):
        """Process id of the private postmaster, None when it does not run."""
        try:
            pid = int((self.state_dir / "postgresql/postmaster.pid").read_text().split("\n")[0])
            os.kill(pid, 0)
            if b"postgres" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                return None
            return pid
        except (OSError, ValueError):
            return None

    def connection(self):
        """To the private PostgreSQL, past the service."""
        lines = (self.state_dir / "postgresql/postmaster.pid").read_text().split("\n")
        connection = psycopg2.connect(host=lines[4], port=lines[3], dbname="rfeventd", user="rfeventd")
        connection.autocommit = True
        return connection

    def sql(self, query, *arguments):
        """Rows of a query in the private PostgreSQL."""
        with contextlib.closing(self.connection()) as connection:
            with connection.cursor() as cursor:
                cursor.execute(query, arguments)
                return cursor.fetchall() if cursor.description else []

    # --- the operators' door ---
    @property
    def url(self):
        return f"https://localhost:{self.api_port}"

    @property
    def ca(self):
        return self.state_dir / "tls/ca.crt"

    @property
    def password(self):
        return (self.state_dir / "admin-password").read_text().strip()

    @property
    def token(self):
        return (self.state_dir / "enrolment-token").read_text().strip()

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def ask(self, method, path, **options):
        if "auth" not in options:
            options["auth"] = ("admin", self.password)
        with httpx.Client(verify=str(self.ca), trust_env=False, timeout=20) as client:
            return client.request(method, self.url + path, **options)

    def session(self, body):
        """Log in for a token."""
        with httpx.Client(verify=str(self.ca), trust_env=False, timeout=20) as client:
            return client.post(self.url + "/redfish/v1/SessionService/Sessions", json=body)

    def entries(self, query="$orderby=Id%20asc", own=False):
        """Every event of the log, oldest first, as the contract's Entry; `own`: with those that the
        service told of itself."""
        found, path = [], f"{ENTRIES}?{query}"
        while path:
            answer = self.get(path, headers={"Accept": "application/x-ndjson"})
            assert answer.status_code == 200, answer.text
            found += [json.loads(line) for line in answer.text.splitlines()]
            found = found if own else [e for e in found if e["source"].get("name") != "rfeventd"]
            path = answer.links.get("next", {}).get("url")
        return found

    def wait_entries(self, n, timeout=20.0):
        def enough():
            found = self.entries()
            return found if len(found) >= n else None
        return wait_for(enough, timeout, f"{n} entries in the log")

    def metric(self, name):
        """Sum of a metric over its labels."""
        total = 0.0
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                total += float(line.rsplit(" ", 1)[1])
        return total

    # --- the receiver ---
    def post(self, body, token=None, path=None, **options):
        """One POST over TLS on a connection of its own."""
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        with httpx.Client(verify=str(self.ca), trust_env=False, timeout=20) as client:
            return client.post(f"https://localhost:{self.port}{path or '/events/' + (token or self.token)}",
                               content=body, **options)

    def cli(self, *arguments, **options):
        """rfevent, finding the service by the file it wrote."""
        env = dict(os.environ, RFEVENT_CONFIG=str(self.state_dir / "rfevent.env"))
        return subprocess.run([str(BUILD / "rfevent"), *arguments], env=env, timeout=30,
                              capture_output=True, text=True, check=False, **options)

    def cli_until(self, text, *arguments, timeout=15):
        """Lines of a command that does not end by itself, up to the one that holds `text`."""
        env = dict(os.environ, RFEVENT_CONFIG=str(self.state_dir / "rfevent.env"))
        with subprocess.Popen([str(BUILD / "rfevent"), *arguments], env=env, text=True,
                              stdout=subprocess.PIPE) as process:
            timer = threading.Timer(timeout, process.kill)
            timer.start()
            lines = []
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if text in line:
                    break
            timer.cancel()
            process.terminate()
        assert lines and text in lines[-1], lines
        return lines

    def stream(self, *arguments, **options):
        return Stream(self, *arguments, **options)


class Stream:
    """A WebSocket client that records everything it hears."""

    def __init__(self, service, query="", headers=None, subscribe=None, authenticate=True,
                 subprotocols=("rfevents.v1",), origin=None):
        self.url = f"wss://localhost:{service.api_port}/stream{query}"
        self.context = ssl.create_default_context(cafile=str(service.ca))
        self.headers = dict(headers or {})
        if authenticate:
            pair = base64.b64encode(f"admin:{service.password}".encode()).decode()
            self.headers["Authorization"] = f"Basic {pair}"
        self.first = subscribe
        self.subprotocols, self.origin = subprotocols, origin
        self.messages = []
        self.closed = threading.Event()
        self.close_code = None
        self.error = None
        self._opened = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._socket = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._opened.wait(15)

    async def _listen(self):
        try:
            async with websockets.connect(self.url, ssl=self.context,
                                          **{STREAM_HEADERS: self.headers},
                                          subprotocols=list(self.subprotocols) or None,
                                          origin=self.origin, max_size=None,
                                          open_timeout=10) as connection:
                self._socket = connection
                self._opened.set()
                if self.first is not None:
                    await connection.send(json.dumps(self.first))
                async for text in connection:
                    self.messages.append(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            if self._socket is not None:
                self.close_code = self._socket.close_code
            self._opened.set()
            self.closed.set()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())

    def send(self, message):
        self.send_raw(message if isinstance(message, str) else json.dumps(message))

    def send_raw(self, text):
        """Text, or bytes for a binary message."""
        asyncio.run_coroutine_threadsafe(self._socket.send(text), self._loop).result(10)

    def stall(self, seconds):
        """Read nothing for a while."""
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    def subscribe(self, **options):
        self.send({"type": "subscribe", **options})
        return self

    def of(self, kind):
        return [m for m in list(self.messages) if m["type"] == kind]

    def events(self, kind="events"):
        return [e for m in self.of(kind) for e in m["events"]]

    def wait(self, condition, timeout=10.0, what="message on the stream"):
        def ask():
            return condition(self)
        return wait_for(ask, timeout, f"{what}; heard: {str(self.messages)[-2000:]} {self.error}")

    def wait_events(self, n, timeout=15.0, kind="events"):
        return self.wait(lambda s: (lambda e: e if len(e) >= n else None)(s.events(kind)), timeout,
                         f"{n} {kind}")

    def close(self):
        if self._socket is not None and not self.closed.is_set():
            asyncio.run_coroutine_threadsafe(self._socket.close(), self._loop)
        self.closed.wait(10)


class Sender:
    """Threads that post distinct bodies over kept connections, and remember what was answered 200.

    Each body's EventId is in `answered` when the sender saw 200 for it, in `unsure` when the
    connection died before an answer came: that one may or may not be in the log. `pad`: random
    bytes in each body, as text.
    """

    def __init__(self, service, threads=4, pause=0.0, pad=0):
        self.service, self.pause, self.pad = service, pause, pad
        self.answered, self.refused, self.unsure = [], [], []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                         for i in range(threads)]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        return self

    def _run(self, number):
        connection = None
        for count in itertools.count():
            if self._stop.is_set():
                break
            event_id = f"{number}-{count}-{uuid.uuid4()}"
            oem = {"Oem": {"Test": os.urandom(self.pad // 2).hex()}} if self.pad else {}
            body = json.dumps(event_body(EventId=event_id, MessageArgs=[event_id], **oem))
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.service.plain_port,
                                                            timeout=10)
                connection.request("POST", f"/events/{self.service.token}", body,
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                with self._lock:
                    (self.answered if answer.status == 200 else self.refused).append(event_id)
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.unsure.append(event_id)
                connection = None
                time.sleep(0.02)
            time.sleep(self.pause)


def without_postgres(service):
    """Stop the daemon, and keep its private PostgreSQL from starting again."""
    assert service.terminate()[0] == 0
    config = service.state_dir / "postgresql/postgresql.conf"
    config.rename(config.with_suffix(".away"))


def with_postgres(service):
    config = service.state_dir / "postgresql/postgresql.away"
    config.rename(config.with_suffix(".conf"))


def account(sender, entries):
    """What the log holds, with the service's own events, against the sender's record; every list
    must be empty."""
    seen = {}
    for entry in entries:
        if entry["source"].get("name") == "rfeventd":
            continue
        seen[entry["EventId"]] = seen.get(entry["EventId"], 0) + 1
    sequence = [entry["seq"] for entry in entries]
    sent = {*sender.answered, *sender.unsure, *sender.refused}
    return {"missing": [i for i in sender.answered if i not in seen],
            "doubled": [i for i, n in seen.items() if n > 1],
            "unknown": [i for i in seen if i not in sent],
            "out of order": [a for a, b in zip(sequence, sequence[1:]) if b != a + 1]}
