"""The stream in full: changes in flight, CloudEvents, origins, slow clients, the ends; what it says is what
docs/api/asyncapi.yaml says, and what the door answers is what docs/api/openapi.yaml says."""
import base64
import collections
import json
import re
import subprocess
import time
import warnings

import httpx
import pytest
import websockets

import house
from house import event_body

PAGE = "https://noc.example:8080"
LANGUAGES = ("en", "de", "ja", "ar")


@pytest.fixture(scope="module")
def door(module_state_dir):
    """One ready service with an allowed origin, for the tests that only add events."""
    made = house.Service(module_state_dir, sets=[f"api.origins=['{PAGE}']"])
    made.start().wait_ready()
    yield made
    made.close()


NOT_OWN = "Source ne 'rfeventd'"


def posted(service, n, **record):
    """n new events, as the log has them."""
    ids = []
    for _ in range(n):
        body = event_body(**record)
        assert service.post(body).status_code == 200
        ids.append(body["Events"][0]["EventId"])

    def logged():
        found = [e for e in service.entries() if e["EventId"] in ids]
        return found if len(found) == n else None
    return house.wait_for(logged, 10, "in the log")


# --- changes in flight ---

def test_the_language_changes_in_flight_exactly_where_it_is_told(door):
    """Events keep coming while it is changed again and again: each is heard once, in the language that counted."""
    stream = door.stream(subscribe={"type": "subscribe", "language": "en"})
    stream.wait(lambda s: s.of("caught_up"))
    first = stream.of("caught_up")[0]["seq"]
    sender = house.Sender(door, threads=2, pause=0.002).start()
    for language in LANGUAGES[1:] + LANGUAGES:
        n = len(stream.of("position"))
        stream.subscribe(language=language)
        stream.wait(lambda s, n=n: len(s.of("position")) > n)
        time.sleep(0.05)
    sender.stop()
    stream.wait(lambda s: set(sender.answered) <= {e["EventId"] for e in s.events()})
    language, seq, heard = "en", first, collections.Counter()
    for message in list(stream.messages):
        if message["type"] == "position":
            assert message["changed"] and message["seq"] == seq
            language = message["language"]
        for entry in message.get("events", []):
            assert entry["seq"] == seq + 1 and entry["language"] == language
            seq = entry["seq"]
            heard[language] += 1
    assert set(heard) == set(LANGUAGES), heard
    stream.close()


def test_a_filter_changes_while_the_client_catches_up(door):
    """From the oldest on; in the middle of it only Critical is wanted, from exactly where it stood."""
    for severity in ("Critical", "OK") * 40:
        assert door.post(event_body(MessageSeverity=severity, Message="x" * 4000)).status_code == 200
    log = door.wait_entries(80)
    stream = door.stream("?after=0")
    stream.subscribe(filter="Severity eq 'Critical'")
    [told] = stream.wait(lambda s: [m for m in s.of("position") if m.get("changed")])
    stream.wait(lambda s: [m for m in s.of("caught_up") + s.of("position") if m["seq"] >= log[-1]["seq"]])
    wanted = [e["seq"] for e in door.entries(own=True)
              if e["seq"] <= told["seq"] or e.get("Severity") == "Critical"]
    assert [e["seq"] for e in stream.events()] == wanted
    stream.close()


def test_after_in_a_change_goes_there(door):
    log = posted(door, 3)
    stream = door.stream("?after=live")
    stream.wait(lambda s: s.of("caught_up"))
    stream.subscribe(after=log[0]["seq"], filter=NOT_OWN)
    assert stream.wait_events(2) == log[1:]
    stream.close()


# --- CloudEvents ---

def cloud(service, query="", **options):
    return service.stream(query, subprotocols=("cloudevents.json",), **options)


def of_type(stream, kind):
    return [m for m in list(stream.messages) if m["type"] == kind]


EVENT = "org.dmtf.redfish.event.v1"


def test_cloud_events(door):
    stream = cloud(door)
    stream.wait(lambda s: of_type(s, "io.rfeventd.stream.caught_up.v1"))
    assert stream.messages[0]["type"] == "io.rfeventd.stream.hello.v1"
    stream.subscribe(filter=NOT_OWN)
    stream.wait(lambda s: of_type(s, "io.rfeventd.stream.position.v1"))
    log = posted(door, 3, MessageSeverity="Warning")
    events = stream.wait(lambda s: of_type(s, EVENT) if len(of_type(s, EVENT)) == 3 else None)
    for event, entry in zip(events, log):
        assert event["data"] == entry
        assert {k: event[k] for k in event if k != "data"} == {
            "specversion": "1.0", "type": EVENT, "source": f"/sources/{entry['source']['id']}", "id": entry["id"],
            "time": entry["received"], "subject": "/redfish/v1/Chassis/1", "sequence": f"{entry['seq']:020}",
            "severitytext": "Warning", "severitynumber": 13, "datacontenttype": "application/json"}
    # Resumes like the other form, and hears of its mistakes in its own.
    again = cloud(door, f"?after={events[0]['data']['seq']}&filter=Nonsense")
    [error] = again.wait(lambda s: of_type(s, "io.rfeventd.stream.error.v1"))
    assert error["data"]["code"] == "bad_filter"
    again.subscribe(after=events[0]["data"]["seq"], filter=NOT_OWN)
    again.wait(lambda s: len(of_type(s, EVENT)) == 2)
    assert [e["sequence"] for e in of_type(again, EVENT)] == [e["sequence"] for e in events[1:]]
    stream.close()
    again.close()


