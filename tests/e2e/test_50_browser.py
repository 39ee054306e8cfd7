"""The JavaScript client in a real browser: a page of another origin follows the stream, exactly."""
import http.server
import json
import shutil
import subprocess
import threading

import pytest

import house
from house import event_body

EXAMPLES = house.ROOT / "docs/examples"

# Follows twice from one position in the browser's storage, and says what it got to where it came from.
PAGE = """<!doctype html><meta charset="utf-8"><title>rfevents</title><script type="module">
import { Client, storageCursor } from "./rfevents.mjs";
const say = (what) => fetch("/said", { method: "POST", body: JSON.stringify(what) });
const { url, token, filter, language } = await (await fetch("/facts")).json();
const socket = new WebSocket(url.replace("http", "ws") + "/stream", ["rfevents.v1"]);
const opened = await new Promise((done) => {
  socket.onopen = () => done(true);
  socket.onclose = () => done(false);
});
socket.close();
await say({ opened });
async function follow(first) {
  const client = new Client({ url, token });
  const cursor = storageCursor("rfevents");
  const end = new AbortController();
  await say({ [first ? "following" : "again"]: true });
  for await (const item of client.follow({ cursor, filter, language, start: 0, signal: end.signal })) {
    if (item.kind === "event") await say({ name: item.entry.EventId, text: item.entry.Message });
    await cursor.commit(item);
    if (first && item.entry?.EventId === "last-before") end.abort();
  }
  await say({ ended: true });
}
if (opened) {
  await follow(true);
  while (!(await (await fetch("/go")).json())) await new Promise((done) => setTimeout(done, 50));
  await follow(false);
}
</script>"""


class Site:
    """Serves the page, and hears what it says."""

    def __init__(self):
        self.facts, self.go, self.said = {}, False, []
        self.port = house.free_port()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, kind, body):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path == "/":
                    self.answer("text/html", PAGE.encode())
                elif self.path == "/rfevents.mjs":
                    self.answer("text/javascript", (EXAMPLES / "rfevents.mjs").read_bytes())
                else:
                    known = {"/facts": site.facts, "/go": site.go}
                    self.answer("application/json", json.dumps(known.get(self.path)).encode())

            def do_POST(self):
                site.said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer("application/json", b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def heard(self, key):
        return [one[key] for one in self.said if key in one]

    def wait(self, key, n=1, timeout=60):
        house.wait_for(lambda: len(self.heard(key)) >= n, timeout, f"{n} of '{key}'; the page said {self.said}")
        return self.heard(key)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


@pytest.fixture
def browser(tmp_path):
    """Opens a page; closed at the end."""
    program = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if not program:
        pytest.skip("chromium is not installed: the JavaScript client is not tried in a browser")
    open_ones = []

    def show(url):
        with open(tmp_path / "chromium.log", "wb") as log:
            open_ones.append(subprocess.Popen(
                [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--disable-background-networking", "--disable-component-update",
                 f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0", url],
                stdout=log, stderr=log))
    yield show
    for process in open_ones:
        process.terminate()
        process.wait(30)


@pytest.fixture
def plain_service(site, new_service):
    """The operators' door without TLS, as behind a proxy that has it."""
    def make(origins):
        port = house.free_port()
        service = new_service(sets=[f"api.listen_plain=['127.0.0.1:{port}']", f"api.origins={origins}"])
        service.start().wait_ready()
        token = service.session({"UserName": "admin", "Password": service.password}).headers["X-Auth-Token"]
        site.facts = {"url": f"http://127.0.0.1:{port}", "token": token, "filter": "Source ne 'rfeventd'",
                      "language": "de"}
        return service
    return make


def send(service, names):
    for name in names:
        assert service.post(event_body(EventId=name, MessageArgs=[name])).status_code == 200


def test_a_page_follows_and_goes_on_where_it_was(site, browser, plain_service):
    service = plain_service(f"['{site.origin}']")
    before = [f"a{i}" for i in range(20)] + ["last-before"]
    send(service, before[:10])
    browser(site.origin)
    site.wait("following")
    assert site.heard("opened") == [True]
    send(service, before[10:])
    site.wait("ended")
    assert site.heard("name") == before
    between = [f"b{i}" for i in range(30)]
    send(service, between)
    site.go = True
    site.wait("again")
    after = [f"c{i}" for i in range(10)]
    send(service, after)
    names = site.wait("name", len(before + between + after))
    assert names == before + between + after
    # In the language that was asked for.
    texts = site.heard("text")
    assert all(name in text for name, text in zip(names, texts))
    assert all("Netzteil" in text for text in texts), texts[0]


def test_a_page_of_another_origin_is_refused(site, browser, plain_service):
    service = plain_service("['https://console.example.org']")
    browser(site.origin)
    assert site.wait("opened") == [False]
    assert "following" not in str(site.said)
    assert service.process.poll() is None
