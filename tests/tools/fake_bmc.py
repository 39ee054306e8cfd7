#!/usr/bin/python3
"""A BMC that holds message registries of its own, as well and as badly as real ones do.

Each member of its Registries collection stands for one way to serve a registry (MODES); options say
how the service as a whole behaves. Every request is recorded: FakeBmc.requests, or GET /-/requests.

As a program: fake_bmc.py [--port N] [--plain-http] [--option NAME=VALUE]... [MODE]...
"""
import argparse
import base64
import contextlib
import gzip
import http.server
import io
import json
import os
import socket
import ssl
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.parse
import zipfile

USER, PASSWORD = "root", 'pass "word" ü'
ROOT = "/redfish/v1/"
STORE = "/redfish/v1/RegistryStore/registries/en/"


def registry(prefix, filler=0, language="en"):
    """An OEM message registry, of about `filler` bytes where that is more."""
    messages = {
        "FanTrayRemoved": {
            "Description": "A fan tray was taken out.", "Message": "Fan tray %1 of %2 was removed.",
            "Severity": "Warning", "MessageSeverity": "Warning", "NumberOfArgs": 2,
            "ParamTypes": ["string", "string"], "Resolution": "Insert the fan tray."},
        "FanTrayInserted": {
            "Description": "A fan tray is back.", "Message": "Fan tray %1 of %2 was inserted.",
            "Severity": "OK", "MessageSeverity": "OK", "NumberOfArgs": 2,
            "ParamTypes": ["string", "string"], "Resolution": "None."}}
    text = "Long words about nothing in particular, for size. " * 20
    for number in range(filler // 1200):
        messages[f"Filler{number}"] = {
            "Description": text, "Message": f"Filler {number}.", "Severity": "OK",
            "MessageSeverity": "OK", "NumberOfArgs": 0, "Resolution": "None."}
    return {"@odata.type": "#MessageRegistry.v1_4_0.MessageRegistry", "Id": f"{prefix}.1.2.0",
            "Name": f"{prefix} Message Registry", "Language": language, "RegistryPrefix": prefix,
            "RegistryVersion": "1.2.0", "OwningEntity": "Contoso", "Messages": messages}


def attribute_registry(name):
    return {"@odata.type": "#AttributeRegistry.v1_3_0.AttributeRegistry", "Id": name,
            "Name": name, "Language": "en", "RegistryVersion": "1.0.0", "OwningEntity": "Contoso",
            "RegistryEntries": {"Attributes": [{"AttributeName": "BootMode", "Type": "String"}]}}


def packed_zip(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def packed_tar_gz(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class Body:
    """What a path answers: bytes, and how they are sent."""

    def __init__(self, content, status=200, encoding=None, trickle=None, cut=None, headers=(),
                 kind="application/json"):
        self.content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.status, self.encoding, self.headers, self.kind = status, encoding, dict(headers), kind
        self.trickle = trickle  # (bytes at a time, seconds between)
        self.cut = cut          # close the connection after so many bytes


def member_name(mode):
    return "ContosoBMC" + "".join(part.capitalize() for part in mode.split("_"))


class Modes:
    """For each mode: what its Location says, and what lies behind it."""

    def __init__(self, elsewhere):
        self.elsewhere = elsewhere  # "https://host:port" of a host that is not this one

    def plain(self, name, path):
        return [{"Language": "en", "Uri": path}], {path: Body(registry(name))}

    def gzip_encoding(self, name, path):
        content = gzip.compress(json.dumps(registry(name)).encode())
        return [{"Language": "en", "Uri": path}], {path: Body(content, encoding="gzip")}

    def gz_file(self, name, path):
        content = gzip.compress(json.dumps(registry(name)).encode())
        return ([{"Language": "en", "ArchiveUri": path + ".gz", "ArchiveFile": f"{name}.json"}],
                {path + ".gz": Body(content, kind="application/gzip")})

    def zip_archive(self, name, path):
        """One zip for several languages, a file that no Location names, and one that is no JSON."""
        files = {"README.txt": b"See the manual.",
                 f"en/{name}.1.2.0.json": json.dumps(registry(name)).encode(),
                 f"ja/{name}.1.2.0.ja.json": json.dumps(registry(name, 0, "ja")).encode(),
                 "extra/Unlisted.json": json.dumps(registry(name + "Unlisted")).encode()}
        where = {"ArchiveUri": "/FileRepo/Registries.zip"}
        return ([dict(where, Language="en", ArchiveFile=f"{name}.1.2.0.json"),
                 dict(where, Language="ja", ArchiveFile=f"{name}.1.2.0.ja.json")],
                {"/FileRepo/Registries.zip": Body(packed_zip(files), kind="application/zip")})

    def tar_archive(self, name, path):
        files = {f"{name}.json": json.dumps(registry(name)).encode()}
        return ([{"Language": "en", "ArchiveUri": path + ".tgz"}],
                {path + ".tgz": Body(packed_tar_gz(files), kind="application/gzip")})

    def uri_or_archive(self, name, path):
        """The Uri leads nowhere, the archive beside it is good."""
        files = {f"{name}.json": json.dumps(registry(name)).encode()}
        return ([{"Language": "en", "Uri": path + "/gone", "ArchiveUri": path + ".zip",
                  "ArchiveFile": f"{name}.json"}], {path + ".zip": Body(packed_zip(files))})

    def bomb(self, name, path):
        content = gzip.compress(b" " * (33 << 20))
        return [{"Language": "en", "ArchiveUri": path}], {path: Body(content)}

    def bomb_encoding(self, name, path):
        content = gzip.compress(b" " * (33 << 20))
        return [{"Language": "en", "Uri": path}], {path: Body(content, encoding="gzip")}

    def broken_zip(self, name, path):
        content = packed_zip({f"{name}.json": json.dumps(registry(name)).encode()})
        return [{"Language": "en", "ArchiveUri": path}], {path: Body(content[:len(content) // 2])}

    def slow(self, name, path):
        body = Body(registry(name), trickle=(200, 0.02))
        return [{"Language": "en", "Uri": path}], {path: body}

    def stuck(self, name, path):
        """A byte now and then, for hours."""
        body = Body(registry(name), trickle=(1, 0.2))
        return [{"Language": "en", "Uri": path}], {path: body}

    def wrong_tag(self, name, path):
        """HPE: an English text in a Location that says "jp"."""
        japanese = path.replace("/en/", "/jp/")
        return ([{"Language": "en", "Uri": path}, {"Language": "jp", "Uri": japanese}],
                {path: Body(registry(name)), japanese: Body(registry(name))})

    def large(self, name, path):
        return [{"Language": "en", "Uri": path}], {path: Body(registry(name, 20 << 20))}

    def too_large(self, name, path):
        return [{"Language": "en", "Uri": path}], {path: Body(b" " * ((32 << 20) + 1))}

    def too_large_chunked(self, name, path):
        body = Body(b" " * ((33 << 20)), trickle=(1 << 20, 0))
        return [{"Language": "en", "Uri": path}], {path: body}

    def missing(self, name, path):
        return [{"Language": "en", "Uri": path}], {}

    def publication_only(self, name, path):
        return [{"Language": "en", "PublicationUri": f"{self.elsewhere}/{name}.json"}], {}

    def uri_elsewhere(self, name, path):
        return [{"Language": "en", "Uri": f"{self.elsewhere}/{name}.json"}], {}

    def redirect_elsewhere(self, name, path):
        body = Body(b"", 302, headers={"Location": f"{self.elsewhere}/{name}.json"})
        return [{"Language": "en", "Uri": path}], {path: body}

    def redirect(self, name, path):
        """To itself: relative, then absolute."""
        return ([{"Language": "en", "Uri": path}],
                {path: Body(b"", 301, headers={"Location": f"{name}.moved"}),
                 f"{STORE}{name}.moved": Body(b"", 307,
                                              headers={"Location": f"{{origin}}{path}/"}),
                 path + "/": Body(registry(name))})

    def redirect_loop(self, name, path):
        return [{"Language": "en", "Uri": path}], {path: Body(b"", 308, headers={"Location": path})}

    def other_case(self, name, path):
        """HPE: the store in lower case, which this service does not know."""
        return ([{"Language": "en", "Uri": path.replace("RegistryStore", "registrystore")}],
                {path: Body(registry(name))})

    def extref(self, name, path):
        """iLO 4's way to write a link."""
        return [{"Language": "en", "Uri": {"extref": path}}], {path: Body(registry(name))}

    def broken_json(self, name, path):
        return [{"Language": "en", "Uri": path}], {path: Body(b'{"Messages": {"A": ')}

    def page_to_read(self, name, path):
        """A login page, answered 200."""
        return ([{"Language": "en", "Uri": path}],
                {path: Body(b"<html>Please log in</html>", kind="text/html")})

    def attributes(self, name, path):
        """An attribute registry whose name does not tell."""
        return [{"Language": "en", "Uri": path}], {path: Body(attribute_registry(name))}

    def cut_off(self, name, path):
        return [{"Language": "en", "Uri": path}], {path: Body(registry(name), cut=300)}

    def no_location(self, name, path):
        return [], {}

    def itself(self, name, path):
        return None, {}

    def headers(self, name, path):
        body = Body(registry(name), headers={f"X-Filler-{i}": "f" * 1000 for i in range(80)})
        return [{"Language": "en", "Uri": path}], {path: body}


MODES = [name for name in vars(Modes) if not name.startswith("_")]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def setup(self):
        super().setup()
        self.server.bmc.n_connections += 1

    def log_message(self, *_args):
        pass

    def answer(self, body):
        content = body.content
        self.send_response(body.status)
        self.send_header("OData-Version", "4.0")
        self.send_header("Content-Type", body.kind)
        for name, value in body.headers.items():
            self.send_header(name, value.replace("{origin}", self.server.bmc.url))
        if body.encoding:
            self.send_header("Content-Encoding", body.encoding)
        if body.trickle and body.trickle[1] == 0:
            self.send_header("Transfer-Encoding", "chunked")
        elif body.status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.send_content(body)
        self.wfile.flush()

    def send_content(self, body):
        if body.cut is not None:
            self.wfile.write(body.content[:body.cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif body.trickle and body.trickle[1] == 0:
            for at in range(0, len(body.content), body.trickle[0]):
                piece = body.content[at:at + body.trickle[0]]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif body.trickle:
            for at in range(0, len(body.content), body.trickle[0]):
                self.wfile.write(body.content[at:at + body.trickle[0]])
                self.wfile.flush()
                if self.server.bmc.closing.wait(body.trickle[1]):
                    return
        else:
            self.wfile.write(body.content)

    def handle_any(self):
        bmc = self.server.bmc
        length = int(self.headers.get("Content-Length") or 0)
        posted = self.rfile.read(length) if length else b""
        if self.path == "/-/requests":
            return self.answer(Body(bmc.requests))
        login = self.headers.get("Authorization", "").split(" ")[0].lower()
        record = {"method": self.command, "path": self.path,
                  "login": "token" if self.headers.get("X-Auth-Token") else login or "none",
                  "if_none_match": self.headers.get("If-None-Match")}
        with bmc.lock:
            bmc.requests.append(record)
            body = bmc.respond(self.command, self.path, self.headers, posted)
        record["status"] = body.status
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.answer(body)
        return None

    do_GET = do_POST = do_DELETE = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # clients that break off are what some tests are about


OPTIONS = {
    "auth": "basic",  # basic; session: Basic is refused; once: the first Basic answer after the
                      # root is 401; expire: tokens last five requests; never
    "paging": "",     # pages: three members each; loop: the last page leads to the first; endless
    "busy": "0",      # so many requests after the root are answered 503 with Retry-After: 1
    "root": "links",  # links; bare: no Registries; html; missing; lower: a path that is not served
    "etags": "yes",
}


class FakeBmc:
    """In this process, on a port of its own; use as a context manager."""

    def __init__(self, *modes, port=0, tls=True, elsewhere="https://198.51.100.7", **options):
        unknown = set(options) - set(OPTIONS)
        assert not unknown, f"unknown options: {unknown}"
        self.options = dict(OPTIONS, **options)
        self.requests, self.lock, self.closing = [], threading.Lock(), threading.Event()
        self.n_connections, self.n_busy, self.n_sessions, self.tokens = 0, 0, 0, {}
        self.refused_once = False
        self.members, self.bodies = {}, {}
        for mode in modes or ["plain"]:
            self.add(mode, Modes(elsewhere))
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.bmc = self
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.folder = None
        if tls:
            self.start_tls()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def start_tls(self):
        self.folder = tempfile.TemporaryDirectory(prefix="fake-bmc-")
        self.certificate = os.path.join(self.folder.name, "bmc.pem")
        key = os.path.join(self.folder.name, "bmc.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                        self.certificate, "-days", "2", "-subj", "/CN=bmc.example", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)

    def add(self, mode, modes):
        name = member_name(mode)
        base = mode.rstrip("0123456789").rstrip("_")  # "stuck_2": the same once more
        if mode == "attributes_by_name":
            name, locations, bodies = "BiosAttributeRegistryA1.v1", [], {}
        else:
            locations, bodies = getattr(modes, base)(name, STORE + name + ".json")
        self.bodies.update(bodies)
        self.members[f"{ROOT}Registries/{name}"] = Body(registry(name) if locations is None else {
            "@odata.type": "#MessageRegistryFile.v1_1_0.MessageRegistryFile",
            "@odata.id": f"{ROOT}Registries/{name}", "Id": name, "Name": name,
            "Languages": ["en"], "Registry": f"{name}.1.2", "Location": locations})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        if self.folder:
            self.folder.cleanup()

    def paths(self, method="GET"):
        return [request["path"] for request in self.requests if request["method"] == method]

    # --- what is answered, under the lock -------------------------------------------------------
    def respond(self, method, path, headers, posted):
        if method == "POST":
            return self.log_in(path, posted)
        if path == ROOT:
            return self.root()
        refused = self.check_login(headers)
        if refused:
            return refused
        if self.n_busy < int(self.options["busy"]):
            self.n_busy += 1
            return Body({"error": {"code": "Base.1.8.ServiceTemporarilyUnavailable"}}, 503,
                        headers={"Retry-After": "1"})
        if method == "DELETE":
            return Body(b"", 204 if self.tokens.pop(headers.get("X-Auth-Token"), None) else 404)
        url = urllib.parse.urlsplit(path)
        body = self.bodies.get(url.path) or self.members.get(url.path)
        if url.path.rstrip("/") == ROOT + "Registries":
            body = self.collection(urllib.parse.parse_qs(url.query))
        if not body:
            return Body({"error": {"code": "Base.1.8.ResourceMissingAtURI"}}, 404)
        return self.with_etag(body, headers)

    def with_etag(self, body, headers):
        if body.status != 200 or self.options["etags"] != "yes":
            return body
        etag = f'W/"{len(body.content):x}"'
        body.headers["ETag"] = etag
        if headers.get("If-None-Match") == etag:
            return Body(b"", 304, headers={"ETag": etag})
        return body

    def root(self):
        links = {"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}
        kind = self.options["root"]
        if kind == "html":
            return Body(b"<html></html>", kind="text/html")
        if kind == "missing":
            return Body(b"", 404)
        if kind != "bare":
            links["Registries"] = {"@odata.id": ROOT + ("registries" if kind == "lower"
                                                       else "Registries")}
        return Body(dict(links, **{"@odata.id": ROOT, "@odata.type":
                                   "#ServiceRoot.v1_5_0.ServiceRoot", "RedfishVersion": "1.8.0"}))

    def collection(self, query):
        members, paging = list(self.members), self.options["paging"]
        start = int(query.get("$skip", ["0"])[0])
        page, following = members[start:], None
        if paging:
            page = members[start % len(members):][:3] if paging == "endless" else page[:3]
            following = start + 3
            if paging != "endless" and following >= len(members):
                following = 0 if paging == "loop" else None
        answer = {"@odata.id": ROOT + "Registries", "Name": "Registries",
                  "Members@odata.count": len(members),
                  "Members": [{"@odata.id": path} for path in page]}
        if following is not None:
            answer["Members@odata.nextLink"] = f"{ROOT}Registries?$skip={following}"
        return Body(answer)

    def check_login(self, headers):
        refusal = Body({"error": {"code": "Base.1.8.GeneralError"}}, 401,
                       headers={"WWW-Authenticate": 'Basic realm="bmc"'})
        auth, token = self.options["auth"], headers.get("X-Auth-Token")
        if auth == "never":
            return refusal
        if token:
            left = self.tokens.get(token, 0)
            if auth == "expire" and left:
                self.tokens[token] = left - 1
            return None if left else refusal
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if headers.get("Authorization") != expected or auth in ("session", "expire"):
            return refusal
        if auth == "once" and not self.refused_once:
            self.refused_once = True
            return refusal
        return None

    def log_in(self, path, posted):
        with contextlib.suppress(ValueError):
            if (self.options["auth"] != "never" and path.endswith("/Sessions")
                    and json.loads(posted) == {"UserName": USER, "Password": PASSWORD}):
                self.n_sessions += 1
                token = f"token-{self.n_sessions}"
                self.tokens[token] = 5
                return Body({"Id": str(self.n_sessions)}, 201, headers={
                    "X-Auth-Token": token, "Location": f"{{origin}}{path}/{self.n_sessions}"})
        return Body({"error": {"code": "Base.1.8.ResourceAtUriUnauthorized"}}, 401)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plain-http", action="store_true")
    parser.add_argument("--option", action="append", default=[], help=f"of {OPTIONS}")
    parser.add_argument("mode", nargs="*", help=f"of {', '.join(MODES)}, attributes_by_name")
    args = parser.parse_args()
    options = dict(option.split("=", 1) for option in args.option)
    with FakeBmc(*args.mode, port=args.port, tls=not args.plain_http, **options) as bmc:
        print(f"{bmc.url} (user {USER}, password {PASSWORD})", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
