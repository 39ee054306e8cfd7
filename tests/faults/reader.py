"""A client of the stream that is always there, and after each break goes on after the last seq that
it has. A program: it writes what it heard to a file, a line each:
  E <seq> <EventId>     an event of the log
  X <words>             what must not come: a gap, an error, a seq that does not follow
  C                     a stream begun
  N <epoch>             told that the log is another one: from here on it is heard from its first event
Now and then it leaves of its own will. SIGTERM ends it.
"""
import argparse
import asyncio
import base64
import json
import random
import signal
import ssl

import websockets

# The client of Debian 12 calls them otherwise than that of Debian 13.
HEADERS = ("additional_headers" if int(websockets.__version__.split(".")[0]) >= 14
           else "extra_headers")
NO_EPOCH = "00000000-0000-0000-0000-000000000000"   # the log was not reached yet


class Reader:
    def __init__(self, options):
        self.options = options
        self.chance = random.Random(options.seed)
        self.last, self.epoch = 0, None
        self.is_told = False   # in this stream, that the log is another one
        self.out = open(options.record, "w", encoding="utf-8", buffering=1)
        self.context = ssl.create_default_context(cafile=options.ca)

    def headers(self):
        with open(self.options.password, encoding="utf-8") as file:
            pair = f"admin:{file.read().strip()}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    async def run(self):
        while True:
            stay = self.chance.uniform(self.options.stay / 4, self.options.stay * 2)
            try:
                await asyncio.wait_for(self.read(), stay)
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException):
                pass
            await asyncio.sleep(0.05)

    async def read(self):
        url = f"wss://localhost:{self.options.port}/stream"
        async with websockets.connect(url, ssl=self.context, subprotocols=["rfevents.v1"],
                                      max_size=None, open_timeout=5, close_timeout=1,
                                      **{HEADERS: self.headers()}) as socket:
            request = {"type": "subscribe", "after": self.last}
            if self.epoch:
                request["epoch"] = self.epoch
            await socket.send(json.dumps(request))
            self.out.write("C\n")
            self.is_told = False
            async for text in socket:
                self.hear(json.loads(text))
                if self.is_told:
                    break

    def hear(self, message):
        kind = message["type"]
        if kind == "hello":
            if self.epoch in (None, NO_EPOCH):
                self.epoch = message["epoch"]
            if message["epoch"] not in (self.epoch, NO_EPOCH):
                self.begin_anew(message["epoch"])
        elif kind == "events":
            self.take(message["events"])
        elif kind == "error" and message["code"] == "epoch_changed":
            self.begin_anew(None)
        elif kind in ("gap", "error"):
            self.complain(json.dumps(message))

    def begin_anew(self, epoch):
        self.out.write(f"N {epoch}\n")
        self.last, self.epoch, self.is_told = 0, epoch, True

    def take(self, events):
        lines = []
        for event in events:
            if event["seq"] != self.last + 1:
                self.complain(f"seq {event['seq']} after {self.last}")
            self.last = event["seq"]
            lines.append(f"E {event['seq']} {event['EventId']}\n")
        self.out.write("".join(lines))

    def complain(self, words):
        self.out.write(f"X {words}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--stay", type=float, default=10, help="seconds of an average stream")
    for name in ("ca", "password", "record"):
        parser.add_argument(f"--{name}", required=True)
    loop = asyncio.new_event_loop()
    task = loop.create_task(Reader(parser.parse_args()).run())
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass


if __name__ == "__main__":
    main()
