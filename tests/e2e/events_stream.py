"""A client of server-sent events that records what it hears."""
import contextlib
import json
import socket
import threading
import urllib.parse

import httpx

from house import wait_for

SSE = "/redfish/v1/EventService/SSE"


class EventStream:
    """`messages`: (id, payload or None), in the order they came; `comments`: lines with a colon."""

    def __init__(self, service, filter_text=None, http2=False, **headers):
        self.messages, self.comments, self.status, self.error = [], [], None, None
        self.protocol, self.opened, self.closed = None, threading.Event(), threading.Event()
        self._response = None
        self._client = httpx.Client(verify=str(service.ca), trust_env=False, http2=http2,
                                    auth=("admin", service.password),
                                    timeout=httpx.Timeout(30, read=60))
        query = "?$filter=" + urllib.parse.quote(filter_text) if filter_text else ""
        self._ask = {"url": service.url + SSE + query, "headers": headers}
        threading.Thread(target=self._run, daemon=True).start()
        assert self.opened.wait(20)

    def _run(self):
        try:
            with self._client.stream("GET", **self._ask) as response:
                self._response, self.status = response, response.status_code
                self.protocol, self.headers = response.http_version, response.headers
                if self.status != 200:
                    self.text = response.read().decode()
                self.opened.set()
                self._read(response)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self.opened.set()
            self.closed.set()

    def _read(self, response):
        name, data = None, []
        for line in response.iter_lines():
            line = line.rstrip("\n")
            if line.startswith(":"):
                self.comments.append(line)
            elif line.startswith("id: "):
                name = line[4:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif line == "" and (name or data):
                self.messages.append((name, json.loads("\n".join(data)) if data else None))
                name, data = None, []

    @property
    def last_id(self):
        return self.messages[-1][0]

    def records(self):
        return [record for _, body in list(self.messages) if body for record in body["Events"]]

    def wait(self, condition, timeout=15.0, what="something on the stream"):
        return wait_for(lambda: condition(self), timeout, f"{what}: {self.messages[-3:]} {self.error}")

    def wait_records(self, n, timeout=15.0):
        return self.wait(lambda s: (lambda r: r if len(r) >= n else None)(s.records()), timeout,
                         f"{n} records")

    def wait_live(self):
        return self.wait(lambda s: s.messages, 15, "its place")

    def close(self):
        """The reading thread is to see the end: closing under it would let it read another's socket."""
        if self._response is not None and not self.closed.is_set():
            stream = self._response.extensions.get("network_stream")
            if stream is None:
                return  # HTTP/2 of this httpcore: the service's end ends it
            with contextlib.suppress(OSError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self.closed.wait(10)
        self._client.close()
