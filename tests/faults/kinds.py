"""The faults, one function each: it makes the fault while load goes on, and leaves a place where
everything runs again. KINDS has them by name; one more is one more function.

A kind that needs PostgreSQL behind the proxy, or its preloaded clock and disk, is not for the
private one.
"""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import time

import psycopg2

import controls
import house
import proxy
import tail
from fault_cluster import binaries, signal_to, wait_gone
from place import OWN_THREAD
from power_cut import Disk

EXIT_JOURNAL_LOST = 70
CRASH_MARK = "end of the decoder"
DAY = 86400

KINDS = {}
NOT_PRIVATE = set()


def kind(function):
    KINDS[function.__name__.replace("_", " ")] = function
    return function


def external(function):
    NOT_PRIVATE.add(function.__name__.replace("_", " "))
    return kind(function)


# --- processes that die or stand still ------------------------------------------------------------

@kind
def rfeventd_killed(site):
    site.service.kill()
    site.start()


@kind
def rfeventd_ended(site):
    assert site.service.terminate(30)[0] == 0
    site.start()


@kind
def backend_killed(site):
    with contextlib.suppress(psycopg2.Error):
        backends = site.cluster.backends()
        if backends:
            signal_to(site.chance.choice(backends), signal.SIGKILL)
    site.pause(0.5)
    site.cluster.wait_ready()


@kind
def postmaster_killed(site):
    site.cluster.kill()
    site.pause(0.3, 2)
    site.cluster.restart()


@kind
def both_killed(site):
    """In the order that chance has it, with nothing in between."""
    if site.chance.random() < 0.5:
        site.service.kill()
        site.cluster.kill()
    elif site.private:   # the daemon would start it again at once
        pid = site.cluster.processes()[0]
        os.kill(pid, signal.SIGKILL)
        site.service.kill()
        wait_gone(pid)
    else:
        site.cluster.kill()
        site.service.kill()
    site.start()
    site.pause(0.3, 2)
    if not site.private:
        site.cluster.start()
    site.cluster.wait_ready()


@external
def rfeventd_frozen_in_copy(site):
    pid = site.service.process.pid
    site.proxy.arm(proxy.IN_COPY, lambda: os.kill(pid, signal.SIGSTOP), site.chance.randrange(20000))
    try:
        assert site.proxy.met.wait(30), "no COPY came"
        site.pause(1, 30)
    finally:
        signal_to(pid, signal.SIGCONT)


@kind
def postgres_frozen(site):
    site.calm()
    with site.cluster.frozen():
        site.pause(1, 10)
        assert site.post().status_code == 200


# --- the journal's disk -------------------------------------------------------------------------

@contextlib.contextmanager
def journal_disk(site, fault):
    site.controls.disk(fault)
    try:
        yield
    finally:
        site.controls.disk(controls.GOOD)


@kind
def journal_disk_full(site):
    with journal_disk(site, controls.FULL):
        answer = site.fill_until_refused()
        assert int(answer.headers["Retry-After"]) > 0
        site.pause(0.5, 2)
        assert site.is_running() and site.controls.fired
    site.wait_taken()


@kind
def journal_at_its_bound(site):
    """PostgreSQL takes nothing until storage.journal_max_bytes is reached."""
    with site.cluster.frozen():
        assert int(site.fill_until_refused().headers["Retry-After"]) > 0
        assert site.is_running()
    site.wait_taken()


def journal_fails(site, fault):
    """The daemon ends without an answer to what it could not store. Where the journal had no
    segment yet there is nothing to doubt: it refuses until it can make one."""
    def refuses():
        answer = site.controls.fired and site.post()
        return answer and answer.status_code == 503
    with journal_disk(site, fault):
        house.wait_for(lambda: not site.is_running() or refuses(), 20, "the journal fails")
        assert site.controls.fired
        if not site.is_running():
            assert site.service.process.returncode == EXIT_JOURNAL_LOST, site.service.log()[-2000:]
    if site.is_running():
        site.wait_taken()
    else:
        site.start()


