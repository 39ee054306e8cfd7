"""kill -9 of the daemon under load: every delivery that was answered 200 is in the log once."""
import os
import random
import time

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
    assert account(sender, entries) == {"missing": [], "doubled": [], "unknown": [],
                                        "out of order": []}
    assert service.sql("select count(*) from quarantine") == [(0,)]