@pytest.mark.parametrize("offered,chosen", [
    ((), None), (("rfevents.v1",), "rfevents.v1"), (("cloudevents.json",), "cloudevents.json"),
    (("soap", "cloudevents.json", "rfevents.v1"), "cloudevents.json"),
    (("rfevents.v1", "cloudevents.json"), "rfevents.v1"), (("soap",), 400),
])
def test_the_subprotocol(door, offered, chosen):
    stream = door.stream("?after=0", subprotocols=offered)
    if chosen == 400:
        assert isinstance(stream.error, websockets.InvalidStatusCode if hasattr(
            websockets, "InvalidStatusCode") else Exception) and "400" in str(stream.error)
        return
    stream.wait(lambda s: s.messages)
    assert stream._socket.subprotocol == chosen
    assert ("specversion" in stream.messages[0]) == (chosen == "cloudevents.json")
    stream.close()


# --- origins, extensions ---

@pytest.mark.parametrize("origin,may", [
    (None, True), (PAGE, True), (PAGE.upper(), True), ("own", True), ("https://noc.example", False),
    ("https://noc.example:8080.evil.example", False), ("https://evil.example", False), ("null", False),
])
def test_origins(door, origin, may):
    stream = door.stream("?after=0", origin=f"https://localhost:{door.api_port}" if origin == "own" else origin)
    if may:
        stream.wait(lambda s: s.of("hello"))
    else:
        assert "403" in str(stream.error)
    stream.close()


def test_no_extension_is_agreed_to(door):
    """The client library offers permessage-deflate by itself."""
    stream = door.stream("?after=0")
    stream.wait(lambda s: s.of("hello"))
    assert "permessage-deflate" in str(stream._socket.request_headers if hasattr(
        stream._socket, "request_headers") else stream._socket.request.headers)
    headers = stream._socket.response_headers if hasattr(
        stream._socket, "response_headers") else stream._socket.response.headers
    assert "Sec-WebSocket-Extensions" not in headers
    stream.close()


# --- slow clients, ends ---

def test_a_disabled_account_hears_no_more(door):
    accounts = "/redfish/v1/AccountService/Accounts"
    made = door.ask("POST", accounts, json={"UserName": "reader", "Password": "long enough, mind", "RoleId": "ReadOnly"})
    assert made.status_code == 201, made.text
    login = {"Authorization": "Basic " + base64.b64encode(b"reader:long enough, mind").decode()}
    stream, other = door.stream("?after=live", headers=login, authenticate=False), door.stream("?after=live")
    for one in (stream, other):
        one.wait(lambda s: s.of("caught_up"))
    path = f"{accounts}/reader"
    done = door.ask("PATCH", path, json={"Enabled": False}, headers={"If-Match": door.get(path).headers["ETag"]})
    assert done.status_code == 200, done.text
    stream.wait(lambda s: s.closed.is_set())
    assert stream.close_code == 4401 and [m["code"] for m in stream.of("error")] == ["unauthorized"]
    assert not other.closed.is_set()
    other.close()


def test_a_stalled_client_misses_nothing_and_costs_the_others_nothing(door):
    """More than its queue holds goes by while it reads nothing."""
    stalled, other = door.stream("?after=live"), door.stream("?after=live")
    for stream in (stalled, other):
        stream.wait(lambda s: s.of("caught_up"))
    stalled.stall(4)
    sender = house.Sender(door, threads=2, pad=60000).start()
    house.wait_for(lambda: len(sender.answered) >= 200, 20, "200 large events are taken")
    sender.stop()
    other.wait(lambda s: set(sender.answered) <= {e["EventId"] for e in s.events()})
    assert len(stalled.events()) < len(other.events()), "the other one waited for it"
    wanted = [e["seq"] for e in other.events()]
    stalled.wait(lambda s: len(s.events()) >= len(wanted), 20)
    assert [e["seq"] for e in stalled.events()] == wanted
    assert not stalled.of("gap") and not stalled.of("error")
    for stream in (stalled, other):
        stream.close()


