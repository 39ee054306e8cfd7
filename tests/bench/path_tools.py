"""What the figures of the whole path share: a daemon with its private PostgreSQL, the load
generator, the log's end, and binary COPY of the very rows that the daemon logged."""
import contextlib
import io
import json
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import house  # noqa: E402

COPY_BATCH = 256  # rows of one transaction of the reference
DRAIN_S = 60      # for the log to take what was answered


@contextlib.contextmanager
def state_dir():
    """A folder that PostgreSQL's user can reach, gone afterwards."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-bench-", dir="/tmp"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def daemon(bench, sets=()):
    """A service that is ready and has loaded a first second of events: caches are warm, the
    sources enrolled, the journal's first segment there."""
    with state_dir() as path:
        service = house.Service(path, sets=sets)
        try:
            service.start()
            service.wait_ready()
            load(bench, service, connections=64, seconds=bench.seconds(1))
            wait_logged(service)
            yield service
        finally:
            service.close()


def load(bench, service, tls=False, **options):
    """Run the load generator against the receiver; its report. Every request is answered 200."""
    scheme, port = ("https", service.port) if tls else ("http", service.plain_port)
    report = bench.load(f"{scheme}://127.0.0.1:{port}", f"/events/{service.token}", **options)
    if report["answered_2xx"] != report["sent"]:
        raise RuntimeError(f"not every event was taken: {report}")
    return report


@contextlib.contextmanager
def loaded(bench, service, **options):
    """The same beside what runs in the block, which ends no later than the load does."""
    reports = []
    thread = threading.Thread(target=lambda: reports.append(load(bench, service, **options)))
    thread.start()
    try:
        yield reports
    finally:
        thread.join()
    if not reports:
        raise RuntimeError("the load failed")


def answers(port):
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def cpu_of_postgres_s(service):
    """Seconds of CPU of each backend and helper, by process id."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == service.postgres_pid():
                found[process.name] = sum(cpu_of_threads_s(process.name).values())
        except OSError:
            continue
    return found


class Cpu:
    """CPU used within the block: `seconds`, of PostgreSQL, and with `daemon` of the service too."""

    def __init__(self, service, daemon=True):
        self.service, self.daemon, self.seconds = service, daemon, None

    def now(self):
        found = cpu_of_postgres_s(self.service)
        if self.daemon:
            found["daemon"] = sum(cpu_of_threads_s(self.service.process.pid).values())
        return found

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        self.seconds = sum(seconds - self.before.get(key, 0.0)
                           for key, seconds in self.now().items())


def connections(port):
    """Lines of /proc/net/tcp, in words: what a server of ours has on this port of 127.0.0.0/8."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        lines = [line.split() for line in table]
    return [words for words in lines if words[1].endswith(f":{port:04X}") and words[3] == "01"]


def n_connections(port):
    return len(connections(port))


def unsent_bytes(port):
    """By peer: what it has not taken of what was written to it, where there is any."""
    found = {words[2]: int(words[4].split(":")[0], 16) for words in connections(port)}
    return {peer: n for peer, n in found.items() if n}


# --- the log ----------------------------------------------------------------------------------

@contextlib.contextmanager
def connection(service):
    """A connection to the private PostgreSQL, past the daemon; each statement commits."""
    lines = (service.state_dir / "postgresql/postmaster.pid").read_text().split("\n")
    made = psycopg2.connect(host=lines[4], port=lines[3], dbname="rfeventd", user="rfeventd")
    made.autocommit = True
    try:
        yield made
    finally:
        made.close()


def ask(made, query, *arguments):
    """The first column of the first row."""
    with made.cursor() as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchone()[0] if cursor.description else None


def logged(made):
    return ask(made, "SELECT seq FROM counter")


def wait_logged(service, wanted=None):
    """Until the log holds `wanted` events (None: it has not moved for half a second); when that
    was, on the monotonic clock."""
    with connection(service) as made:
        end = time.monotonic() + DRAIN_S
        last, moved = logged(made), time.monotonic()
        while time.monotonic() < end:
            now = logged(made)
            if now != last:
                last, moved = now, time.monotonic()
            if wanted is not None and now >= wanted:
                return moved
            if wanted is None and time.monotonic() - moved > 0.5:
                return moved
            time.sleep(0.01)
    raise AssertionError(f"the log stands at {last}, {wanted} are answered")


