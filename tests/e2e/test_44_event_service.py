"""EventService: test events by the way of all others, and subscriptions that get what they asked for."""
import base64
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

from destination import Destination
from events_stream import EventStream
from house import event_body, wait_for

SERVICE = "/redfish/v1/EventService"
SUBSCRIPTIONS = f"{SERVICE}/Subscriptions"
SUBMIT = f"{SERVICE}/Actions/EventService.SubmitTestEvent"
SETS = ["subscriptions.allow_http=true", "subscriptions.retry_interval=1s",
        "subscriptions.retry_attempts=2"]


@pytest.fixture(scope="module")
def house():
    """A ready service that may deliver to plain HTTP."""
    import house as module
    path = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-e2e-", dir="/tmp"))
    path.chmod(0o711)
    made = module.Service(path, sets=SETS)
    made.start()
    made.wait_ready()
    yield made
    made.close()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def destination():
    made = Destination()
    yield made
    made.close()


@pytest.fixture
def subscribe(house):
    """Makes subscriptions, and removes them at the end."""
    made = []

    def make(destination, **properties):
        answer = house.ask("POST", SUBSCRIPTIONS,
                           json={"Destination": destination.url, "Protocol": "Redfish",
                                 "Context": "ours", **properties})
        assert answer.status_code == 201, answer.text
        made.append(answer.headers["Location"])
        return answer.headers["Location"]

    yield make
    for path in made:
        assert house.ask("DELETE", path).status_code in (204, 404)


def submit(house, **parameters):
    return house.ask("POST", SUBMIT, json={"MessageId": "Power.1.2.PowerSupplyFailed", **parameters})


def post(house, **record):
    assert house.post(event_body(**record)).status_code == 200


# --- SubmitTestEvent -------------------------------------------------------------------------------

def test_a_test_event_goes_the_whole_way(house):
    stream = house.stream("?after=live")
    stream.wait(lambda s: s.of("caught_up"))
    answer = submit(house, EventId="first-test", MessageArgs=["PSU 9"], MessageSeverity="Critical",
                    OriginOfCondition="/redfish/v1/Chassis/9", EventGroupId=7,
                    EventTimestamp="2026-03-01T10:00:00Z", Message="power supply 9 is gone")
    assert answer.status_code == 204, answer.text
    seen = stream.wait(lambda s: [e for e in s.events() if e["EventId"] == "first-test"])[0]
    assert seen["OriginOfCondition"] == "/redfish/v1/Chassis/9" and seen["EventGroupId"] == 7
    assert seen["MessageArgs"] == ["PSU 9"] and seen["Severity"] == "Critical"
    assert seen["EventTimestamp"] == "2026-03-01T10:00:00Z"
    assert [e["seq"] for e in house.entries(own=True) if e["EventId"] == "first-test"] == [seen["seq"]]
    stream.close()


def test_two_test_events_alike_are_two(house):
    for _ in range(2):
        assert submit(house, MessageArgs=["twin"], EventTimestamp="2026-03-02T10:00:00Z",
                      EventId="twin").status_code == 204
    wait_for(lambda: sum(e["EventId"] == "twin" for e in house.entries(own=True)) == 2, 10, "both")


