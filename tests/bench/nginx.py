"""nginx as a reference: one worker on one core, told to answer 204 to an event."""
import pathlib
import socket
import subprocess
import time

MODULES = pathlib.Path("/usr/lib/nginx/modules")
CONFIGURATION = """
load_module {modules}/ngx_http_echo_module.so;
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr error;
worker_rlimit_nofile 40000;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_header_timeout 600s;
    reset_timedout_connection off;
    # The head and the body of an event in one read, and never a file.
    client_header_buffer_size 4k;
    client_body_buffer_size 1m;
    client_max_body_size 32m;
    client_body_in_single_buffer on;
    client_body_temp_path {folder}/body;
    http2_max_concurrent_streams 256;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    ssl_session_cache off;
    ssl_session_tickets on;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    server {{
        listen 127.0.0.1:{plain_port} backlog=4096;
        listen 127.0.0.1:{tls_port} ssl backlog=4096;
        listen 127.0.0.1:{h2c_port} http2 backlog=4096;
        listen 127.0.0.1:{h2_port} ssl http2 backlog=4096;
        # Read from the socket and thrown away, perhaps after the answer.
        location = /discard {{ return 204; }}
        # Whole in memory, then answered.
        location = /read {{ echo_read_request_body; echo_status 204; echo -n ""; }}
    }}
}}
"""


def free_ports(n):
    probes = [socket.socket() for _ in range(n)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def make_certificate(folder):
    """A self-signed P-256 certificate: (certificate, key)."""
    certificate, key = folder / "bench.crt", folder / "bench.key"
    if not key.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "30", "-subj", "/CN=localhost"], check=True, capture_output=True)
    return certificate, key


class Nginx:
    """A context manager; paths "/discard" and "/read". `cpu` None: not pinned."""

    def __init__(self, bench, cpu=None):
        folder = bench.work / "nginx"
        folder.mkdir(exist_ok=True)
        certificate, key = make_certificate(bench.work)
        self.plain_port, self.tls_port, self.h2c_port, self.h2_port = free_ports(4)
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            folder=folder, modules=MODULES, certificate=certificate, key=key,
            plain_port=self.plain_port, tls_port=self.tls_port, h2c_port=self.h2c_port,
            h2_port=self.h2_port))
        self.command = ["nginx", "-p", folder, "-c", configuration]
        if cpu is not None:
            self.command[:0] = ["taskset", "-c", str(cpu)]
        self.log = folder / "log"

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        self.pid = self.process.pid
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.plain_port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.__exit__()
                    raise RuntimeError(f"nginx does not start: {self.log.read_text()}") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
