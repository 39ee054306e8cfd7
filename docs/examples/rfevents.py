#!/usr/bin/env python3
"""A client of rfeventd in one file: follow the stream exactly, and ask the log. Copy it, change it.

Needs Python 3.9 and the package `websockets` (Debian: python3-websockets; 10 or newer).

    rfevents.py --url https://host:9443 --user admin --password-file FILE --ca ca.crt follow --cursor FILE
    rfevents.py … query --filter "Severity eq 'Critical'"

As a module:

    client = Client("https://host:9443", user="admin", password="…", ca="ca.crt")
    cursor = FileCursor("/var/lib/me/cursor")
    async for item in client.follow(cursor, filter="Severity eq 'Critical'"):
        if item.kind == "event":
            handle(item.entry)
        elif item.kind in ("gap", "epoch_changed"):
            tell_somebody(item)
        cursor.commit(item)

Commit after handling: what was under way when the program ended comes again, and nothing is missed (at
least once; an Entry's `id` tells one that came before). Within one run nothing comes twice, over
reconnections and restarts of the service. When a second step belongs to handling, say to acknowledge
something by Client.request(), take it before the commit, too.
"""
import argparse
import asyncio
import base64
import dataclasses
import json
import os
import random
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

import websockets

ENTRIES = "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries"
# The argument has another name since version 14.
HEADERS = "additional_headers" if int(websockets.__version__.split(".")[0]) >= 14 else "extra_headers"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


class Refused(Exception):
    """The service said no, and would say so again: wrong password, wrong filter."""


@dataclasses.dataclass
class Item:
    """One thing heard. `epoch` and `seq` are the position once it is handled.

    kind: event (`entry`), provisional (`entry`, not in the log yet; only when asked for), position and
    caught_up (everything up to seq was looked at), gap (`message`: from, to, reason: these are gone), epoch_changed
    (the log is another one, say restored from a backup: it is read again from its oldest event)."""
    kind: str
    epoch: str
    seq: int
    entry: dict = None
    message: dict = None


class FileCursor:
    """The position in a file that is always whole. Any object with load() and commit(item) will do."""

    def __init__(self, path):
        self.path = path

    def load(self):
        """(epoch, seq), or None at the first start."""
        try:
            with open(self.path, encoding="utf-8") as file:
                kept = json.load(file)
        except FileNotFoundError:
            return None
        return kept["epoch"], kept["seq"]

    def commit(self, item):
        with open(f"{self.path}.new", "w", encoding="utf-8") as file:
            json.dump({"epoch": item.epoch, "seq": item.seq}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{self.path}.new", self.path)


class Client:
    """`token`: an API or session token; else `user` and `password`. `ca`: file with the authority of the
    service's certificate, None for those that the machine trusts."""

    def __init__(self, url, user=None, password=None, token=None, ca=None):
        self.url = url.rstrip("/")
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.authorization = f"Bearer {token}" if token else f"Basic {pair}"
        self.tls = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None

    # --- the log ---

    def request(self, method, path, body=None, headers=None):
        """One request: (answer's headers, body as bytes). Raises Refused with the service's words."""
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": self.authorization, "Content-Type": "application/json", **(headers or {})})
        handlers = [urllib.request.ProxyHandler({})]
        if self.tls:
            handlers.append(urllib.request.HTTPSHandler(context=self.tls))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=60) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error

    def query(self, filter=None, language=None, page=1000, oldest_first=True):
        """Entries of the log that fit, page by page; also those that come in meanwhile, once each."""
        options = {"$top": page, "$orderby": f"Id {'asc' if oldest_first else 'desc'}"}
        if filter:
            options["$filter"] = filter
        path = f"{ENTRIES}?{urllib.parse.urlencode(options, quote_via=urllib.parse.quote)}"
        headers = {"Accept": "application/x-ndjson"}
        if language:
            headers["Accept-Language"] = language
        while path:
            answer, body = self.request("GET", path, headers=headers)
            for line in body.splitlines():
                yield json.loads(line)
            # JSON Lines have no place for a link: it is in the header.
            found = [re.search(r"<([^>]*)>\s*;\s*rel=\"?next", link) for link in answer.get_all("Link") or []]
            path = next((match.group(1) for match in found if match), None)

    # --- the stream ---

    async def follow(self, cursor=None, filter=None, language=None, provisional=False, start="live"):
        """Items, for ever. Without a position in `cursor` from `start`: "live", a seq, or 0 for the oldest."""
        place = _Place(cursor.load() if cursor else None, start)
        pause = FIRST_PAUSE_S
        while True:
            try:
                async with websockets.connect(
                        f"ws{self.url[4:]}/stream", ssl=self.tls, max_size=None, subprotocols=["rfevents.v1"],
                        **{HEADERS: {"Authorization": self.authorization}}) as socket:
                    subscribed = False
                    async for text in socket:
                        message = json.loads(text)
                        if message["type"] == "hello":
                            changed = place.greet(message["epoch"])
                            if changed:
                                yield changed
                            if changed or not subscribed:
                                await socket.send(json.dumps(place.subscription(filter, language)))
                                subscribed = True
                            continue
                        pause = FIRST_PAUSE_S
                        for item in place.items(message):
                            if item.kind != "provisional" or provisional:
                                yield item
            except websockets.InvalidHandshake as error:
                if re.search(r"\b40[0134]\b", str(error)):
                    raise Refused(str(error)) from error
            except (OSError, EOFError, asyncio.TimeoutError, websockets.ConnectionClosed):
                pass
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, LONGEST_PAUSE_S)


