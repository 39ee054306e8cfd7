"""All that takes part: the daemon, PostgreSQL behind a proxy, senders and a stream client."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import httpx
import psycopg2

import house
import sender as sender_module
from fault_cluster import Cluster, signal_to
from controls import Controls
from ledger import Ledger, stream_account
from proxy import Proxy

FOLDER = pathlib.Path(__file__).resolve().parent
OWN_THREAD = 900            # of the bodies that the faults themselves send
POISON = "Poison.1.0.Poison"   # a MessageId that the database is made to refuse
SETS = ["storage.journal_max_bytes=64MiB", "storage.journal_keep=0s"]   # 4 MiB a segment


class Daemon(house.Service):
    """rfeventd, or the one of it whose decoder can crash."""

    program = "rfeventd"

    def arguments(self):
        return [str(house.BUILD / self.program), *super().arguments()[1:]]

    def close(self):
        if self.process and self.process.poll() is None:
            signal_to(self.process.pid, signal.SIGCONT)
        super().close()


class PrivateCluster:
    """The daemon's own PostgreSQL, with what Cluster has that works here, too."""

    controls = None

    def __init__(self, site):
        self.site = site

    def processes(self):
        pid = house.wait_for(self.site.service.postgres_pid, 60, "PostgreSQL runs")
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [pid, *map(int, children.read().split())]

    frozen = Cluster.frozen

    def sql(self, query, *arguments):
        return self.site.service.sql(query, *arguments)

    backends = Cluster.backends

    def connection(self, dbname="rfeventd"):
        del dbname
        connection = self.site.service.connection()
        connection.autocommit = False
        return connection

    def is_ready(self):
        try:
            return self.sql("select 1") == [(1,)]
        except (psycopg2.Error, OSError):
            return False

    def wait_ready(self, timeout=60):
        house.wait_for(self.is_ready, timeout, "PostgreSQL takes connections")

    def kill(self):
        pid = self.processes()[0]
        os.kill(pid, signal.SIGKILL)
        house.wait_for(lambda: self.site.service.postgres_pid() != pid, 30, "PostgreSQL ended")

    def restart(self):
        """The daemon sees to it."""
        self.wait_ready()

    revive = restart

    def close(self):
        pass


