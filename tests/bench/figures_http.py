"""The HTTP stage alone: http.a against nginx, CPU of the server for each request.

Server on one core, generator on another; both servers stand all the time and are loaded in turn.
"""
import subprocess

from frame import Figure, Group, alternate, at_most
from nginx import Nginx, free_ports, make_certificate

SLICES, SLICE_SECONDS = 4, 0.5

# figure: scheme, options of the generator, nginx' path, target. Over HTTP/1.1 `return 204` is the
# cheapest nginx can do with a body it has read off the socket. Over HTTP/2 it would answer (and reset
# the stream) before the body is in, so there the body is read whole.
STAGES = {
    "http1_cpu_vs_nginx": ("plain", {"connections": 64}, "/discard", at_most(0.9)),
    "https_cpu_vs_nginx": ("tls", {"connections": 64}, "/discard", at_most(1.0)),
    "http2_cpu_vs_nginx": ("h2", {"connections": 8, "streams": 32}, "/read", at_most(0.6)),
    "http2_plain_cpu_vs_nginx": ("h2c", {"connections": 8, "streams": 32}, "/read", None),
    "connection_cpu_vs_nginx": ("plain", {"connections": 16, "per_connection": 1}, "/discard", None),
    # TLS 1.2, where both give one ticket.
    "connection_tls_cpu_vs_nginx": ("tls", {"connections": 16, "per_connection": 1, "tls12": True},
                                    "/discard", None),
}


class HttpStage:
    """http_server, pinned."""

    def __init__(self, bench):
        self.plain_port, self.tls_port = free_ports(2)
        self.h2c_port, self.h2_port = self.plain_port, self.tls_port
        self.command = ["taskset", "-c", str(bench.core(0)), bench.build / "bench/http_server",
                        f"127.0.0.1:{self.plain_port}", f"127.0.0.1:{self.tls_port}",
                        *make_certificate(bench.work)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        if self.process.stdout.readline() != b"ready\n":
            self.__exit__()
            raise RuntimeError("http_server does not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def one_slice(bench, server, stage, path):
    """(requests, CPU of the server for all of them)"""
    scheme, options, _, _ = STAGES[stage]
    port = getattr(server, f"{scheme}_port")
    result = bench.load(f"http{'s' if scheme in ('tls', 'h2') else ''}://127.0.0.1:{port}", path,
                        protocol="h2" if scheme.startswith("h2") else "http1",
                        seconds=bench.seconds(SLICE_SECONDS), cpu=bench.core(1), watch=[server.pid],
                        **options)
    if result["answered_2xx"] != result["sent"] or not result["sent"]:
        raise RuntimeError(f"{stage}: {result}")
    return result["sent"], result["sent"] * result["watched_cpu_us_per_request"]


def one_round(bench, stage, ours, reference):
    """CPU per request of both, by short slices in turn: what else runs on the machine meets both."""
    path = STAGES[stage][2]
    slices = [alternate(i, lambda: one_slice(bench, ours, stage, path),
                        lambda: one_slice(bench, reference, stage, path))
              for i in range(1 if bench.quick else SLICES)]
    return tuple(sum(cpu for _, cpu in of_one) / sum(n for n, _ in of_one)
                 for of_one in zip(*slices))


def opened(stage):
    def both(bench):
        with HttpStage(bench) as ours, Nginx(bench, cpu=bench.core(0)) as reference:
            yield lambda i: {stage: one_round(bench, stage, ours, reference)}
    return both


def figures(_bench):
    for stage, (_, _, path, target) in STAGES.items():
        words = "return 204" if path == "/discard" else "body read, 204"
        yield Group([Figure(stage, "us CPU/request", f"nginx, one worker, {words}", target)],
                    opened(stage))
