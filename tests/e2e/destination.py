"""What a subscription delivers to: a listener that records, and a relay that can be cut."""
import http.server
import json
import socket
import threading
import time

from house import wait_for


class Destination:
    """Plain HTTP on a port of its own. `answers`: statuses (or (status, headers)) given to the next
    deliveries before it goes on with 204; `pause`: seconds before each answer."""

    def __init__(self):
        self.deliveries, self.answers, self.pause = [], [], 0.0
        self.connections = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.connections.add(self.client_address)
                status, headers = outer.take(body, dict(self.headers))
                time.sleep(outer.pause)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body, headers):
        answer = self.answers.pop(0) if self.answers else 204
        status, extra = answer if isinstance(answer, tuple) else (answer, {})
        self.deliveries.append({"body": body, "headers": headers, "status": status,
                                "at": time.monotonic()})
        return status, extra

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/events"

    def records(self, taken=True):
        """Of the deliveries that were answered 2xx, in the order they came."""
        return [record for d in list(self.deliveries) if (d["status"] < 300) == taken
                for record in d["body"]["Events"]]

    def wait_records(self, n, timeout=10.0):
        def enough():
            found = self.records()
            return found if len(found) >= n else None
        return wait_for(enough, timeout, f"{n} records delivered; there are {len(self.records())}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Relay:
    """Passes TCP on to a port; cut() ends all connections and refuses new ones until mend(). With
    swallow set, the next answer is lost, and its connection with it."""

    def __init__(self, port):
        self.target, self.is_cut, self.pairs = port, False, set()
        self.swallow, self.n_swallowed = False, 0
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                inner, _ = self.server.accept()
            except OSError:
                return
            try:
                if self.is_cut:
                    raise OSError("cut")
                outer = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                inner.close()
                continue
            with self.lock:
                self.pairs.add((inner, outer))
            for way in ((inner, outer, False), (outer, inner, True)):
                threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(self, source, sink, is_answer):
        try:
            while data := source.recv(65536):
                if is_answer and self.swallow:
                    self.swallow = False
                    self.n_swallowed += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.is_cut = True
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def mend(self):
        self.is_cut = False

    def close(self):
        self.server.close()
        self.cut()