@kind
def journal_write_fails(site):
    journal_fails(site, controls.EIO)


@kind
def journal_sync_fails(site):
    journal_fails(site, controls.NO_SYNC)


@kind
def journal_writes_short(site):
    with journal_disk(site, controls.SHORT):
        site.pause(0.5)
        house.wait_for(lambda: site.controls.fired, 20, "a write was cut short")
    assert site.is_running()


def tail_spoilt(site, flip):
    site.service.kill()
    segment = tail.unsealed(site.state / "journal")
    if segment:
        tail.spoil(segment, site.chance, flip)
    site.start()


@kind
def journal_tail_torn(site):
    tail_spoilt(site, False)


@kind
def journal_tail_flipped(site):
    tail_spoilt(site, True)


@kind
def power_cut(site):
    """What was not synced is gone, or (by chance) some of it is not."""
    site.service.kill()
    disk = Disk(site.state)
    env = site.service.env
    try:
        site.service.env = dict(env, **disk.env)
        site.service.env["LD_PRELOAD"] = env["LD_PRELOAD"] + " " + disk.env["LD_PRELOAD"]
        site.start()
        site.pause(0.7, 2)
        site.service.kill()
        disk.cut(site.chance if site.chance.random() < 0.5 else None)
    finally:
        disk.switch_off()
        site.service.env = env
    site.start()


# --- what is in a delivery ------------------------------------------------------------------------

@kind
def row_refused(site):
    site.calm()
    n = site.chance.randrange(1, 6)
    assert site.post(n, poison=site.chance.randrange(n)).status_code == 200
    site.pause(0.3)


@kind
def decoder_crashed(site):
    """Of a delivery that is answered and not loaded yet, or at its receipt. Twice it ends the
    daemon; then it is set aside unread."""
    site.calm()
    answered = site.chance.random() < 0.5
    if answered:
        with site.cluster.frozen():
            assert site.post(2, mark=CRASH_MARK).status_code == 200
            site.service.kill()
    else:
        assert site.service.terminate(30)[0] == 0
    env, site.service.program = site.service.env, "tools/rfeventd_crash"
    # A sanitizer would make another end of it.
    site.service.env = dict(env, ASAN_OPTIONS=env["ASAN_OPTIONS"] + ":handle_segv=0",
                            TSAN_OPTIONS=env.get("TSAN_OPTIONS", "") + ":handle_segv=0")
    n_crashes = 0
    try:
        site.start(wait=not answered)
        if not answered:
            site.post(2, mark=CRASH_MARK)
        while n_crashes < 4 and crashes(site):
            assert site.service.process.returncode == -signal.SIGSEGV, site.service.log()[-2000:]
            n_crashes += 1
            site.start(wait=False)
        assert n_crashes == 2 if answered else 1 <= n_crashes <= 2, f"{n_crashes} crashes"
    finally:
        site.service.env, site.service.program = env, "rfeventd"
    assert site.service.terminate(30)[0] == 0
    site.start()


def crashes(site):
    """Whether it ends before a later event reaches the log."""
    marks = []

    def settled():
        if not site.is_running():
            return True
        if not marks:
            with contextlib.suppress(OSError):
                answer = site.post()
                if answer is not None and answer.status_code == 200:
                    marks.append(site.last_own_id())
            return False
        return site.has_logged(marks[0])
    house.wait_for(settled, 40, "crashed, or loaded")
    return not site.is_running()


# --- between rfeventd and PostgreSQL ---------------------------------------------------------------

def connection_cut(site, where, bytes_before=0):
    site.proxy.arm(where, "cut", bytes_before)
    try:
        assert site.proxy.met.wait(30), f"nothing to cut {where}"
    finally:
        site.proxy.disarm()


@external
def connection_cut_in_copy(site):
    connection_cut(site, proxy.IN_COPY, site.chance.randrange(20000))


@external
def connection_cut_before_commit(site):
    connection_cut(site, proxy.BEFORE_COMMIT)


@external
def connection_cut_after_commit(site):
    """It was committed; the answer never comes."""
    connection_cut(site, proxy.AFTER_COMMIT)