class _Place:
    """Where the stream is: what was handed out last, over all connections."""

    def __init__(self, kept, start):
        self.epoch, self.seq = kept or (None, None)
        self.start = start

    def greet(self, epoch):
        """What a hello says the log is called; an Item when that is another one."""
        known = self.epoch
        if not epoch.strip("0-"):  # the database was not reached yet: no log has this name
            return None
        self.epoch = epoch
        if known in (None, epoch):
            return None
        self.seq = 0
        return Item("epoch_changed", epoch, 0, message={"from": known, "to": epoch})

    def subscription(self, filter, language):
        wanted = {"type": "subscribe", "after": self.start if self.seq is None else self.seq,
                  "epoch": self.epoch, "filter": filter, "language": language}
        return {key: value for key, value in wanted.items() if value is not None}

    def items(self, message):
        kind = message["type"]
        if kind in ("events", "provisional"):
            for entry in message["events"]:
                if entry["seq"] is not None:
                    self.seq = entry["seq"]
                yield Item("event" if kind == "events" else kind, self.epoch, self.seq, entry=entry)
        elif kind in ("caught_up", "position"):
            self.seq = message["seq"]
            yield Item(kind, self.epoch, self.seq)
        elif kind == "gap":
            self.seq = message["to"]
            yield Item(kind, self.epoch, self.seq, message=message)
        # With epoch_changed comes a hello; too_many is tried again.
        elif kind == "error" and message["code"] not in ("epoch_changed", "too_many"):
            raise Refused(f"{message['code']}: {message['message']}")


# --- as a program -----------------------------------------------------------------------------

async def _follow(client, options):
    cursor = FileCursor(options.cursor) if options.cursor else None
    async for item in client.follow(cursor, options.filter, options.language, start=options.start):
        if item.kind == "event":
            print(json.dumps(item.entry, ensure_ascii=False), flush=True)
        elif item.kind in ("gap", "epoch_changed"):
            print(f"{item.kind}: {item.message}", file=sys.stderr, flush=True)
        if cursor:
            cursor.commit(item)


def main():
    parser = argparse.ArgumentParser(description="Follow the stream of rfeventd, or ask its log: JSON Lines.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--user")
    parser.add_argument("--password-file")
    parser.add_argument("--token", default=os.environ.get("RFEVENT_TOKEN"))
    parser.add_argument("--ca")
    commands = parser.add_subparsers(dest="command", required=True)
    follow = commands.add_parser("follow")
    follow.add_argument("--cursor", help="file that keeps the position")
    follow.add_argument("--start", default="live", help="without a position yet: live, or a seq (0: the oldest)")
    query = commands.add_parser("query")
    query.add_argument("--page", type=int, default=1000)
    for command in (follow, query):
        command.add_argument("--filter")
        command.add_argument("--language")
    options = parser.parse_args()
    password = None
    if options.password_file:
        with open(options.password_file, encoding="utf-8") as file:
            password = file.read().strip()
    client = Client(options.url, options.user, password, options.token, options.ca)
    try:
        if options.command == "follow":
            asyncio.run(_follow(client, options))
        else:
            for entry in client.query(options.filter, options.language, options.page):
                print(json.dumps(entry, ensure_ascii=False))
    except Refused as error:
        print(f"rfevents: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
