"""Between rfeventd and PostgreSQL: relays, and cuts or holds where it hurts most."""
import asyncio
import socket
import struct
import threading

BEFORE_COMMIT, AFTER_COMMIT, IN_COPY = "before COMMIT", "after COMMIT", "in COPY"
CHUNK = 65536


class Frames:
    """Walks through what the client says: the type and, of a query, the text of each message."""

    def __init__(self):
        self.left = 0          # bytes of the message that is on its way
        self.head = b""
        self.is_started = False

    def feed(self, data):
        """Yields (type, where it starts in `data`); 0 for one whose head came before."""
        at = 0
        while at < len(data):
            if self.left:
                skip = min(self.left, len(data) - at)
                self.left -= skip
                at += skip
                continue
            need = (5 if self.is_started else 4) - len(self.head)
            start = max(0, at - len(self.head))
            self.head += data[at:at + need]
            at += need
            if len(self.head) < (5 if self.is_started else 4):
                return
            self.left = struct.unpack(">I", self.head[-4:])[0] - 4
            kind = self.head[:1] if self.is_started else b""
            self.head, self.is_started = b"", True
            if kind == b"Q":
                kind += data[at:at + self.left]
            yield kind, start


class Proxy:
    """One at a time: arm() a fault, and the next transaction of the loader meets it."""

    def __init__(self, target):
        self.target = str(target)
        self.met = threading.Event()
        self._armed = None
        self._pairs = set()
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def url(self):
        return (f"postgresql://rfeventd@127.0.0.1:{self.port}/rfeventd"
                "?sslmode=disable&gssencmode=disable")

    def arm(self, where, then="cut", bytes_before=0):
        """`then`: "cut", or a function that is called while the relay waits. `bytes_before`: of
        COPY data let through."""
        self.met.clear()
        self._armed = [where, then, bytes_before]

    def disarm(self):
        self._armed = None

    def hold(self):
        """Nothing passes until release(), and nobody is told."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self):
        self._loop.call_soon_threadsafe(self._open.set)

    def cut_all(self):
        self._loop.call_soon_threadsafe(lambda: [pair.cut() for pair in list(self._pairs)])

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._server.close()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._server))
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        try:
            above = await asyncio.open_unix_connection(self.target)
        except OSError:
            abort(writer)
            return
        pair = Pair(self, (reader, writer), above)
        self._pairs.add(pair)
        tasks = [asyncio.ensure_future(pair.up()), asyncio.ensure_future(pair.down())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pairs.discard(pair)
        for end in writer, above[1]:
            end.close()

    async def passes(self):
        await self._open.wait()

    async def meet(self, where, n_bytes=0):
        """Whether the connection is to be cut here."""
        armed = self._armed
        if not armed or armed[0] != where:
            return False
        armed[2] -= n_bytes
        if armed[2] > 0:
            return False
        self._armed = None
        if armed[1] != "cut":
            await self._loop.run_in_executor(None, armed[1])
        self.met.set()
        return armed[1] == "cut"

    def awaits(self, where):
        return bool(self._armed) and self._armed[0] == where


class Pair:
    """One connection and the server's side of it."""

    def __init__(self, proxy, below, above):
        self.proxy = proxy
        self.reader, self.writer = below
        self.above_reader, self.above = above
        self.frames = Frames()
        self.commits = False   # COMMIT went up, its answer is due
        self.copies_due = 0    # of a query that ends with COMMIT: done when its COPYs are

    def cut(self):
        abort(self.writer)
        abort(self.above)

    def is_commit(self, kind):
        """Whether this message makes the server commit."""
        if kind[:1] == b"Q":
            self.copies_due = kind.count(b"COPY") if b"COMMIT" in kind else 0
            return kind == b"QCOMMIT\0"
        if kind != b"c" or not self.copies_due:
            return False
        self.copies_due -= 1
        return self.copies_due == 0

    async def up(self):
        while data := await self.reader.read(CHUNK):
            await self.proxy.passes()
            for kind, start in self.frames.feed(data):
                if kind == b"d" and await self.proxy.meet(IN_COPY, len(data) - start):
                    self.above.write(data[:(start + len(data)) // 2])  # in the midst of a row
                    self.cut()
                    return
                if self.is_commit(kind):
                    if await self.proxy.meet(BEFORE_COMMIT):
                        self.above.write(data[:start])
                        self.cut()
                        return
                    self.commits = self.proxy.awaits(AFTER_COMMIT)
            self.above.write(data)
            await self.above.drain()

    async def down(self):
        while data := await self.above_reader.read(CHUNK):
            await self.proxy.passes()
            if self.commits and b"COMMIT\0" in data and await self.proxy.meet(AFTER_COMMIT):
                self.cut()
                return
            self.writer.write(data)
            await self.writer.drain()


def abort(writer):
    """Close with RST, and forget what was not sent."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
