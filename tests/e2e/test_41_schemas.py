"""Every resource that links lead to is valid against the published schemas, when they are there."""
import json
import re
import warnings

import pytest

import house
from house import event_body

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")
SCHEMAS = "http://redfish.dmtf.org/schemas/v1/"
ROOT = "/redfish/v1/"


class Schemas:
    """The published schemas, by the URLs they use for each other."""

    def __init__(self, folder):
        self.folder = folder
        self.kept = {}

    def load(self, url):
        name = url.split("#")[0].rsplit("/", 1)[1]
        if name not in self.kept and not (self.folder / name).exists():
            # Another schema refers to it: whatever it may say is let pass.
            self.kept[name] = {"$id": url, "definitions": {name.split(".")[0]: {}}}
        elif name not in self.kept:
            self.kept[name] = json.loads((self.folder / name).read_text())
        return self.kept[name]

    def has(self, name):
        return (self.folder / f"{name}.json").exists()

    def validator(self, schema):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            resolver = jsonschema.RefResolver(schema["$id"], schema, handlers={"http": self.load})
            return jsonschema.Draft7Validator(schema, resolver=resolver)

    def faults(self, body):
        schema = self.load(f"{SCHEMAS}{body['@odata.type'][1:].rsplit('.', 1)[0]}.json")
        return [f"{body.get('@odata.id')} {'/'.join(map(str, fault.path))}: {fault.message[:200]}"
                for fault in self.validator(schema).iter_errors(body)]


@pytest.fixture(scope="module")
def schemas(shared_data):
    return Schemas(shared_data / "schemas")


def links(value):
    """Every @odata.id below, but those of the fleet: they are other services' own."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key == "OriginOfCondition":
                continue
            if key in ("@odata.id", "Members@odata.nextLink"):
                yield below
            else:
                yield from links(below)
    elif isinstance(value, list):
        for below in value:
            yield from links(below)


def walk(service, **options):
    """The bodies of all resources that links lead to from the root."""
    waiting, bodies = [ROOT], {}
    while waiting:
        path = waiting.pop().split("#")[0]
        if path in bodies:
            continue
        answer = service.get(path, **options)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        bodies[path] = answer.json()
        assert bodies[path]["@odata.id"] == path.split("?")[0]
        waiting += links(bodies[path])
    return bodies


@pytest.fixture(scope="module")
def filled(shared_service):
    """Something of every kind: events with all and with hardly any facts, a session."""
    service = shared_service
    for n, record in enumerate(({}, {"EventTimestamp": "yesterday", "MessageId": None, "Message": "odd"},
                                {"MessageId": "Contoso.1.0.Nothing", "MessageArgs": ["a", 2]},
                                {"Severity": "Warning", "EventGroupId": 7, "OriginOfCondition": None})):
        assert service.post(event_body(EventId=f"walk {n}", **record)).status_code == 200
    service.wait_entries(4)
    made = service.session({"UserName": "admin", "Password": service.password})
    assert made.status_code == 201
    service.made_session = made.json()
    made = service.ask("POST", "/redfish/v1/AccountService/Oem/Rfeventd/Tokens", json={"Name": "walk"})
    assert made.status_code == 201
    source = {"HostName": "10.1.2.3", "UserName": "root", "Password": "walked past",
              "Oem": {"Rfeventd": {"Tags": {"room": "1"}}}}
    made = service.ask("POST", "/redfish/v1/AggregationService/AggregationSources", json=source)
    assert made.status_code == 201
    path = "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Quarantine/Actions/Oem/Rfeventd.RetryAll"
    made = service.ask("POST", path, json={}, headers={"Prefer": "respond-async"})
    assert made.status_code == 202
    house.wait_for(lambda: service.get(made.json()["@odata.id"]).json()["TaskState"] == "Completed", 10, "a task")
    return service


def test_every_resource_is_valid(filled, schemas):
    bodies = walk(filled)
    bodies["created session"] = filled.made_session
    kinds, unknown, faults = set(), set(), []
    for body in bodies.values():
        kind = body["@odata.type"][1:].rsplit(".", 1)[0]
        kinds.add(kind.split(".")[0])
        if schemas.has(kind):
            faults += schemas.faults(body)
        else:
            unknown.add(kind)
    assert not faults, "\n".join(faults)
    assert {"ServiceRoot", "Manager", "LogService", "LogEntry", "LogEntryCollection", "Session",
            "SessionCollection", "MessageRegistryFile", "EventService", "AccountService", "ManagerAccount",
            "ManagerAccountCollection", "Role", "RoleCollection", "RfeventdToken", "AggregationSource", "RfeventdSourceActivity",
            "TaskService", "Task"} <= kinds
    # Schemas that are not among those here: said, so that nobody takes them for tested.
    print("without a schema here:", sorted(unknown))
    assert {kind.split(".")[0] for kind in unknown if not kind.startswith("Rfeventd")} <= {
        "AggregationService", "AggregationSource", "AggregationSourceCollection",
        "TaskCollection"}


def test_what_is_selected_and_expanded_is_still_valid(filled, schemas):
    for path in (f"{ROOT}?$expand=*", "/redfish/v1/Managers?$expand=.", f"{house.ENTRIES}?$top=2",
                 "/redfish/v1/Managers?only"):
        assert not schemas.faults(filled.get(path).json()), path


def test_errors_are_valid(shared_service, schemas):
    schema = schemas.load(f"{SCHEMAS}redfish-error.v1_0_2.json")
    message = schemas.load(f"{SCHEMAS}Message.v1_3_0.json")
    for path, method in (("/redfish/v1/Nothing", "GET"), (ROOT, "DELETE"), (f"{ROOT}?$top=1", "GET"),
                         ("/redfish/v1/SessionService/Sessions", "POST")):
        body = shared_service.ask(method, path).json()
        assert not list(schemas.validator(schema).iter_errors(body)), path
        for info in body["error"]["@Message.ExtendedInfo"]:
            assert not list(schemas.validator(message).iter_errors(info)), (path, info)


def test_registries_of_each_language_are_valid(shared_service, schemas):
    file = shared_service.get("/redfish/v1/Registries/Base.1.22.1").json()
    assert len(file["Location"]) >= 4
    for location in file["Location"]:
        body = shared_service.get(location["Uri"]).json()
        assert re.match(r"#MessageRegistry\.v1_\d+_\d+\.MessageRegistry", body["@odata.type"])
        assert not schemas.faults(body), location


def test_the_validator_finds_faults(schemas):
    """What the others rely on: a resource that is wrong is found to be."""
    good = {"@odata.id": "/x", "@odata.type": "#Manager.v1_24_0.Manager", "Id": "x", "Name": "x"}
    assert not schemas.faults(good)
    for wrong in ({"Id": None}, {"ManagerType": "Bmc"}, {"Colour": "red"}, {"Status": {"State": "Fine"}}):
        assert schemas.faults(dict(good, **wrong)), wrong