@pytest.mark.parametrize("message,code,close_code", [
    ("x" * 8193, "too_big", 1009), (b"\x00\x01", "bad_request", 1003),
])
def test_messages_that_end_it(door, message, code, close_code):
    stream = door.stream("?after=0&filter=EventId%20eq%20%27none%27")
    stream.wait(lambda s: s.of("hello"))
    stream.send_raw(message)
    stream.wait(lambda s: s.closed.is_set())
    assert [m["code"] for m in stream.of("error")] == [code]
    assert stream.close_code == close_code


def test_the_service_says_goodbye(new_service):
    service = new_service().start().wait_ready()
    streams = [service.stream("?after=0"), cloud(service)]
    for stream in streams:
        stream.wait(lambda s: s.messages)
    assert service.terminate()[0] == 0
    for stream in streams:
        stream.wait(lambda s: s.closed.is_set())
        assert stream.close_code == 1001


# --- the descriptions for programs ---

API = house.ROOT / "docs/api"


@pytest.fixture(scope="module")
def described():
    """Validators of schemas in the two files, by file and pointer."""
    yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")
    jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")
    files = {name: yaml.safe_load((API / name).read_text()) for name in ("asyncapi.yaml", "openapi.yaml")}

    def faults(name, schema, value):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            resolver = jsonschema.RefResolver(f"file:///{name}", files[name],
                                              {f"file:///{other}": text for other, text in files.items()})
            validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
            return [f"{'/'.join(map(str, fault.path))}: {fault.message[:300]}" for fault in validator.iter_errors(value)]
    faults.files = files
    return faults


def message_faults(described, form, message):
    file = described.files["asyncapi.yaml"]
    name = "cloudevent" if form == "cloudevents" else message["type"]
    if name not in file["channels"][form]["messages"]:
        return [f"no message {name}"]
    return described("asyncapi.yaml", file["components"]["messages"][name]["payload"], message)


def test_every_message_is_as_asyncapi_says(door, described):
    """All that this service has said, to streams that ask for all kinds of things."""
    streams = [door.stream("?after=0"), cloud(door, "?after=0"), cloud(door), door.stream("?filter=x"),
               door.stream("?after=0&epoch=11111111-2222-4333-8444-555555555555"), door.stream("?after=-1")]
    posted(door, 1, MessageId="Contoso.1.0.Nothing", MessageArgs=["a", "b"], EventGroupId=7, OriginOfCondition=None,
           EventTimestamp="yesterday")
    streams[0].subscribe(language="ja")
    streams[0].wait(lambda s: s.of("position"))
    streams[3].send({"type": "sing"})
    for stream in streams[3:]:
        stream.wait(lambda s: s.of("error"))
    streams[2].wait(lambda s: of_type(s, EVENT))
    seen = collections.Counter()
    for stream in streams:
        form = "cloudevents" if "cloudevents.json" in stream.subprotocols else "rfevents"
        for message in list(stream.messages):
            assert not message_faults(described, form, message), message
            seen[message["type"]] += 1
        stream.close()
    assert {"hello", "events", "caught_up", "position", "error", EVENT, "io.rfeventd.stream.hello.v1"} <= set(seen)


def test_gaps_and_provisional_events_are_as_asyncapi_says(service, described):
    posted(service, 3)
    service.sql("DELETE FROM event WHERE seq <= 2")
    assert service.terminate()[0] == 0
    service.start().wait_ready()
    streams = [service.stream("?after=0"), cloud(service, "?after=0")]
    streams[0].wait(lambda s: s.of("gap") and s.of("caught_up"))
    streams[1].wait(lambda s: of_type(s, "io.rfeventd.stream.gap.v1"))
    house.without_postgres(service)
    service.start().wait_listening()
    streams += [service.stream("?after=live"), cloud(service)]
    assert service.post(event_body()).status_code == 200
    streams[2].wait(lambda s: s.of("provisional"), 20)
    for form, stream in zip(("rfevents", "cloudevents") * 2, streams):
        for message in list(stream.messages):
            assert not message_faults(described, form, message), message
        stream.close()


def test_asyncapi_finds_faults(described):
    good = {"type": "position", "seq": 1}
    assert not message_faults(described, "rfevents", good)
    for wrong in ({"seq": "1"}, {"changed": True}, {"colour": "red"}, {"type": "events"}, {"type": "song"}):
        assert message_faults(described, "rfevents", {**good, **wrong}), wrong
    assert message_faults(described, "cloudevents", {"specversion": "1.0", "type": EVENT})


