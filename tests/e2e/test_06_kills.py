"""kill -9 of the daemon under load: every delivery that was answered 200 is in the log once."""
import os
import random
import threading
import time

import house
from house import Sender, account


def test_killed_at_random_moments_under_load(service):
    rounds = int(os.environ.get("RFEVENTD_KILLS", "6"))
    seed = int(os.environ.get("RFEVENTD_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"\nseed {seed} (RFEVENTD_SEED)")
    sender = Sender(service).start()
    for _ in range(rounds):
        time.sleep(chance.uniform(0.05, 0.8))
        service.kill()
        service.start()
        service.wait_listening()
    time.sleep(0.5)
    sender.stop()
    service.wait_ready()
    entries = service.wait_entries(len(sender.answered), 60)
    print(f"{rounds} kills, {len(sender.answered)} answered 200, {len(sender.unsure)} unsure, "
          f"{len(entries)} in the log")
    assert len(sender.answered) > 50 * rounds
    assert account(sender, service.entries(own=True)) == {"missing": [], "doubled": [], "unknown": [],
                                        "out of order": []}
    assert service.sql("select count(*) from quarantine") == [(0,)]


class Reader(threading.Thread):
    """Follows the stream; after each break, and now and then of its own will, it goes on after the
    last seq that it has."""

    def __init__(self, service, chance):
        super().__init__(daemon=True)
        self.service, self.chance = service, chance
        self.events, self.others, self.epochs, self.n_streams = [], [], set(), 0
        self.stopping = threading.Event()
        self.start()

    @property
    def last(self):
        return self.events[-1]["seq"] if self.events else 0

    def run(self):
        while not self.stopping.is_set():
            self.read_once(self.chance.uniform(0.2, 1.5))
            time.sleep(0.02)

    def read_once(self, seconds):
        request = {"type": "subscribe", "after": self.last}
        if self.epochs:
            request["epoch"] = next(iter(self.epochs))
        stream = self.service.stream(subscribe=request)
        stream.closed.wait(seconds)
        stream.close()
        self.n_streams += bool(stream.of("hello"))
        self.epochs |= {message["epoch"] for message in stream.of("hello")}
        self.events += stream.events()
        self.others += stream.of("gap") + stream.of("error")


def test_a_reader_that_resumes_misses_nothing_over_kills(service):
    rounds = max(3, int(os.environ.get("RFEVENTD_KILLS", "6")) // 2)
    seed = int(os.environ.get("RFEVENTD_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"\nseed {seed} (RFEVENTD_SEED)")
    sender, reader = Sender(service).start(), Reader(service, random.Random(seed + 1))
    for number in range(rounds):
        time.sleep(chance.uniform(0.3, 1.2))
        if number % 3 == 2:
            assert service.terminate()[0] == 0
        else:
            service.kill()
        service.start().wait_listening()
    time.sleep(0.5)
    sender.stop()
    service.wait_ready()
    entries = service.wait_entries(len(sender.answered), 60)
    house.wait_for(lambda: reader.last == entries[-1]["seq"], 30, "the reader has it all")
    reader.stopping.set()
    reader.join(20)
    print(f"{rounds} ends of the daemon, {reader.n_streams} streams, {len(reader.events)} events")
    assert [event["seq"] for event in reader.events] == list(range(1, len(entries) + 1))
    assert [event["id"] for event in reader.events] == [entry["id"] for entry in entries]
    assert not reader.others and len(reader.epochs) == 1 and reader.n_streams > 1