# --- CPU --------------------------------------------------------------------------------------

def cpu_of_threads_s(pid):
    """Seconds of CPU by thread name."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            seconds = int((task / "schedstat").read_text().split()[0]) / 1e9
        except (OSError, IndexError):
            continue
        found[name] = found.get(name, 0.0) + seconds
    return found


# --- the reference: COPY of the same rows -----------------------------------------------------

def split_rows(dump, n_rows):
    """A binary COPY as batches of n_rows, each whole by itself."""
    header, end = dump[:19], b"\xff\xff"
    at, start, n, batches = 19, 19, 0, []
    while True:
        n_columns = struct.unpack_from(">h", dump, at)[0]
        if n_columns < 0 or n == n_rows:
            if at > start:
                batches.append(header + dump[start:at] + end)
            if n_columns < 0:
                return batches
            start, n = at, 0
        at += 2
        for _ in range(n_columns):
            n_bytes = struct.unpack_from(">i", dump, at)[0]
            at += 4 + max(n_bytes, 0)
        n += 1


def newest_rows(made, n):
    """The newest n rows of the log, in COPY's binary form, in batches."""
    last = logged(made)
    out = io.BytesIO()
    with made.cursor() as cursor:
        cursor.copy_expert(f"COPY (SELECT * FROM event WHERE seq > {last - n} ORDER BY seq)"
                           " TO STDOUT (FORMAT binary)", out)
    return split_rows(out.getvalue(), COPY_BATCH)


def make_equal_table(made, name="bench_copy"):
    """An empty table as a partition of the log is: columns, indexes, compression."""
    partition = ask(made, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent ="
                          " 'event'::regclass ORDER BY inhrelid::regclass::text LIMIT 1")
    with made.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(f"CREATE TABLE {name} (LIKE {partition} INCLUDING ALL)")


def copy_rows(made, batches, name="bench_copy", counter=None):
    """Rows a second of COPY alone, a transaction a batch; with `counter`, a table whose row is
    moved first in each."""
    n_rows = 0
    with made.cursor() as cursor:
        cursor.execute(f"TRUNCATE {name}")
        cursor.execute("CHECKPOINT")
        start = time.monotonic()
        for batch in batches:
            if counter:
                cursor.execute(f"BEGIN; UPDATE {counter} SET seq = seq + {COPY_BATCH}"
                               " WHERE id = 1 RETURNING seq")
            cursor.copy_expert(f"COPY {name} FROM STDIN (FORMAT binary)", io.BytesIO(batch),
                               1 << 20)
            n_rows += cursor.rowcount
            if counter:
                cursor.execute("COMMIT")
        return n_rows / (time.monotonic() - start)


# --- followers --------------------------------------------------------------------------------

class Fanout:
    """The program fanout. In its block all clients stand."""

    def __init__(self, bench, port, clients, seconds, tls=False, **options):
        self.words = [str(bench.build / "bench/fanout"), "--stream", f"127.0.0.1:{port}",
                      "--clients", str(clients), "--seconds", str(seconds)]
        self.words += ["--tls"] if tls else []
        for key, value in options.items():
            self.words += ["--" + key, str(value)]

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != "ready\n":
            words = self.process.stderr.read()
            self.__exit__()
            raise RuntimeError(words)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def end(self, now=False):
        """Its report, when its time is up (or now)."""
        if now:
            self.process.terminate()
        out, words = self.process.communicate(timeout=120)
        if self.process.returncode != 0:
            raise RuntimeError(words)
        return json.loads(out)


def authorization(service):
    """A session's: of hundreds that come with a password at once most are asked to come again."""
    made = service.session({"UserName": "admin", "Password": service.password})
    return f"Bearer {made.headers['X-Auth-Token']}"