@pytest.mark.parametrize("parameters, key", [
    ({"MessageId": "no id"}, "ActionParameterValueFormatError"),
    ({"MessageId": "Power.1.PowerSupplyFailed"}, "ActionParameterValueFormatError"),
    ({"MessageArgs": [1]}, "ActionParameterValueTypeError"),
    ({"EventGroupId": "1"}, "ActionParameterValueTypeError"),
    ({"MessageSeverity": "Bad"}, "ActionParameterValueNotInList"),
    ({"EventTimestamp": "yesterday"}, "ActionParameterValueFormatError"),
    ({"Colour": "red"}, "ActionParameterUnknown"),
])
def test_what_the_schema_does_not_take_is_refused(house, parameters, key):
    answer = submit(house, **parameters)
    assert answer.status_code == 400
    assert answer.json()["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith("." + key)


def test_without_a_message_id_there_is_no_test_event(house):
    answer = house.ask("POST", SUBMIT, json={"EventId": "nothing"})
    assert answer.status_code == 400
    assert "ActionParameterMissing" in answer.text


# --- subscriptions ---------------------------------------------------------------------------------

def test_a_subscriber_gets_the_events_as_they_were_sent(house, destination, subscribe):
    path = subscribe(destination, HttpHeaders=[{"X-Secret": "open sesame"}])
    post(house, EventId="bmc-1", MessageArgs=["PSU 1"], Severity="Critical",
         EventTimestamp="2026-04-01T00:00:00+02:00", Message="PSU 1 failed here")
    record = destination.wait_records(1)[0]
    delivery = destination.deliveries[0]
    entry = [e for e in house.entries() if e["EventId"] == "bmc-1"][0]
    assert delivery["headers"]["X-Secret"] == "open sesame"
    assert delivery["body"]["Context"] == "ours"
    assert delivery["body"]["@odata.type"].startswith("#Event.v1_")
    assert record["MessageId"] == "Power.1.2.PowerSupplyFailed" and record["MessageArgs"] == ["PSU 1"]
    assert record["EventTimestamp"] == "2026-04-01T00:00:00+02:00"
    assert record["OriginOfCondition"] == {"@odata.id": "/redfish/v1/Chassis/1"}
    assert record["Message"] == "PSU 1 failed here"
    assert record["Oem"]["Rfeventd"]["Seq"] == entry["seq"]
    assert record["Oem"]["Rfeventd"]["EventId"] == "bmc-1"
    assert record["Oem"]["Rfeventd"]["Source"]["Name"] == entry["source"]["name"]
    shown = house.get(path).json()
    assert shown["HttpHeaders"] == [] and "sesame" not in json.dumps(shown)
    assert not house.sql("select 1 from subscription where headers like %s or config like %s",
                         "%sesame%", "%sesame%")


def test_a_delivery_is_valid_by_the_schema(house, destination, subscribe, shared_data):
    subscribe(destination)
    post(house)
    destination.wait_records(1)
    schema = json.loads((shared_data / "schemas/Event.v1_13_0.json").read_text())
    body = destination.deliveries[0]["body"]
    # References to other files are looked at there: here the envelope and its records count.
    for name, value in (("Event", body), ("EventRecord", body["Events"][0])):
        assert set(schema["definitions"][name]["required"]) <= set(value)
        known = schema["definitions"][name]["properties"]
        assert all(key in known or "@" in key for key in value), set(value) - set(known)


FILTERS = [
    ({"RegistryPrefixes": ["Power"]}, {"power", "power ok", "other chassis"}),
    ({"MessageIds": ["Fan.FanFailed"]}, {"fan"}),
    ({"RegistryPrefixes": ["Fan"], "MessageIds": ["Power.1.0.PowerSupplyRestored"]},
     {"fan", "power ok"}),
    ({"ExcludeRegistryPrefixes": ["power"]}, {"fan"}),
    ({"ExcludeMessageIds": ["Power.PowerSupplyFailed"]}, {"fan", "power ok"}),
    ({"Severities": ["OK", "Warning"]}, {"power ok", "fan"}),
    ({"OriginResources": [{"@odata.id": "/redfish/v1/Chassis/2"}]}, {"other chassis"}),
    ({"OriginResources": [{"@odata.id": "/redfish/v1/Chassis/1"}], "SubordinateResources": True},
     {"power", "fan", "power ok"}),
    ({"OriginResources": [{"@odata.id": "/redfish/v1/Chassis/1"}]}, {"power"}),
    ({"ResourceTypes": ["PowerSupply"]}, {"power ok"}),
    ({"ResourceTypes": ["Chassis"], "Severities": ["Critical"]}, {"power", "other chassis"}),
    ({"EventTypes": ["StatusChange"]}, {"power ok"}),
]


def test_each_filter_passes_what_it_should(house):
    """All subscriptions at once, one set of events, and a last one that all want."""
    made = []
    for properties, _ in FILTERS:
        listener = Destination()
        wanted = dict(properties)
        answer = house.ask("POST", SUBSCRIPTIONS, json={"Destination": listener.url,
                                                        "Protocol": "Redfish", **wanted})
        assert answer.status_code == 201, answer.text
        made.append((listener, answer.headers["Location"]))
    chassis = {"@odata.id": "/redfish/v1/Chassis/1"}
    events = [
        ("power", "Power.1.2.PowerSupplyFailed", "Critical", chassis, "Alert"),
        ("fan", "Fan.1.0.FanFailed", "Warning", {"@odata.id": "/redfish/v1/Chassis/1/Fans/3"}, "Alert"),
        ("power ok", "Power.1.2.PowerSupplyRestored", "OK",
         {"@odata.id": "/redfish/v1/Chassis/1/PowerSubsystem/PowerSupplies/1/"}, "StatusChange"),
        ("other chassis", "Power.1.2.PowerSupplyFailed", "Critical",
         {"@odata.id": "/redfish/v1/Chassis/2"}, "Alert"),
    ]
    for name, message_id, severity, origin, event_type in events:
        post(house, EventId=name, MessageId=message_id, Severity=severity, OriginOfCondition=origin,
             EventType=event_type, MessageArgs=[name])
    try:
        for (listener, _), (properties, wanted) in zip(made, FILTERS):
            listener.wait_records(len(wanted))
        time.sleep(0.3)
        for (listener, _), (properties, wanted) in zip(made, FILTERS):
            got = {r["Oem"]["Rfeventd"]["EventId"] for r in listener.records()}
            assert got == wanted, properties
    finally:
        for listener, path in made:
            assert house.ask("DELETE", path).status_code == 204
            listener.close()


def test_many_events_come_in_order_in_few_deliveries_over_one_connection(house, destination,
                                                                        subscribe):
    path = subscribe(destination)
    assert house.ask("POST", f"{path}/Actions/EventDestination.SuspendSubscription").status_code == 204
    for i in range(60):
        body = event_body(EventId=f"many-{i}")
        body["Events"] = [dict(body["Events"][0], EventId=f"many-{i}-{k}", MemberId=str(k),
                               MessageArgs=[f"{i}-{k}"]) for k in range(10)]
        assert house.post(body).status_code == 200
    time.sleep(1.5)
    assert not destination.deliveries
    assert house.get(path).json()["Status"]["State"] == "Disabled"
    assert house.ask("POST", f"{path}/Actions/EventDestination.ResumeSubscription").status_code == 204
    records = destination.wait_records(600)
    seqs = [r["Oem"]["Rfeventd"]["Seq"] for r in records]
    assert seqs == sorted(set(seqs)) and len(seqs) == 600
    assert len(destination.deliveries) < 20 and len(destination.connections) == 1


def test_resuming_may_leave_out_what_waited(house, destination, subscribe):
    path = subscribe(destination)
    house.ask("POST", f"{path}/Actions/EventDestination.SuspendSubscription")
    post(house, EventId="waited")
    wait_for(lambda: [e for e in house.entries() if e["EventId"] == "waited"], 10, "logged")
    bad = house.ask("POST", f"{path}/Actions/EventDestination.ResumeSubscription",
                    json={"DeliverBufferedEventDuration": "PT5M"})
    assert bad.status_code == 400
    answer = house.ask("POST", f"{path}/Actions/EventDestination.ResumeSubscription",
                       json={"DeliverBufferedEventDuration": "PT0S"})
    assert answer.status_code == 204, answer.text
    post(house, EventId="after")
    assert [r["Oem"]["Rfeventd"]["EventId"] for r in destination.wait_records(1)] == ["after"]


def test_what_fails_is_sent_again_the_same_and_retry_after_is_kept(house, destination, subscribe):
    subscribe(destination)
    destination.answers = [500, (503, {"Retry-After": "3"})]
    post(house, EventId="stubborn")
    destination.wait_records(1, timeout=15)
    first, second, third = destination.deliveries[:3]
    assert first["body"] == second["body"] == third["body"]
    assert second["at"] - first["at"] >= 0.9
    assert third["at"] - second["at"] >= 2.9


def test_a_dead_destination_costs_the_others_nothing(house, destination, subscribe):
    dead, slow = Destination(), Destination()
    slow.pause = 5.0
    subscribe(dead)
    subscribe(slow)
    subscribe(destination)
    dead.close()
    start = time.monotonic()
    for i in range(20):
        post(house, EventId=f"alive-{i}")
        destination.wait_records(i + 1, timeout=3)
    assert time.monotonic() - start < 4.0
    slow.close()


@pytest.mark.parametrize("policy, is_left", [("SuspendRetries", True),
                                             ("TerminateAfterRetries", False)])
def test_a_policy_ends_the_retries(house, destination, subscribe, policy, is_left):
    path = subscribe(destination, DeliveryRetryPolicy=policy)
    destination.answers = [500] * 3
    post(house, EventId=policy)
    if not is_left:
        wait_for(lambda: house.get(path).status_code == 404, 15, "ended")
        assert len(destination.deliveries) == 3
        return
    wait_for(lambda: house.get(path).json()["Status"]["State"] == "Disabled", 15, "suspended")
    assert len(destination.deliveries) == 3
    assert "500" in house.get(path).json()["Oem"]["Rfeventd"]["LastError"]
    house.ask("POST", f"{path}/Actions/EventDestination.ResumeSubscription")
    mine = [r for r in destination.wait_records(1)
            if r["Oem"]["Rfeventd"].get("EventId") == policy]
    assert len(mine) == 1
    for key in ("ForwarderFailing", "ForwarderRecovered"):
        wait_for(lambda key=key: [e for e in house.entries(own=True)
                                  if e["MessageId"].endswith("." + key)
                                  and path.rsplit("/", 1)[1] in e["MessageArgs"]], 5, key)


def test_a_heartbeat_comes_at_once_and_tells_the_subscription(house, destination, subscribe):
    path = subscribe(destination, SendHeartbeat=True, HeartbeatIntervalMinutes=5)
    record = destination.wait_records(1)[0]
    assert record["MessageId"] == "HeartbeatEvent.1.1.RedfishServiceFunctional"
    assert record["OriginOfCondition"] == {"@odata.id": path}


def test_only_what_may_change_changes(house, destination, subscribe):
    path = subscribe(destination)
    before = house.get(path)
    answer = house.ask("PATCH", path, json={"Context": "theirs"},
                       headers={"If-Match": before.headers["ETag"]})
    assert answer.status_code == 200 and answer.json()["Context"] == "theirs", answer.text
    assert house.ask("PATCH", path, json={"Context": "late"},
                     headers={"If-Match": before.headers["ETag"]}).status_code == 412
    fixed = house.ask("PATCH", path, json={"Destination": "https://other/"})
    assert fixed.status_code == 400 and "PropertyNotWritable" in fixed.text
    post(house, EventId="patched")
    destination.wait_records(1)
    assert destination.deliveries[0]["body"]["Context"] == "theirs"


@pytest.mark.parametrize("change, key", [
    ({"Destination": "ftp://host/x"}, "PropertyValueFormatError"),
    ({"Destination": "http://user:pass@host/x"}, "PropertyValueFormatError"),
    ({"Protocol": "SNMPv2c"}, "PropertyValueNotInList"),
    ({"Severities": ["Bad"]}, "PropertyValueNotInList"),
    ({"RegistryPrefixes": "Power"}, "PropertyValueTypeError"),
    ({"HttpHeaders": [{"Bad Name": "x"}]}, "PropertyValueError"),
    ({"HttpHeaders": [{"X-Two": "a\r\nX-Lines: b"}]}, "PropertyValueError"),
    ({"HeartbeatIntervalMinutes": 0}, "PropertyValueOutOfRange"),
    ({"Status": {}}, "PropertyNotWritable"),
    ({"Colour": "red"}, "PropertyUnknown"),
    ({"Destination": None}, "PropertyValueTypeError"),
])
def test_a_subscription_that_cannot_be_is_refused(house, change, key):
    body = {"Destination": "https://host/x", "Protocol": "Redfish", **change}
    answer = house.ask("POST", SUBSCRIPTIONS, json=body)
    assert answer.status_code == 400 and f".{key}\"" in answer.text, answer.text
    assert house.get(SUBSCRIPTIONS).json()["Members@odata.count"] == 0


def test_rfevent_adds_shows_and_ends_subscriptions(house, destination, tmp_path):
    headers = tmp_path / "headers"
    headers.write_text("X-Key: from a file\n")
    added = house.cli("subscription", "add", destination.url, "--context", "by hand", "--severity",
                      "Critical", "--severity", "Warning", "--header-file", str(headers))
    assert added.returncode == 0, added.stderr
    name = added.stdout.strip()
    listed = json.loads(house.cli("-o", "json", "subscription", "list").stdout)
    assert [(row["Id"], row["Context"], row["State"]) for row in listed] == [(name, "by hand", "Enabled")]
    post(house, EventId="unimportant", Severity="OK", MessageId="Power.1.2.PowerSupplyRestored")
    post(house, EventId="important", Severity="Critical")
    assert destination.wait_records(1)[0]["Oem"]["Rfeventd"]["EventId"] == "important"
    assert destination.deliveries[0]["headers"]["X-Key"] == "from a file"
    assert house.cli("subscription", "suspend", name).returncode == 0
    shown = house.cli("subscription", "show", name)
    assert "Disabled" in shown.stdout and "from a file" not in shown.stdout
    post(house, EventId="missed", Severity="Critical")
    wait_for(lambda: [e for e in house.entries() if e["EventId"] == "missed"], 10, "logged")
    assert house.cli("subscription", "resume", name, "--skip").returncode == 0
    post(house, EventId="again", Severity="Warning")
    assert destination.wait_records(2)[1]["Oem"]["Rfeventd"]["EventId"] == "again"
    assert house.cli("subscription", "remove", name).returncode == 0
    gone = house.cli("subscription", "show", name)
    assert gone.returncode == 1 and gone.stderr
    assert house.cli("subscription", "add").returncode == 2
    assert house.cli("subscription", "add", "ftp://x").returncode == 1


def test_a_restart_goes_on_where_it_stood_and_new_plain_http_needs_leave(new_service, destination):
    service = new_service(sets=SETS)
    service.start()
    service.wait_ready()
    answer = service.ask("POST", SUBSCRIPTIONS, json={"Destination": destination.url,
                                                      "Protocol": "Redfish"})
    assert answer.status_code == 201
    post(service, EventId="before")
    destination.wait_records(1)
    service.kill()
    service.sets.remove("subscriptions.allow_http=true")
    service.start()
    service.wait_ready()
    post(service, EventId="behind")
    destination.wait_records(2, timeout=20)
    names = [r["Oem"]["Rfeventd"].get("EventId") for r in destination.records()]
    assert names[0] == "before" and "behind" in names
    answer = service.ask("POST", SUBSCRIPTIONS, json={"Destination": "http://127.0.0.1:1/x",
                                                      "Protocol": "Redfish"})
    assert answer.status_code == 400 and "PropertyValueFormatError" in answer.text


# --- server-sent events ----------------------------------------------------------------------------

@pytest.fixture
def listen(house):
    made = []

    def make(*arguments, **options):
        made.append(EventStream(house, *arguments, **options))
        return made[-1]

    yield make
    for stream in made:
        stream.close()


def seqs(records):
    return [record["Oem"]["Rfeventd"]["Seq"] for record in records]


@pytest.mark.parametrize("http2", [False, True])
def test_server_sent_events_are_live_over_both_protocols(house, listen, http2):
    assert house.get(SERVICE).json()["ServerSentEventUri"] == f"{SERVICE}/SSE"
    stream = listen(http2=http2)
    assert stream.status == 200 and stream.protocol == ("HTTP/2" if http2 else "HTTP/1.1")
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    stream.wait_live()
    for i in range(5):
        post(house, EventId=f"sse-{http2}-{i}", MessageArgs=[str(i)])
    records = stream.wait_records(5)
    assert [r["Oem"]["Rfeventd"]["EventId"] for r in records] == [f"sse-{http2}-{i}" for i in range(5)]
    name, body = [m for m in stream.messages if m[1]][-1]
    assert name == body["Id"] == records[-1]["EventId"]
    assert body["@odata.type"].startswith("#Event.v1_")


@pytest.mark.parametrize("http2", [False, True])
def test_last_event_id_goes_on_without_gap_or_repeat(house, listen, http2):
    stream = listen(http2=http2)
    stream.wait_live()
    start = stream.last_id
    for i in range(30):
        post(house, EventId=f"resume-{i}", MessageArgs=[str(i)])
    stream.wait_records(30)
    again = listen(http2=http2, **{"Last-Event-ID": start})
    for i in range(30, 40):
        post(house, EventId=f"resume-{i}", MessageArgs=[str(i)])
    first, second = stream.wait_records(40), again.wait_records(40)
    assert seqs(first) == seqs(second) == sorted(set(seqs(second)))
    middle = first[20]["EventId"]
    third = listen(http2=http2, **{"Last-Event-ID": middle}).wait_records(19)
    assert seqs(third) == seqs(first)[21:]


def test_a_filter_and_the_language_of_the_reader(house, listen):
    stream = listen("OriginResource eq '/redfish/v1/Chassis/77' and Severity eq 'Critical'",
                    **{"Accept-Language": "de"})
    stream.wait_live()
    before = stream.last_id
    for severity, chassis in (("OK", 77), ("Critical", 78), ("Critical", 77)):
        post(house, MessageId="Rfeventd.1.0.JournalFilling", MessageArgs=["81"], Severity=severity,
             OriginOfCondition={"@odata.id": f"/redfish/v1/Chassis/{chassis}"})
    record = stream.wait_records(1)[0]
    assert record["OriginOfCondition"]["@odata.id"].endswith("/77")
    english = listen("OriginOfCondition eq '/redfish/v1/Chassis/77'",
                     **{"Last-Event-ID": before, "Accept-Language": "en"}).wait_records(2)[1]
    assert english["Message"] != record["Message"] and "81" in record["Message"]
    # What is filtered out is not asked for again: the id moves on without an event.
    stream.wait(lambda s: int(s.last_id.split("-")[1]) >= record["Oem"]["Rfeventd"]["Seq"])


@pytest.mark.parametrize("name", ["00000000-5", "nonsense"])
def test_an_id_of_another_log_is_told_and_goes_on_live(house, listen, name):
    stream = listen(**{"Last-Event-ID": name})
    record = stream.wait_records(1)[0]
    assert record["MessageId"].endswith(".EventBufferExceeded") and record["Message"]
    post(house, EventId=f"behind {name}")
    assert stream.wait_records(2)[1]["Oem"]["Rfeventd"]["EventId"] == f"behind {name}"


def test_an_id_that_is_not_there_yet_ends_with_where_the_log_ends(house, listen):
    stream = listen()
    stream.wait_live()
    epoch8, seq = stream.last_id.split("-")
    late = listen(**{"Last-Event-ID": f"{epoch8}-{int(seq) + 100000}"})
    assert late.closed.wait(15)
    assert late.records()[0]["MessageId"].endswith(".EventBufferExceeded")
    assert int(late.last_id.split("-")[1]) >= int(seq)


def test_what_is_no_good_stream_is_refused(house, listen):
    bad = listen("Severity is bad")
    assert bad.status == 400 and "QueryParameterValueFormatError" in bad.text
    path = f"{SERVICE}/SSE"
    assert house.get(path, headers={"Accept": "application/json"}).status_code == 406
    assert house.get(path, auth=None).status_code == 401
    assert house.get(f"{path}?$orderby=Id").status_code in (400, 501)
    head = house.ask("HEAD", path)
    assert head.status_code == 200 and head.headers["Content-Type"].startswith("text/event-stream")


def test_a_reader_that_stalls_costs_the_others_nothing(house, listen):
    context = ssl.create_default_context(cafile=str(house.ca))
    pair = base64.b64encode(f"admin:{house.password}".encode()).decode()
    with socket.create_connection(("localhost", house.api_port)) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with context.wrap_socket(raw, server_hostname="localhost") as stalled:
            stalled.sendall(f"GET {SERVICE}/SSE HTTP/1.1\r\nHost: localhost\r\n"
                            f"Authorization: Basic {pair}\r\n\r\n".encode())
            assert b"200 OK" in stalled.recv(200)
            stream = listen()
            stream.wait_live()
            for i in range(40):
                post(house, EventId=f"flood-{i}", Message="x" * 20000)
            assert len(seqs(stream.wait_records(40))) == 40


def test_redfishtool_subscribes_and_our_listener_receives(house, destination):
    if not shutil.which("redfishtool"):
        pytest.skip("redfishtool is not installed")
    body = json.dumps({"Destination": destination.url, "Protocol": "Redfish", "Context": "tool"})
    answer = subprocess.run(
        ["redfishtool", "-r", f"localhost:{house.api_port}", "-u", "admin", "-p", house.password,
         "-S", "Always", "-A", "Basic", "raw", "POST", SUBSCRIPTIONS, "-d", body],
        capture_output=True, text=True, timeout=60, check=False)
    members = house.get(SUBSCRIPTIONS).json()["Members"]
    assert len(members) == 1, answer.stdout + answer.stderr
    post(house, EventId="for the tool")
    assert destination.wait_records(1)[0]["Oem"]["Rfeventd"]["EventId"] == "for the tool"
    assert destination.deliveries[0]["body"]["Context"] == "tool"
    assert house.ask("DELETE", members[0]["@odata.id"]).status_code == 204
