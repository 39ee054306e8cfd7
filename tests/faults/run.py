"""Faults in random order under load, and the account at the end. `make soak` runs this.

RFEVENTD_SOAK_SECONDS   how long (1800); a tenth of it with the private PostgreSQL
RFEVENTD_SEED           the order, the moments and the bodies; printed
RFEVENTD_SOAK_RATE      bodies a second, 2.7 events each on average (400)
RFEVENTD_FAULTS         only these kinds, separated by commas
"""
import collections
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import house  # noqa: E402
import kinds  # noqa: E402
import ledger  # noqa: E402
from place import Site  # noqa: E402

DRAIN_SECONDS = 300
SET_BACK = "database set back"


class Run:
    """One place, all kinds of faults round by round until time is over. `before` is called with
    the place (see place.py) before the first fault."""

    def __init__(self, seed, long=False, private=False, rate=200, before=None):
        self.chance = random.Random(f"{seed}/{private}")
        self.long, self.private, self.rate, self.before = long, private, rate, before
        self.fired = collections.Counter()
        self.took = collections.Counter()
        self.log, self.stream, self.complaints = {}, {}, []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-faults-", dir="/tmp"))
        self.folder.chmod(0o711)

    def go(self, seconds, only=None):
        """At least one round; further ones while there is time."""
        site = Site(self.folder, self.chance, self.long, self.private)
        try:
            site.begin(self.rate)
            if self.before:
                self.before(site)
            end = time.monotonic() + seconds
            first = True
            while first or time.monotonic() < end:
                self.round(site, only, None if first else end)
                first = False
            site.drain(DRAIN_SECONDS)
            self.log, self.stream, self.complaints = site.account()
        except BaseException:
            print(f"state kept: {self.folder}")
            raise
        finally:
            site.close()
        if self.is_good() and not os.environ.get("RFEVENTD_KEEP_STATE"):
            shutil.rmtree(self.folder, ignore_errors=True)
        return self

    def round(self, site, only, end):
        names = [name for name in kinds.names(self.private) if not only or name in only]
        self.chance.shuffle(names)
        for name in names:
            if end and time.monotonic() > end:
                return
            self.fire(site, name)

    def fire(self, site, name):
        start = time.monotonic()
        try:
            kinds.KINDS[name](site)
            if self.chance.random() < 0.7 or not self.long:   # else the next one comes on top
                site.settle()
        except Exception as error:
            raise AssertionError(f"fault '{name}': {error}") from error
        self.fired[name] += 1
        self.took[name] += time.monotonic() - start
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
        site.pause(0.1, 0.5)

    def is_good(self):
        return (not any(n for what, n in self.log.items() if what not in ledger.HARMLESS)
                and self.stream.get("heard") == self.log.get("in log", -1)
                and not self.stream["unlike the log"] and not self.stream["resume gaps"]
                and self.epochs_are_right())

    def epochs_are_right(self):
        """A log that was set back is never silently another one, and no other log ever is."""
        told, fired = self.stream["new epochs"], self.fired[SET_BACK]
        return told <= fired and (told > 0 or fired == 0)


def table(rows):
    width = max(len(str(name)) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def report(runs, seed, seconds):
    """As text, and as what goes to soak.json."""
    fired = sum((run.fired for run in runs), collections.Counter())
    log = sum((collections.Counter(run.log) for run in runs), collections.Counter())
    stream = sum((collections.Counter(run.stream) for run in runs), collections.Counter())
    log = {name: log[name] for name in runs[0].log}
    stream = {name: stream[name] for name in runs[0].stream}
    account = {**log, **{f"stream: {name}": n for name, n in stream.items()}}
    text = "\n".join([f"seed {seed}, {seconds:.0f} s, {sum(fired.values())} faults of "
                      f"{len(fired)} kinds", table(sorted(fired.items())), "account",
                      table(account.items())])
    return text, {"seed": seed, "seconds": round(seconds), "faults": dict(sorted(fired.items())),
                  "n_faults": sum(fired.values()), "account": account,
                  "complaints": [words for run in runs for words in run.complaints][:100],
                  "good": all(run.is_good() for run in runs)}


def main():
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        os.environ.pop(name, None)
    seed = int(os.environ.get("RFEVENTD_SEED", random.randrange(1 << 30)))
    seconds = float(os.environ.get("RFEVENTD_SOAK_SECONDS", 1800))
    rate = float(os.environ.get("RFEVENTD_SOAK_RATE", 400))
    only = [name.strip() for name in os.environ.get("RFEVENTD_FAULTS", "").split(",") if name.strip()]
    print(f"seed {seed} (RFEVENTD_SEED)", flush=True)
    start, runs = time.monotonic(), []
    for private, share in ((True, 0.1), (False, 0.9)):
        if only and not set(only) & set(kinds.names(private)):
            continue
        print(f"-- {'private' if private else 'external'} PostgreSQL", flush=True)
        runs.append(Run(seed, True, private, rate).go(seconds * share, only))
    text, found = report(runs, seed, time.monotonic() - start)
    house.BUILD.mkdir(exist_ok=True)
    (house.BUILD / "soak.json").write_text(json.dumps(found, indent="\t") + "\n", encoding="utf-8")
    print(text)
    for words in found["complaints"]:
        print("stream:", words)
    print("nothing lost" if found["good"] else "NOT GOOD")
    return 0 if found["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
