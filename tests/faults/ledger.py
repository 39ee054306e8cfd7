"""The account: what the senders wrote down against what the log holds."""
import collections
import json
import uuid

BITS_RECORD, BITS_BODY = 8, 32


def key(thread, body, record):
    """An EventId as a number: a million of them fit."""
    return (int(thread) << BITS_BODY | int(body)) << BITS_RECORD | int(record)


def key_of(event_id):
    try:
        thread, body, record = event_id.split("-")
        return key(thread, body, record)
    except (AttributeError, ValueError):
        return None


def is_own(event_id):
    """Whether the service said it of itself (docs/conditions.md): its EventIds are uuids."""
    try:
        return str(uuid.UUID(event_id)) == event_id
    except (AttributeError, TypeError, ValueError):
        return False


def keys_of(idx, raw):
    """Of a row in quarantine: a record of a body, or (idx -1) all of it."""
    if raw is None:
        return [None]
    events = json.loads(bytes(raw))["Events"]
    return [key_of(event["EventId"]) for event in (events if idx < 0 else [events[idx]])]


class Ledger:
    """Records of senders (see sender.py), by letter, and what the harness itself sent."""

    def __init__(self):
        self.by_letter = {letter: set() for letter in "ARUD"}
        self.set_aside = set()     # must be in quarantine if they were answered

    def add(self, letter, thread, body, n):
        self.by_letter[letter].update(self.keys(thread, body, range(int(n))))

    @staticmethod
    def keys(thread, body, records):
        return [key(thread, body, k) for k in records]

    def read(self, path):
        with open(path, encoding="ascii") as file:
            for line in file:
                letter, thread, body, n = line.split()
                self.add(letter, thread, body, n)
        return self

    def account(self, rows, quarantined):
        """`rows`: (seq, EventId, xmin) by seq; `quarantined`: (idx, raw body). Counts; all but the
        HARMLESS must be 0."""
        answered, refused = self.by_letter["A"], self.by_letter["R"]
        seen, doubled, unknown, breaks, back = set(), 0, 0, 0, 0
        last_seq, last_xmin, own = 0, 0, set()
        last_body, out_of_order = collections.Counter(), 0
        known = answered | self.by_letter["U"] | self.by_letter["D"] | refused
        for seq, event_id, xmin in rows:
            number = key_of(event_id)
            breaks += seq != last_seq + 1
            back += xmin < last_xmin
            last_seq, last_xmin = seq, xmin
            if is_own(event_id):
                doubled += event_id in own
                own.add(event_id)
                continue
            unknown += number not in known
            doubled += number in seen and number not in self.by_letter["D"]
            seen.add(number)
            if number in answered:
                thread = number >> BITS_BODY + BITS_RECORD
                out_of_order += number < last_body[thread]
                last_body[thread] = number
        put_aside = [number for idx, raw in quarantined for number in keys_of(idx, raw)]
        aside = set(put_aside) & self.set_aside
        return {"answered": len(answered), "unsure": len(self.by_letter["U"] | self.by_letter["D"]),
                "in log": last_seq, "own": len(own), "set aside": len(aside),
                "missing": len(answered - seen - aside), "doubled": doubled, "unknown": unknown,
                "refused, yet logged": len(refused & seen),
                "gaps in seq": breaks, "commits out of order": back,
                "out of order": out_of_order, "logged and set aside": len(aside & seen),
                "wrongly set aside": len(put_aside) - len(aside)}


HARMLESS = ("answered", "unsure", "in log", "own", "set aside")


def stream_account(path, rows):
    """What the client of the stream heard, since it was told of this log, against it: {seq: EventId}."""
    complaints, streams, heard, differ, told = [], 0, 0, 0, 0
    expected = iter(rows)
    with open(path, encoding="utf-8") as file:
        epochs = sum(line.startswith("N ") for line in file)
    with open(path, encoding="utf-8") as file:
        for line in file:
            letter, _, rest = line.rstrip("\n").partition(" ")
            streams += letter == "C"
            told += letter == "N"
            if letter == "X":
                complaints.append(rest)
            elif letter == "E" and told == epochs:
                heard += 1
                seq, event_id = rest.split(" ", 1)
                row = next(expected, (0, ""))
                differ += (int(seq), event_id) != (row[0], row[1] or "None")
    return {"streams": streams, "new epochs": epochs, "heard": heard, "unlike the log": differ,
            "resume gaps": len(complaints)}, complaints
