"""A throw-away PostgreSQL of its own, for daemons that share one."""
import contextlib
import glob
import os
import pathlib
import shutil
import subprocess
import tempfile

import psycopg2


class Cluster:
    """Unix socket in its folder; outlives kills, not power failures; as root it runs as user postgres."""

    def __init__(self):
        self.database, self.n_databases = "postgres", 0
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        assert found, "no PostgreSQL server binaries here"
        self.bin = pathlib.Path(found[-1]).parent
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-pg-", dir="/tmp"))
        self.dir.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres")
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "rfeventd", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync")

    @property
    def data(self):
        return self.dir / "data"

    @property
    def url(self):
        return f"host={self.dir} user=rfeventd dbname={self.database}"

    def new_database(self):
        """From now on a fresh one is spoken of."""
        self.n_databases += 1
        self.sql(f"create database t{self.n_databases}")
        self.database = f"t{self.n_databases}"
        return self

    def run(self, program, *arguments):
        who = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*who, str(self.bin / program), *map(str, arguments)], check=True, timeout=60,
                       cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.dir / "log", "-o",
                 f"-k {self.dir} -c listen_addresses='' -c max_connections=90 -c fsync=off", "start")
        return self

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def keep(self, name):
        """A copy of the stopped cluster's data, to come back to."""
        shutil.rmtree(self.dir / name, ignore_errors=True)
        self.run_copy(self.data, self.dir / name)

    def restore(self, name):
        shutil.rmtree(self.data)
        self.run_copy(self.dir / name, self.data)

    @staticmethod
    def run_copy(source, target):
        subprocess.run(["cp", "-a", str(source), str(target)], check=True, timeout=60)

    def connection(self):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        return connection

    def sql(self, query, *arguments):
        with contextlib.closing(self.connection()) as connection:
            with connection.cursor() as cursor:
                cursor.execute(query, arguments or None)
                return cursor.fetchall() if cursor.description else []

    def close(self):
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.dir, ignore_errors=True)
