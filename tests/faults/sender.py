"""Load with a record of its own. A program: it goes on while the daemon, or the test, does not.

Each record of each body has an EventId "<thread>-<body>-<n>", found nowhere else. The record on
disk is a line per body: "<letter> <thread> <body> <records>", the letter one of
  A  answered 200              U  no answer: it may or may not be in the log
  R  refused, 5xx              D  sent again, but the receiver's clock moved between: perhaps twice
What was not answered is sent again as it was, as BMCs do, when all its times are sane: then it may
be in the log once only. SIGTERM ends it.
"""
import argparse
import json
import mmap
import random
import signal
import socket
import ssl
import struct
import sys
import threading
import time

ODD_TIMES = (None, "", "1970-01-01T00:00:04Z", "0000-00-00T00:00:00Z", "yesterday", 12)
PAUSE_REFUSED = 0.05
PAUSE_LOST = 0.02
CLOCK_OFFSET, CLOCK_MOVES = 0, 16   # see controls.py


class Clock:
    """Whether the daemon's clock can be relied on: (moves, offset)."""

    def __init__(self, path):
        self.map = None
        if path:
            with open(path, "rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def now(self):
        if not self.map:
            return 0, 0
        return (struct.unpack_from("<I", self.map, CLOCK_MOVES)[0],
                struct.unpack_from("<q", self.map, CLOCK_OFFSET)[0])


def record(event_id, chance, is_sane):
    """One event of some 600 bytes."""
    one = {"MemberId": event_id.rsplit("-", 1)[1], "EventType": "Alert", "EventId": event_id,
           "MessageId": "Power.1.2.PowerSupplyFailed", "MessageArgs": [f"PSU {event_id}"],
           "Severity": chance.choice(("OK", "Warning", "Critical")),
           "Message": f"Power supply {event_id} failed.",
           "OriginOfCondition": {"@odata.id": f"/redfish/v1/Chassis/{chance.randrange(500)}"},
           "Oem": {"Test": {"Pad": f"{chance.getrandbits(512):0128x}"}}}
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) if is_sane else chance.choice(ODD_TIMES)
    if when is not None:
        one["EventTimestamp"] = when
    return one


def body_of(thread, number, chance):
    """(body, number of records, whether all of its times are sane)"""
    n = chance.choice((1, 1, 1, 2, 3, 8))
    is_sane = chance.random() < 0.85
    records = [record(f"{thread}-{number}-{k}", chance, is_sane) for k in range(n)]
    return json.dumps({"@odata.type": "#Event.v1_9_0.Event", "Id": f"{thread}-{number}",
                       "Name": "Fault", "Events": records}).encode(), n, is_sane


class Connection:
    """HTTP/1.1, kept open. OSError when it breaks."""

    def __init__(self, options, tls):
        port = options.tls_port if tls else options.port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=options.patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context(cafile=options.ca)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.head = (f"POST {options.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     "Content-Length: ")
        self.have = b""

    def post(self, body):
        self.socket.sendall(f"{self.head}{len(body)}\r\n\r\n".encode() + body)
        while b"\r\n\r\n" not in self.have:
            self._more()
        head, self.have = self.have.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        left = sum(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        while len(self.have) < left:
            self._more()
        self.have = self.have[left:]
        if b"connection: close" in lines:
            self.socket.close()
        return int(lines[0].split()[1])

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("closed")
        self.have += data

    def close(self):
        self.socket.close()


class Thread(threading.Thread):
    """One BMC: a body after the other, none before the last was answered or given up."""

    def __init__(self, options, number, out, stop):
        super().__init__(daemon=True)
        self.options, self.number, self.out, self.stop = options, number, out, stop
        self.tls = number % 4 == 3
        self.chance = random.Random(f"{options.seed}/{number}")
        self.clock = Clock(options.clock)
        self.connection = None

    def run(self):
        pause, count = self.options.threads / self.options.rate, 0
        due = time.monotonic()
        while not self.stop.is_set():
            self.out(self.one(count))
            count += 1
            due = max(due + pause * self.chance.uniform(0, 2), time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))

    def attempt(self, body):
        """The status; None when there was no answer."""
        try:
            if self.connection is None:
                self.connection = Connection(self.options, self.tls)
            return self.connection.post(body)
        except (OSError, ValueError):
            if self.connection:
                self.connection.close()
            self.connection = None
            return None

    def one(self, count):
        body, n, is_sane = body_of(self.number, count, self.chance)
        clock = self.clock.now()
        status = self.attempt(body)
        letter = "A" if status == 200 else "R" if status else "U"
        if status is None and is_sane and clock[1] == 0:
            letter = self.again(body, clock)
        if letter == "U":
            time.sleep(PAUSE_LOST)
        if letter == "R":
            time.sleep(PAUSE_REFUSED)
        return f"{letter} {self.number} {count} {n}\n"

    def again(self, body, clock):
        """What a BMC does some time after it got no answer."""
        for _ in range(100):
            if self.stop.wait(0.1) or self.clock.now() != clock:
                return "U"
            status = self.attempt(body)
            if status is not None:
                break
        if self.clock.now() != clock:
            return "D"
        return "A" if status == 200 else "U"


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "tls-port", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("path", "ca", "record"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--clock", help="controls of the daemon")
    parser.add_argument("--rate", type=float, default=300, help="bodies a second, of all threads")
    parser.add_argument("--patience", type=float, default=10, help="seconds to wait for an answer")
    return parser.parse_args()


def main():
    options = parse()
    stop, lock = threading.Event(), threading.Lock()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with open(options.record, "w", encoding="ascii", buffering=1 << 16) as file:
        def out(line):
            with lock:
                file.write(line)
        threads = [Thread(options, i, out, stop) for i in range(options.threads)]
        for thread in threads:
            thread.start()
        while not stop.wait(1):
            with lock:
                file.flush()
        for thread in threads:
            thread.join(options.patience + 5)
        if any(thread.is_alive() for thread in threads):
            sys.exit("a thread does not end")


if __name__ == "__main__":
    main()
