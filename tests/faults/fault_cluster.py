"""A PostgreSQL of its own for the faults, as a site's external one: started, killed, frozen here."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

import psycopg2

import house
from controls import Controls

SETTINGS = """
listen_addresses = ''
fsync = on
max_connections = 60
shared_buffers = 128MB
max_wal_size = 512MB
restart_after_crash = on
logging_collector = off
"""


def binaries():
    """The newest server's programs; None without one."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    return found[-1].parent if found else None


def as_postgres():
    """Popen's options: PostgreSQL refuses root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Cluster:
    """One cluster under `folder`, on a Unix socket there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)   # there already when it is a disk of its own
        self.data = self.folder / "data"
        self.log_path = self.folder.with_name("postgresql.log")
        self.bin = binaries()
        self.process = None
        self.folder.mkdir(mode=0o755, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.controls = Controls(self.folder / "controls", self.data)
        subprocess.run([self.bin / "initdb", "-D", self.data, "-A", "trust", "-U", "rfeventd",
                        "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], check=True, cwd="/",
                       stdout=subprocess.DEVNULL, **as_postgres())
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as config:
            config.write(SETTINGS + f"unix_socket_directories = '{self.folder}'\n")

    @property
    def socket(self):
        return self.folder / ".s.PGSQL.5432"

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data], cwd="/", stdout=log, stderr=log,
                env=dict(os.environ, **self.controls.env), start_new_session=True, **as_postgres())
        return self

    def wait_ready(self, timeout=60):
        house.wait_for(self.is_ready, timeout, "PostgreSQL takes connections")
        return self

    def is_ready(self):
        try:
            return self.sql("select 1") == [(1,)]
        except psycopg2.Error:
            return False

    def connection(self, dbname="postgres"):
        return psycopg2.connect(host=str(self.folder), dbname=dbname, user="rfeventd",
                                connect_timeout=5)

    def sql(self, query, *arguments, dbname="rfeventd"):
        """Rows of a query; the database is made at the first start."""
        with contextlib.closing(self.connection(dbname)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query, arguments)
                return cursor.fetchall() if cursor.description else []

    def create(self):
        def made():
            try:
                self.sql("create database rfeventd", dbname="postgres")
                return True
            except psycopg2.OperationalError:
                return False
        house.wait_for(made, 60, "database made")
        return self

    # --- faults ---
    def processes(self):
        """The postmaster and its children."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [pid, *map(int, children.read().split())]

    def backends(self):
        """Process ids of the service's connections."""
        return [pid for (pid,) in self.sql(
            "select pid from pg_stat_activity where backend_type = 'client backend'"
            " and pid <> pg_backend_pid() and application_name like 'rfeventd%%'")]

    def kill(self):
        """kill -9 of the postmaster. Its children see it and end; until then none can start."""
        children = self.processes()[1:]
        self.process.kill()
        self.process.wait()
        for pid in children:
            house.wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), 30,
                           "PostgreSQL's processes ended")

    def restart(self):
        """As the system's service manager would."""
        return self.start().wait_ready()

    def end(self):
        """As for maintenance."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def keep(self):
        """A copy of what it holds now, as a backup has it."""
        self.end()
        self.copy(self.data, self.backup)
        self.restart()

    def set_back(self):
        """It holds what it held then."""
        self.kill()
        self.copy(self.backup, self.data)
        shutil.rmtree(self.backup)
        self.restart()

    @property
    def backup(self):
        return self.folder / "backup"

    @staticmethod
    def copy(source, target):
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)

    @contextlib.contextmanager
    def frozen(self):
        processes = self.processes()
        for pid in processes:
            signal_to(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(processes):
                signal_to(pid, signal.SIGCONT)

    def revive(self):
        """Start it if it ended of itself."""
        if self.process.poll() is not None:
            self.restart()

    def close(self):
        if self.process and self.process.poll() is None:
            for pid in self.processes():
                signal_to(pid, signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(10)

    def log_end(self):
        """The last lines that the server said."""
        with open(self.log_path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 65536))
            return file.read().decode(errors="replace")


def signal_to(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_gone(pid, timeout=30):
    end = time.monotonic() + timeout
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.01)