def test_close_codes_stand_in_both_documents(described):
    """Those of the table in stream.md; 1006 is none."""
    listed = set(re.findall(r"\b(?:10\d\d|44\d\d)\b", re.search(
        r"\| close code .*?\n\n", (house.ROOT / "docs/stream.md").read_text(), re.S).group())) - {"1006"}
    for channel in described.files["asyncapi.yaml"]["channels"].values():
        assert set(channel["x-close-codes"]) == listed


def test_openapi_is_what_the_table_says():
    done = subprocess.run([str(house.ROOT / "scripts/openapi"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def members(service, path):
    return [m["@odata.id"].rsplit("/", 1)[1] for m in service.get(path).json().get("Members", [])]


def real_path(service, template):
    """The path of something that is there, as far as a list leads to it; else of something that is not."""
    path = ""
    for segment in template.split("/")[1:]:
        if segment == "{File}":
            file = service.get(path).json()
            segment = file["Location"][0]["Uri"].rsplit("/", 1)[1] if "Location" in file else "none"
        elif segment.startswith("{"):
            segment = (members(service, path) or ["none"])[0] if "/redfish/v1" in path else "none"
        path += "/" + segment
    return path


def answer_faults(described, operation, answer):
    """How an answer is not what the operation's description says."""
    file = described.files["openapi.yaml"]
    said = operation["responses"].get(str(answer.status_code))
    if said is None:
        return [f"{answer.status_code} is not said: {answer.text[:300]}"]
    if "$ref" in said:
        said = file["components"]["responses"][said["$ref"].rsplit("/", 1)[1]]
    form = answer.headers.get("content-type", "").split(";")[0]
    if not said.get("content") or not answer.content:
        return []
    if form not in said["content"]:
        return [f"{answer.status_code} as {form} is not said"]
    if form != "application/json":
        return []
    return described("openapi.yaml", said["content"][form]["schema"], answer.json())


METHODS = ("get", "head", "post", "patch", "put", "delete")


def asked(service, method, path, **options):
    """The answer; of one that has no end its beginning."""
    if method != "get" or not path.endswith("/SSE"):
        return service.ask(method.upper(), path, follow_redirects=False, **options)
    auth = options.get("auth", ("admin", service.password))
    with httpx.Client(verify=str(service.ca), trust_env=False, timeout=20) as client:
        with client.stream("GET", service.url + path, auth=auth) as answer:
            if answer.status_code == 200:
                answer._content = b""   # pylint: disable=protected-access
            else:
                answer.read()
            return answer


def test_every_answer_is_as_openapi_says(service, described):
    """Each path with each method, by somebody and by nobody; what is not in the file is 405."""
    posted(service, 2)
    paths, wrong, n = described.files["openapi.yaml"]["paths"], [], 0
    for template, item in paths.items():
        path = real_path(service, template)
        for method in METHODS:
            body = {} if method in ("post", "patch", "put") else None
            # What is there stays there: the admin's account, the registries, the session of others.
            target = path if method != "delete" or "{" not in template else template.replace("{Id}", "none")
            answer = asked(service, method, target, json=body)
            n += 1
            if method not in item:
                found = [] if answer.status_code in (405, 308) else [f"{answer.status_code} where it is not taken"]
            else:
                found = answer_faults(described, item[method], answer)
                stranger = asked(service, method, target, json=body, auth=None)
                closed = item[method].get("security") != []
                # A POST that logs in says 401 or 400 by itself; the stream looks for itself, too.
                if closed != (stranger.status_code == 401) and "Sessions" not in template:
                    found.append(f"{stranger.status_code} to a stranger")
            wrong += [f"{method.upper()} {target}: {fault}" for fault in found]
    assert n > 200 and not wrong, "\n".join(wrong)


def test_openapi_finds_faults(shared_service, described):
    operation = described.files["openapi.yaml"]["paths"]["/redfish/v1/Managers"]["get"]
    answer = shared_service.get("/redfish/v1/Managers")
    assert not answer_faults(described, operation, answer)
    for path in ("/redfish/v1/SessionService", "/metrics"):
        assert answer_faults(described, operation, shared_service.get(path)), path
    assert answer_faults(described, {"responses": {}}, answer)


def test_the_log_in_its_other_forms_is_as_openapi_says(shared_service, described):
    posted(shared_service, 2, MessageSeverity="Critical")
    operation = described.files["openapi.yaml"]["paths"][house.ENTRIES]["get"]
    content = operation["responses"]["200"]["content"]
    answer = shared_service.get(house.ENTRIES, headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) >= 2
    for entry in lines:
        assert not described("openapi.yaml", content["application/x-ndjson"]["schema"], entry), entry
    csv = shared_service.get(house.ENTRIES, headers={"Accept": "text/csv"})
    assert csv.headers["content-type"].split(";")[0] in content