@external
def connections_half_open(site):
    site.proxy.hold()
    site.pause(1, 25)
    site.proxy.release()
    if site.chance.random() < 0.5:
        site.proxy.cut_all()


@external
def postgres_disk_full(site):
    """Files of the cluster do not grow: rows are refused, or the server ends. A person makes
    room and, where it ended, starts it again."""
    site.cluster.controls.disk(controls.FULL)
    try:
        house.wait_for(lambda: site.post(pad=256 << 10) and site.cluster.controls.fired, 40,
                       "PostgreSQL's disk is full")
        site.pause(0.7, 4)
        assert site.is_running()
        assert site.post().status_code in (200, 503)
    finally:
        site.cluster.controls.disk(controls.GOOD)
    site.cluster.revive()
    site.cluster.wait_ready()
    site.wait_taken()


@kind
def snapshot_held(site):
    connection = site.cluster.connection("rfeventd")
    connection.set_session(isolation_level="REPEATABLE READ")
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from counter")
        site.pause(0.7, 10)
    connection.rollback()
    connection.close()


@external
def database_set_back(site):
    """To a backup. Segments are kept for as long as that: what was answered since is due."""
    site.calm()
    site.restart_with("storage.journal_keep=1h")
    try:
        site.calm()
        site.cluster.keep()
        site.calm()
        site.pause(2, 15)
        site.cluster.set_back()
        site.calm()
    finally:
        site.restart_with("storage.journal_keep=0s")


@external
def dumped(site):
    """pg_dump; in a long run it may be given up half-way."""
    with subprocess.Popen([binaries() / "pg_dump", "-h", site.cluster.folder, "-U", "rfeventd",
                           "-Fp", "-f", "/dev/null", "rfeventd"]) as dump:
        try:
            assert dump.wait(site.chance.choice((3, 15)) if site.long else 15) == 0
        except subprocess.TimeoutExpired:
            dump.terminate()


# --- clocks ---------------------------------------------------------------------------------------

def clock_steps(site, its_controls):
    its_controls.clock(site.chance.choice((-1, 1)) * site.chance.choice((2, 3600, DAY, 2 * DAY)))
    try:
        site.pause(0.7, 2)
    finally:
        its_controls.clock(0)


@kind
def clock_stepped(site):
    clock_steps(site, site.controls)


@external
def clock_of_postgres_stepped(site):
    clock_steps(site, site.cluster.controls)


# --- peers ----------------------------------------------------------------------------------------

def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def request(site, n=1):
    number, body = site.own_body(n)
    return number, (f"POST /events/{site.service.token} HTTP/1.1\r\nHost: x\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def connect(site):
    return socket.create_connection(("127.0.0.1", site.service.plain_port), timeout=20)


@kind
def peers_slow(site):
    """Some say nothing, some stop half-way, some close one side only; one takes its time, and is
    answered."""
    held = []
    for i in range(40):
        number, data = request(site)
        site.ledger.add("U", OWN_THREAD, number, 1)
        held.append(connect(site))
        held[-1].sendall(data[:(0, 10, len(data) // 2, len(data) - 1)[i % 4]])
        if i % 8 == 7:
            held[-1].shutdown(socket.SHUT_WR)
    number, data = request(site, 2)
    with connect(site) as sock:
        for at in range(0, len(data), len(data) // 20):
            sock.sendall(data[at:at + len(data) // 20])
            time.sleep(0.03)
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    site.ledger.add("A", OWN_THREAD, number, 2)
    for sock in held:
        site.chance.choice((reset, socket.socket.close))(sock)


@kind
def peers_reset(site):
    """They send all of it, and do not wait for the answer."""
    for _ in range(30):
        number, data = request(site)
        site.ledger.add("U", OWN_THREAD, number, 1)
        sock = connect(site)
        sock.sendall(data)
        time.sleep(site.chance.choice((0, 0, 0.001, 0.01)))
        reset(sock)


def names(private):
    return [name for name in KINDS if not (private and name in NOT_PRIVATE)]