class Site:
    """`long`: faults last as long as they would on a real site."""

    def __init__(self, folder, chance, long=False, private=False):
        self.folder, self.chance, self.long = pathlib.Path(folder), chance, long
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o711)
        self.private, self.proxy = private, None
        self.ledger, self.n_own, self.programs = Ledger(), 0, []
        sets = list(SETS)
        if private:
            self.cluster = PrivateCluster(self)
        else:
            self.cluster = Cluster(self.folder / "cluster").start().create()
            self.proxy = Proxy(self.cluster.socket)
            sets.append(f"storage.url={self.proxy.url()}")
        self.controls = Controls(self.folder / "controls", self.state / "journal")
        self.service = Daemon(self.state, sets=sets, env=self.controls.env)

    def begin(self, rate):
        """Start everything, and the load."""
        self.service.start().wait_ready()
        self.cluster.sql("alter table event add constraint no_poison"
                         f" check (message_id <> '{POISON}') not valid")
        self.start_program("reader", "--port", self.service.api_port, "--ca", self.service.ca,
                           "--password", self.state / "admin-password",
                           "--seed", self.chance.randrange(1 << 30),
                           "--stay", 20 if self.long else 2)
        self.start_program("sender", "--port", self.service.plain_port,
                           "--tls-port", self.service.port, "--threads", 8,
                           "--path", f"/events/{self.service.token}", "--ca", self.service.ca,
                           "--seed", self.chance.randrange(1 << 30), "--rate", rate,
                           "--clock", self.controls.path)
        return self

    def start_program(self, name, *arguments):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.programs.append((name, subprocess.Popen(
                [sys.executable, str(FOLDER / f"{name}.py"), "--record", str(self.folder / name),
                 *map(str, arguments)], stderr=log, stdout=log)))

    def stop_program(self, name):
        for its_name, program in self.programs:
            if its_name == name and program.poll() is None:
                program.terminate()
                assert program.wait(40) == 0, (self.folder / f"{name}.log").read_text()

    def close(self):
        for _, program in self.programs:
            if program.poll() is None:
                program.kill()
                program.wait()
        try:
            self.service.close()
        finally:
            self.cluster.close()
            if self.proxy:
                self.proxy.close()

    # --- while faults go on ---
    def pause(self, short, long=None):
        """Load goes on for about `short` s; in a long run now and then for about `long`."""
        if self.long and long and self.chance.random() < 0.3:
            short = long
        time.sleep(short * self.chance.uniform(0.5, 1.5))

    def start(self, wait=True):
        """The daemon again."""
        self.service.start()
        if wait:
            self.service.wait_listening(30)

    def restart_with(self, setting):
        """The daemon with another value of one of SETS."""
        key = setting.split("=")[0]
        self.service.sets = [setting if s.startswith(f"{key}=") else s for s in self.service.sets]
        assert self.service.terminate(30)[0] == 0
        self.start()

    def is_running(self):
        return self.service.process.poll() is None

    def settle(self):
        """Everything works again by itself, and nothing ended that should not have."""
        assert self.is_running(), self.service.log()[-4000:]
        self.calm()
        for name, program in self.programs:
            assert program.poll() is None, (self.folder / f"{name}.log").read_text()

    def calm(self, timeout=180):
        """Until the log has nearly all that the journal has: then there is room for more."""
        def is_calm():
            try:
                return (self.service.get("/-/ready").status_code == 200
                        and self.service.metric("rfeventd_journal_oldest_seconds") < 2)
            except (httpx.HTTPError, OSError):
                return False
        house.wait_for(is_calm, timeout, "the backlog is loaded")
        self.wait_taken()

    def own_body(self, n=1, pad=0, mark=None, poison=None):
        """A delivery that the ledger can follow: (number, bytes)."""
        number, self.n_own = self.n_own, self.n_own + 1
        records = [sender_module.record(f"{OWN_THREAD}-{number}-{k}", self.chance, True)
                   for k in range(n)]
        if pad:
            records[0]["Oem"]["Test"]["Pad"] = os.urandom(pad // 2).hex()
        if mark:
            records[0]["Oem"]["Test"]["Mark"] = mark
        if poison is not None:
            records[poison]["MessageId"] = POISON
            self.ledger.set_aside.update(self.ledger.keys(OWN_THREAD, number, [poison]))
        if mark:
            self.ledger.set_aside.update(self.ledger.keys(OWN_THREAD, number, range(n)))
        return number, json.dumps({"@odata.type": "#Event.v1_9_0.Event", "Id": str(number),
                                   "Name": "Fault", "Events": records}).encode()

    def post(self, n=1, **options):
        """One such delivery; the response, None without one."""
        number, body = self.own_body(n, **options)
        answer, letter = None, "U"
        try:
            with httpx.Client(trust_env=False, timeout=30) as client:
                answer = client.post(f"http://127.0.0.1:{self.service.plain_port}/events/"
                                     f"{self.service.token}", content=body)
            letter = "A" if answer.status_code == 200 else "R"
        except httpx.HTTPError:
            pass
        self.ledger.add(letter, OWN_THREAD, number, n)
        return answer

    def last_own_id(self):
        return f"{OWN_THREAD}-{self.n_own - 1}-0"

    def has_logged(self, event_id):
        """False too while PostgreSQL cannot be asked."""
        try:
            return bool(self.cluster.sql("select 1 from event where event_id = %s", event_id))
        except (psycopg2.Error, OSError):
            return False

    def fill_until_refused(self, timeout=120):
        """Large bodies until one is refused; that answer."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            answer = self.post(pad=512 << 10)
            assert answer is not None, self.service.log()[-2000:]
            if answer.status_code == 503:
                return answer
            assert answer.status_code == 200, answer.text
        raise AssertionError("the disk is full, and all is taken")

    def wait_taken(self, timeout=30):
        """Until deliveries are taken again."""
        def taken():
            answer = self.post()
            return answer is not None and answer.status_code == 200
        house.wait_for(taken, timeout, "deliveries are taken again")

    # --- at the end ---
    def drain(self, timeout):
        """Stop the load; wait until the log has all, and the stream's client, too."""
        self.settle()
        self.stop_program("sender")
        assert self.post().status_code == 200
        mark = self.last_own_id()
        house.wait_for(lambda: self.has_logged(mark), timeout, "the last event is in the log")
        [(last,)] = self.cluster.sql("select seq from counter")
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.heard() < last:
            time.sleep(0.2)
        self.stop_program("reader")

    def heard(self):
        """The last seq that the stream's client wrote down."""
        with open(self.folder / "reader", "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4096))
            lines = [line for line in file.read().split(b"\n") if line.startswith(b"E ")]
        return int(lines[-1].split()[1]) if lines else 0

    def rows(self):
        """(seq, EventId, xmin) of the log."""
        connection = self.cluster.connection("rfeventd")
        with connection, connection.cursor("rows") as cursor:
            cursor.itersize = 20000
            cursor.execute("select seq, event_id, xmin::text::bigint from event order by seq")
            yield from cursor
        connection.close()

    def account(self):
        """(counts of the log, counts of the stream, what the stream complained of)"""
        self.ledger.read(self.folder / "sender")
        quarantined = self.cluster.sql("select idx, raw from quarantine")
        log = self.ledger.account(self.rows(), quarantined)
        stream, complaints = stream_account(self.folder / "reader", self.rows())
        return log, stream, complaints
