"""Audit queries: pages that stay exact while events arrive, exports, counts, plus signs, rfevent."""
import csv
import datetime
import io
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import uuid

import httpx
import pytest

import house
from house import ENTRIES, event_body

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import audit_log  # noqa: E402

ROWS = int(os.environ.get("RFEVENTD_AUDIT_ROWS", "12000"))
NDJSON = {"Accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def log(module_state_dir):
    """A service whose log holds ROWS events over ten log days."""
    service = house.Service(module_state_dir)
    try:
        service.start().wait_ready()
        service.terminate()
        with audit_log.server(module_state_dir) as connection:
            audit_log.fill(connection, ROWS)
        service.start().wait_ready()
        yield service
    finally:
        service.close()


def page(service, query, **options):
    answer = service.get(f"{ENTRIES}?{query}", **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def filtered(text, more=""):
    return "$filter=" + urllib.parse.quote(text) + more


def seqs(members):
    return [int(member["Id"]) for member in members]


def walk(service, query):
    """Seqs over all pages, by their links."""
    found, path = [], f"{ENTRIES}?{query}"
    while path:
        body = service.get(path).json()
        assert "Members" in body, body
        found += seqs(body["Members"])
        path = body.get("Members@odata.nextLink")
    return found


def export(service, query="", kind="application/x-ndjson", http2=False):
    """The whole answer as text."""
    with httpx.Client(verify=str(service.ca), trust_env=False, timeout=60, http2=http2) as client:
        answer = client.get(f"{service.url}{ENTRIES}?{query}", headers={"Accept": kind},
                            auth=("admin", service.password))
    assert answer.status_code == 200, answer.text
    assert "content-length" not in answer.headers
    assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    return answer.text


def exported_seqs(text):
    return [json.loads(line)["seq"] for line in text.splitlines()]


# --- questions ----------------------------------------------------------------------------------

QUESTIONS = [  # the filter, and the same in SQL over the log
    ("Source eq 'node7'", "source_id = (SELECT id FROM source WHERE name = 'node7')"),
    ("Site eq 'site2' and Severity eq 'Warning'",
     "severity = 2 AND source_id IN (SELECT id FROM source WHERE site = 'site2')"),
    ("startswith(OriginOfCondition,'/redfish/v1/Chassis/7/')",
     "origin LIKE '/redfish/v1/Chassis/7/%%'"),
    ("Severity eq 'Critical' and Created ge {hour} and Created lt {hour_end}",
     "severity = 3 AND received >= '{hour}' AND received < '{hour_end}'"),
    ("Severity ge 'Warning' and Created ge {hour} and Created lt {hour_end}",
     "severity >= 2 AND received >= '{hour}' AND received < '{hour_end}'"),
    ("MessageId eq 'Plant.1.0.Key3' and Created ge {week}",
     "message_id = 'Plant.1.0.Key3' AND received >= '{week}'"),
    ("startswith(MessageId,'Plant.1.0.Key19')", "message_id LIKE 'Plant.1.0.Key19%%'"),
    ("contains(Message,'DRIVE 1') and Created ge {today}",
     "strpos(lower((SELECT body FROM message_text t WHERE t.log_day = e.log_day AND"
     " t.id = e.text_id)), 'drive 1') > 0 AND received >= '{today}'"),
    ("not (Severity eq 'OK') and Id gt 100 and Id le 900", "severity <> 1 AND seq BETWEEN 101 AND 900"),
    ("EventId in ('e5','e6') or Message eq 'nothing says so'", "event_id IN ('e5', 'e6')"),
]


@pytest.fixture(scope="module")
def times(log):
    [(today,)] = log.sql("SELECT log_day FROM counter")
    day = 86400
    midnight = time.mktime(today.timetuple()) - time.timezone
    return {"hour": midnight - 3 * day + 5 * 3600, "hour_end": midnight - 3 * day + 6 * 3600,
            "week": midnight - 7 * day + 1800, "today": midnight}


@pytest.mark.parametrize("question", range(len(QUESTIONS)))
def test_question(log, times, question):
    words, sql = QUESTIONS[question]
    texts = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for name, at in times.items()}
    query = filtered(words.format(**texts))
    expected = [seq for (seq,) in log.sql(f"SELECT seq FROM event e WHERE {sql.format(**texts)}"
                                          " ORDER BY seq DESC")]
    assert expected or "nothing" in words, "the log has none of these"
    assert walk(log, query + "&$top=37") == expected
    assert exported_seqs(export(log, query)) == expected
    body = page(log, query + "&$top=5")
    if "Oem" in body:
        assert body["Oem"]["Rfeventd"]["CountIs"] == "AtLeast"
        assert 5 <= body["Members@odata.count"] <= len(expected)
    else:
        assert body["Members@odata.count"] == len(expected)


def test_count_of_all_is_exact(log):
    body = page(log, "$top=1")
    assert body["Members@odata.count"] == log.sql("SELECT count(*) FROM event")[0][0]
    assert "Oem" not in body


def test_a_serial_number_is_found_on_the_oldest_day(log):
    """By its text alone, or a part of it, or with the time that it came in."""
    house.wait_for(lambda: not log.sql("SELECT FROM log_day d WHERE searchable_seq < (SELECT min(first_seq) - 1"
                                       " FROM log_day n WHERE n.day > d.day)"), 60, "all days that are over")
    (body, received), = log.sql("SELECT t.body, e.received FROM event e JOIN message_text t ON t.log_day = e.log_day"
                                " AND t.id = e.text_id WHERE e.seq = 7")
    serial = body.rsplit(" ", 1)[1]
    for text in (serial, serial.lower(), serial[3:20], f"; serial {serial}"):
        found = page(log, filtered(f"contains(Message,'{text}')"))
        assert seqs(found["Members"]) == [7] and found["Members@odata.count"] == 1
    at = received.astimezone(datetime.timezone.utc)
    for before, behind, expected in ((1, 1, [7]), (0, 1, [7]), (-1, 5, [])):
        first, last = (f"{at + datetime.timedelta(seconds=s):%Y-%m-%dT%H:%M:%S.%fZ}" for s in (-before, behind))
        question = f"contains(Message,'{serial}') and Created ge {first} and Created le {last}"
        assert seqs(page(log, filtered(question))["Members"]) == expected, question


def test_skip_and_pages_agree(log):
    query = filtered("Severity eq 'Critical'")
    every = walk(log, query + "&$top=100")
    assert seqs(page(log, query + "&$top=10&$skip=95")["Members"]) == every[95:105]


def test_raw_record(log):
    token, body = log.token, event_body(EventId="raw", Oem={"Z": {"b": 1, "a": [1.50, "ü"]}})
    raw = json.dumps(body, indent=3, ensure_ascii=False).encode()
    assert log.post(raw, token=token).status_code == 200
    query = filtered("EventId eq 'raw'")
    house.wait_for(lambda: page(log, query)["Members"], what="the event")
    member = page(log, query)["Members"][0]
    assert log.get(member["AdditionalDataURI"]).content == raw


# --- plus signs -----------------------------------------------------------------------------------

def test_plus_signs(log):
    words = "Severity eq 'Critical' and contains(Message,'PSU 1 failed')"
    expected = walk(log, filtered(words))
    for query in ("$filter=" + urllib.parse.quote_plus(words),
                  "$filter=" + words.replace(" ", "+"),
                  urllib.parse.urlencode({"$filter": words, "$orderby": "Id desc"})):
        assert walk(log, query) == expected, query
    since = "2020-01-01T00:00:00+01:00"
    for query in (f"$filter=Created+ge+{since}&$top=3", f"$filter=Created%20ge%20{since}&$top=3",
                  "$top=3&" + urllib.parse.urlencode({"$filter": f"Created ge {since}"})):
        assert len(page(log, query)["Members"]) == 3, query


# --- while events arrive ------------------------------------------------------------------------

def send(service, n):
    """Over a connection; the EventIds."""
    names = [f"live-{uuid.uuid4()}" for _ in range(n)]
    with httpx.Client(verify=str(service.ca), trust_env=False, timeout=20) as client:
        for name in names:
            client.post(f"https://localhost:{service.port}/events/{service.token}",
                        json=event_body(EventId=name))
    return names


@pytest.mark.parametrize("query", ["$top=211", "$top=97&" + filtered("Severity ge 'Warning'"),
                                   "$top=503&$orderby=Id%20asc"])
def test_pages_are_one_sequence(log, query):
    """Newest first: what was there at the first page, without gap or repeat; oldest first: that
    and what came after it."""
    sender = house.Sender(log, threads=2, pause=0.001).start()
    try:
        found = walk(log, query)
    finally:
        sender.stop()
    assert len(sender.answered) > 20
    condition = "severity >= 2" if "filter" in query else "true"
    every = [s for (s,) in log.sql(f"SELECT seq FROM event WHERE {condition} ORDER BY seq")]
    if "asc" in query:
        assert found == every[:len(found)] and len(found) >= ROWS
    else:
        assert found[::-1] == [seq for seq in every if seq <= found[0]]


def test_export_ends_where_the_log_was(log):
    [(last,)] = log.sql("SELECT seq FROM counter")
    sender = house.Sender(log, threads=2, pause=0.001).start()
    try:
        found = exported_seqs(export(log, "$orderby=Id%20asc"))
    finally:
        sender.stop()
    assert found == list(range(1, len(found) + 1)) and len(found) >= last
    [(after,)] = log.sql("SELECT seq FROM counter")
    assert found[-1] <= after


# --- exports ------------------------------------------------------------------------------------

def test_export_over_http2_and_in_part(log):
    one, two = export(log, "$orderby=Id%20asc"), export(log, "$orderby=Id%20asc", http2=True)
    assert one == two
    lines = one.splitlines()
    assert export(log, "$orderby=Id%20asc&$skiptoken=9000").splitlines() == lines[9000:]
    assert export(log, f"$orderby=Id%20asc&$top={ROWS - 100}").splitlines() == lines[:ROWS - 100]
    assert export(log, filtered("EventId eq 'none has it'")) == ""


def test_csv(log):
    rows = list(csv.reader(io.StringIO(export(log, filtered("Source eq 'node7'"), "text/csv"))))
    assert rows[0] == ("seq,id,received,source,Category,EventTimestamp,Severity,MessageId,MessageArgs,"
                       "OriginOfCondition,Message,Resolution").split(",")
    assert [int(row[0]) for row in rows[1:]] == walk(log, filtered("Source eq 'node7'"))
    assert all(len(row) == len(rows[0]) for row in rows)


def test_head_and_bad_questions(log):
    answer = log.ask("HEAD", ENTRIES, headers=NDJSON)
    assert answer.status_code == 200 and answer.content == b""
    assert "ndjson" in answer.headers["content-type"]
    refused = log.get(f"{ENTRIES}?$filter=Severity%20eq", headers=NDJSON)
    assert refused.status_code == 400 and "column" in refused.text


class Stalled:
    """An export that nobody reads."""

    def __init__(self, service, reads=0):
        context = ssl.create_default_context(cafile=str(service.ca))
        plain = socket.create_connection(("127.0.0.1", service.api_port), timeout=10)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        credentials = httpx.BasicAuth("admin", service.password)._auth_header
        self.socket.sendall((f"GET {ENTRIES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
                             f"{credentials}\r\nAccept: application/x-ndjson\r\n\r\n").encode())
        self.head = self.socket.recv(200)

    def close(self):
        self.socket.close()


def test_stalled_readers_cost_nothing(log):
    stalled = [Stalled(log) for _ in range(16)]
    try:
        assert all(b" 200 " in one.head for one in stalled)
        # No transaction is open for them, and others are answered.
        def idle():
            return log.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name ="
                           " 'rfeventd query' AND xact_start IS NOT NULL")[0][0] == 0
        house.wait_for(idle, what="nobody reads the log")
        assert len(page(log, "$top=20")["Members"]) == 20
        more = log.get(ENTRIES, headers=NDJSON)
        assert more.status_code == 503 and more.headers["retry-after"]
    finally:
        for one in stalled:
            one.close()
    house.wait_for(lambda: log.get(f"{ENTRIES}?{filtered('Id eq 1')}", headers=NDJSON).status_code == 200,
                   what="room for an export")


