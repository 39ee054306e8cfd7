"""What a connection costs that says nothing."""
import pathlib
import re
import time

import path_tools as tools
from frame import Figure, Group, at_most

CONNECTIONS, FEW = 2000, 100
SOURCES_PER_ADDRESS = 200  # below the cap of one peer


def resident_bytes(pid):
    """Anonymous memory: what connections take."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) * 1024


def idle_bytes(bench):
    n = FEW if bench.quick else CONNECTIONS
    with tools.daemon(bench) as service:
        before = resident_bytes(service.process.pid)
        # All connections stand before the first request is due, and while it is answered.
        with tools.loaded(bench, service, tls=True, connections=n, rate=1, seconds=3,
                          source_addresses=n // SOURCES_PER_ADDRESS + 1):
            tools.house.wait_for(lambda: tools.n_connections(service.port) >= n, 60, "connections")
            time.sleep(0.5)
            return (resident_bytes(service.process.pid) - before) / n


def open_idle(bench):
    yield lambda i: {"idle_tls_bytes": (idle_bytes(bench), None)}


def figures(_bench):
    yield Group([Figure("idle_tls_bytes", "bytes/connection", None, at_most(48 * 1024))], open_idle)