def test_memory_of_an_export(log):
    def resident():
        text = pathlib.Path(f"/proc/{log.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0])
    export(log, "$top=10001")
    before = resident()
    size = len(export(log))
    assert size > ROWS * 500
    assert resident() - before < 8192, "kB more than before"


# --- rfevent ------------------------------------------------------------------------------------

def test_list_options(log):
    shown = log.cli("event", "list", "--source", "node7", "--severity", "warning", "--format", "jsonl")
    assert shown.returncode == 0, shown.stderr
    assert exported_seqs(shown.stdout) == walk(
        log, filtered("Source eq 'node7' and Severity ge 'Warning'"))[:50]
    recent = log.cli("event", "list", "--since", "3d", "--until", "2d", "--format", "jsonl", "--top", "9",
                     "--filter", "Severity eq 'OK' or Severity eq 'Critical'")
    received = [json.loads(line)["received"] for line in recent.stdout.splitlines()]
    assert len(received) == 9
    assert all(3 * 86400 + 60 > time.time() - house_time(text) > 2 * 86400 - 60 for text in received)
    assert log.cli("event", "list", "--since", "yesterday").returncode == 2
    assert log.cli("event", "list", "--severity", "bad").returncode == 2
    assert log.cli("event", "list", "--source", "o'neill").returncode == 0


def house_time(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def test_export_command(log, tmp_path):
    whole = log.cli("event", "export", "--filter", "Severity eq 'Critical'")
    assert whole.returncode == 0, whole.stderr
    expected = walk(log, filtered("Severity eq 'Critical'"))[::-1]
    assert exported_seqs(whole.stdout) == expected
    part = log.cli("event", "export", "--severity", "critical", "--after", str(expected[40]))
    assert exported_seqs(part.stdout) == expected[41:]
    for name in ("jsonl", "csv"):
        path = tmp_path / f"log.{name}"
        done = log.cli("event", "export", "--severity", "critical", "--format", name, "-o", str(path))
        assert done.returncode == 0, done.stderr
        text = path.read_bytes()
        path.write_bytes(text[:len(text) * 2 // 3])  # in the middle of a record
        again = log.cli("event", "export", "--severity", "critical", "--format", name, "-o", str(path),
                        "--resume")
        assert again.returncode == 0, again.stderr
        assert path.read_bytes() == text
    assert log.cli("event", "export", "--resume").returncode == 2
    assert log.cli("event", "export", "--format", "xml").returncode == 2


def test_export_goes_on_after_a_restart(log, tmp_path):
    """Killed in the middle, started again: the file has each event once."""
    path = tmp_path / "log.jsonl"
    env = dict(os.environ, RFEVENT_CONFIG=str(log.state_dir / "rfevent.env"))
    with open(path, "wb") as out:
        process = subprocess.Popen([str(house.BUILD / "rfevent"), "event", "export"], env=env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out.write(process.stdout.read(1 << 20))
        log.kill()
        log.start()
        out.write(process.stdout.read())
    words = process.stderr.read().decode()
    assert process.wait(30) == 0, words
    log.wait_ready()
    found = exported_seqs(path.read_text())
    assert found == list(range(1, len(found) + 1)) and len(found) >= ROWS
