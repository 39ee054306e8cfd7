"""The operators' door as a Redfish service: methods, headers, queries, errors (DSP0266)."""
import concurrent.futures
import gzip
import json
import re
import xml.etree.ElementTree

import httpx
import pytest

import house
from house import ENTRIES, event_body

ROOT = "/redfish/v1/"
MANAGER = "/redfish/v1/Managers/rfeventd"
SESSIONS = "/redfish/v1/SessionService/Sessions"
REGISTRIES = "/redfish/v1/Registries"
ACCOUNTS = "/redfish/v1/AccountService/Accounts"
OPEN = ["/redfish", "/redfish/v1", ROOT, "/redfish/v1/odata", "/redfish/v1/$metadata"]
CLOSED = ["/redfish/v1/Managers", MANAGER, f"{MANAGER}/LogServices", f"{MANAGER}/LogServices/Events",
          ENTRIES, f"{ENTRIES}/1", REGISTRIES, f"{REGISTRIES}/Base.1.22.1", "/redfish/v1/EventService",
          "/redfish/v1/AggregationService", "/redfish/v1/SessionService", SESSIONS,
          "/redfish/v1/AccountService", ACCOUNTS, f"{ACCOUNTS}/admin", "/redfish/v1/AccountService/Roles",
          f"{MANAGER}/LogServices/Audit", f"{MANAGER}/LogServices/Audit/Entries",
          "/redfish/v1/Nothing", "/metrics"]


def told(answer, status, key):
    """The one message of an error, which is `key`."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    [info] = error["@Message.ExtendedInfo"]
    assert error["code"] == info["MessageId"] == f"Base.1.22.{key}"
    assert error["message"] == info["Message"] and info["Resolution"]
    assert info["MessageSeverity"] in ("OK", "Warning", "Critical")
    for n, argument in enumerate(info["MessageArgs"], 1):
        assert f"%{n}" not in info["Message"] and argument in info["Message"]
    return info


# --- who may enter

@pytest.mark.parametrize("path", OPEN)
def test_the_way_in_is_open(shared_service, path):
    for method in ("GET", "HEAD"):
        assert shared_service.ask(method, path, auth=None).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_all_else_is_closed(shared_service, path):
    ways = [{"auth": None}, {"auth": None, "headers": {"X-Auth-Token": "a" * 52}},
            {"auth": None, "headers": {"Authorization": "Bearer rfe_" + "a" * 52}}]
    if path in (MANAGER, "/redfish/v1/Nothing"):  # few: who guesses often is held back
        ways += [{"auth": ("admin", "wrong")}, {"auth": ("nobody", shared_service.password)}]
    for options in ways:
        # Even where other headers are wrong: who it is comes first.
        options["headers"] = {"Accept": "image/png", "OData-Version": "9.9", **options.get("headers", {})}
        answer = shared_service.get(path, **options)
        told(answer, 401, "AccessUnauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_no_method_slips_past_the_login(shared_service):
    for method in ("POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
        for path in (REGISTRIES, f"{REGISTRIES}/Base.1.22.1", MANAGER, "/redfish/v1/Nothing"):
            answer = shared_service.ask(method, path, auth=None)
            assert answer.status_code in (400, 401, 405, 501), (method, path, answer.status_code)
            assert answer.status_code == 401 or method in ("TRACE", "BREW")


def test_a_session_opens_every_door_until_it_is_closed(shared_service):
    made = shared_service.session({"UserName": "admin", "Password": shared_service.password})
    assert made.status_code == 201 and made.headers["Link"] and made.headers["ETag"]
    token = {"X-Auth-Token": made.headers["X-Auth-Token"]}
    place = made.headers["Location"]
    assert made.json()["@odata.id"] == place and made.json()["Password"] is None
    listed = shared_service.get(SESSIONS, auth=None, headers=token).json()
    assert place in [member["@odata.id"] for member in listed["Members"]]
    one = shared_service.get(place, auth=None, headers=token).json()
    assert one["UserName"] == "admin" and "Token" not in json.dumps(one)
    assert shared_service.get(MANAGER, auth=None, headers=token).status_code == 200
    assert shared_service.ask("DELETE", place, auth=None, headers=token).status_code == 204
    assert shared_service.get(MANAGER, auth=None, headers=token).status_code == 401
    told(shared_service.get(place), 404, "InvalidURI")


def test_members_take_what_the_collection_takes(shared_service):
    body = {"UserName": "admin", "Password": shared_service.password}
    made = shared_service.ask("POST", f"{SESSIONS}/Members", auth=None, json=body)
    assert made.status_code == 201
    assert shared_service.ask("DELETE", made.headers["Location"]).status_code == 204
    told(shared_service.get(f"{SESSIONS}/Members"), 404, "InvalidURI")


# --- the root

def test_the_root_says_what_there_is(shared_service):
    root = shared_service.get(ROOT, auth=None).json()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", root["UUID"])
    assert root["Links"]["Sessions"] == {"@odata.id": SESSIONS}
    for name in ("Managers", "Registries", "EventService", "SessionService", "AccountService", "AggregationService"):
        assert shared_service.get(root[name]["@odata.id"]).status_code == 200
    assert shared_service.get(MANAGER).json()["ServiceEntryPointUUID"] == root["UUID"]
    assert shared_service.get("/redfish", auth=None).json() == {"v1": ROOT}
    assert shared_service.get("/redfish/v1", auth=None).json() == root


def test_odata_and_metadata(shared_service):
    document = shared_service.get("/redfish/v1/odata", auth=None).json()
    assert document["@odata.context"] == "/redfish/v1/$metadata"
    named = {entry["name"]: entry["url"] for entry in document["value"]}
    root = shared_service.get(ROOT, auth=None).json()
    assert named["Managers"] == root["Managers"]["@odata.id"]
    assert all(entry["kind"] == "Singleton" for entry in document["value"])
    answer = shared_service.get("/redfish/v1/$metadata", auth=None)
    assert answer.headers["Content-Type"].startswith("application/xml")
    tree = xml.etree.ElementTree.fromstring(answer.text)
    [container] = tree.iter("{http://docs.oasis-open.org/odata/ns/edm}EntityContainer")
    namespaces = {i.get("Namespace") for i in tree.iter("{http://docs.oasis-open.org/odata/ns/edmx}Include")}
    assert container.get("Extends") == f"{root['@odata.type'][1:].rsplit('.', 1)[0]}.ServiceContainer"
    assert {"ServiceRoot", "Manager", "LogEntry", "ManagerCollection"} <= namespaces


def test_the_old_address_tells_where_the_service_is(shared_service):
    for old, new in (("/rest/v1", ROOT), ("/rest/v1/", ROOT), ("/rest/v1/Managers/x", "/redfish/v1/Managers/x")):
        for method in ("GET", "POST"):
            answer = shared_service.ask(method, old, auth=None)
            assert answer.status_code == 308 and answer.headers["Location"] == new
            assert answer.json()["MovedTo"] == new


# --- methods and headers

@pytest.mark.parametrize("path", [p for p in OPEN + CLOSED if p not in ("/redfish/v1/Nothing", "/metrics")])
def test_head_is_get_without_a_body(shared_service, path):
    if path == f"{ENTRIES}/1" and not shared_service.entries():
        shared_service.post(event_body(EventId="for HEAD"))
        shared_service.wait_entries(1)
    got, headed = shared_service.get(path), shared_service.ask("HEAD", path)
    assert got.status_code == headed.status_code == 200 and headed.content == b""
    for headers in (got.headers, headed.headers):
        headers.pop("Date")
    assert got.headers == headed.headers
    assert got.headers["OData-Version"] == "4.0" and got.headers["Cache-Control"]
    assert got.headers["Allow"].startswith("GET, HEAD")
    if path != "/redfish/v1/$metadata":
        assert got.headers["Content-Type"] == "application/json;charset=utf-8" and got.headers["ETag"]
    if "@odata.type" in got.text and got.json().get("@odata.type"):
        schema = got.json()["@odata.type"][1:].rsplit(".", 1)[0]
        assert got.headers["Link"] == f"<http://redfish.dmtf.org/schemas/v1/{schema}.json>; rel=describedby"


@pytest.mark.parametrize("path", [MANAGER, REGISTRIES, SESSIONS, ENTRIES, f"{REGISTRIES}/Base.1.22.1", ROOT])
def test_what_is_not_taken_is_405_and_allow_tells(shared_service, path):
    allowed = shared_service.get(path).headers["Allow"].split(", ")
    for method in ("POST", "PATCH", "PUT", "DELETE", "OPTIONS"):
        if method in allowed:
            continue
        answer = shared_service.ask(method, path)
        told(answer, 405, "OperationNotAllowed")
        assert answer.headers["Allow"].split(", ") == allowed


def test_odata_version(shared_service):
    assert shared_service.get(ROOT, headers={"OData-Version": "4.0"}).status_code == 200
    for version in ("4.1", "3.0", "4", ""):
        info = told(shared_service.get(ROOT, headers={"OData-Version": version}), 412, "HeaderInvalid")
        assert info["MessageArgs"] == ["OData-Version"]


def test_accept(shared_service):
    for good in ("application/json", "*/*", "application/*", "text/html;q=0.9, application/json;q=0.1"):
        assert shared_service.get(MANAGER, headers={"Accept": good}).status_code == 200
    for path in (MANAGER, ENTRIES):
        for bad in ("application/xml", "text/html", "application/json;q=0"):
            told(shared_service.get(path, headers={"Accept": bad}), 406, "HeaderInvalid")


def test_content_type(shared_service):
    body = json.dumps({"UserName": "admin", "Password": "no"})
    for good in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        answer = shared_service.ask("POST", SESSIONS, content=body, headers={"Content-Type": good})
        assert answer.status_code == 401
    for bad in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        answer = shared_service.ask("POST", SESSIONS, content=body, headers={"Content-Type": bad})
        told(answer, 415, "HeaderInvalid")


@pytest.mark.parametrize("body, key, line", [
    (b"", "EmptyJSON", None), (b" \n", "EmptyJSON", None), (b"[]", "UnrecognizedRequestBody", None),
    (b"17", "UnrecognizedRequestBody", None), (b'{"UserName":"admin",\n\n]', "InvalidJSON", "3"),
    (b'{"UserName":1,"UserName":2}', "InvalidJSON", "1"), (b'{"a":"\xff"}', "InvalidJSON", "1")])
def test_what_is_no_json_object_is_named(shared_service, body, key, line):
    info = told(shared_service.ask("POST", SESSIONS, content=body), 400, key)
    if line:
        assert info["MessageArgs"] == [line] and "column" in info["Resolution"]


def test_what_is_missing_is_pointed_at(shared_service):
    info = told(shared_service.session({"Password": "x"}), 400, "CreateFailedMissingReqProperties")
    assert info["RelatedProperties"] == ["/UserName"] and info["MessageArgs"] == ["UserName"]
    error = shared_service.session({"User": "x"}).json()["error"]
    assert error["code"] == "Base.1.22.GeneralError"
    assert [info["MessageArgs"] for info in error["@Message.ExtendedInfo"]] == [["UserName"], ["Password"]]


# --- versions of a resource

def test_if_none_match(shared_service):
    first = shared_service.get(MANAGER)
    tag = first.headers["ETag"]
    again = shared_service.get(MANAGER, headers={"If-None-Match": f'"other", {tag}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["ETag"] == tag
    assert shared_service.get(MANAGER, headers={"If-None-Match": '"other"'}).status_code == 200
    part = shared_service.get(f"{MANAGER}?$select=Name")
    assert part.headers["ETag"] != tag


def test_if_match_refuses_who_comes_late(shared_service):
    registry = {"@odata.type": "#MessageRegistry.v1_6_0.MessageRegistry", "Id": "Late.1.0.0", "Name": "Late",
                "Language": "en", "RegistryPrefix": "Late", "RegistryVersion": "1.0.0", "OwningEntity": "x",
                "Messages": {"Bell": {"Description": "d", "Message": "It rang.", "NumberOfArgs": 0,
                                      "MessageSeverity": "OK", "Resolution": "None."}}}
    place = f"{REGISTRIES}/Late.1.0.0"
    assert shared_service.ask("POST", REGISTRIES, json=registry).status_code == 201
    house.wait_for(lambda: shared_service.get(place).status_code == 200, what="the registry")
    tag = shared_service.get(place).headers["ETag"]
    late = shared_service.ask("DELETE", place, headers={"If-Match": 'W/"0123456789abcdef"'})
    told(late, 412, "PreconditionFailed")
    assert shared_service.get(place).status_code == 200
    assert shared_service.ask("DELETE", place, headers={"If-Match": tag}).status_code == 204
    house.wait_for(lambda: shared_service.get(place).status_code == 404, what="no registry")


# --- queries

def test_select(shared_service):
    body = shared_service.get(f"{MANAGER}?$select=Status/State,UUID").json()
    assert set(body) == {"@odata.id", "@odata.type", "UUID", "Status"} and set(body["Status"]) == {"State"}
    shared_service.post(event_body(EventId="for $select"))
    shared_service.wait_entries(1)
    page = shared_service.get(f"{ENTRIES}?$select=Severity,MessageId&$top=1").json()
    [entry] = page["Members"]
    assert set(entry) == {"@odata.id", "@odata.type", "Severity", "MessageId"} and page["Members@odata.count"] >= 1


def test_only_and_expand(shared_service):
    manager = shared_service.get(MANAGER).json()
    assert shared_service.get("/redfish/v1/Managers?only").json() == manager
    registries = shared_service.get(REGISTRIES).json()
    assert shared_service.get(f"{REGISTRIES}?only").json() == registries
    for expand in (".", "*", ".($levels=1)"):
        assert shared_service.get(f"/redfish/v1/Managers?$expand={expand}").json()["Members"] == [manager]
    link = [{"@odata.id": MANAGER}]
    assert shared_service.get("/redfish/v1/Managers?$expand=~").json()["Members"] == link
    # Who may not read a resource does not read it inside another one either.
    root = shared_service.get(f"{ROOT}?$expand=.", auth=None).json()
    assert root["Managers"] == {"@odata.id": "/redfish/v1/Managers"}
    assert "Members" in shared_service.get(f"{ROOT}?$expand=.").json()["Managers"]


def test_pages_of_a_collection_are_the_collection(shared_service):
    whole = shared_service.get(REGISTRIES).json()["Members"]
    path, pages = f"{REGISTRIES}?$top=9", []
    while path:
        page = shared_service.get(path).json()
        assert page["Members@odata.count"] == len(whole) and len(page["Members"]) <= 9
        pages += page["Members"]
        path = page.get("Members@odata.nextLink")
    assert pages == whole and len(whole) > 18


@pytest.mark.parametrize("query, status, key", [
    ("$nothing=1", 501, "QueryParameterUnsupported"), ("$count=true", 501, "QueryParameterUnsupported"),
    ("$top=x", 400, "QueryParameterValueTypeError"), ("$top=5", 400, "QueryNotSupportedOnResource"),
    ("only", 400, "QueryNotSupportedOnResource"), ("$filter=Id%20eq%201", 400, "QueryNotSupportedOnResource"),
    ("$select=", 400, "QueryParameterValueFormatError"), ("$expand=.($levels=3)", 400, "QueryParameterOutOfRange"),
    ("$select=Id&$select=Name", 400, "QueryParameterValueError"), ("only&$top=1", 400, "QueryCombinationInvalid")])
def test_queries_that_are_refused(shared_service, query, status, key):
    info = told(shared_service.get(f"{MANAGER}?{query}"), status, key)
    if info["MessageArgs"]:
        assert query.split("=")[0] in info["MessageArgs"]


def test_queries_that_are_passed_over_or_out_of_place(shared_service):
    assert shared_service.get(f"{MANAGER}?colour=red&top=1").json() == shared_service.get(MANAGER).json()
    answer = shared_service.ask("POST", f"{SESSIONS}?$select=Id", json={"UserName": "a", "Password": "b"})
    told(answer, 400, "QueryNotSupportedOnOperation")
    bad = told(shared_service.get(f"{ENTRIES}?$filter=Severity%20is%20'x'"), 400, "QueryParameterValueFormatError")
    assert "column" in bad["Resolution"]
    told(shared_service.get(f"{ENTRIES}?$orderby=Message"), 400, "QueryParameterValueFormatError")


# --- words and bytes

def test_errors_speak_the_callers_language(shared_service):
    shipped = {path.name: json.loads((path / "Base.json").read_text())["Messages"]
               for path in (house.ROOT / "translations").iterdir() if (path / "Base.json").exists()}
    shipped["en"] = json.loads((house.ROOT / "registries/standard/Base.json").read_text())["Messages"]
    assert len(shipped) >= 4
    for language, messages in shipped.items():
        headers = {"Accept-Language": f"{language}, en;q=0.1"}
        info = told(shared_service.get("/redfish/v1/Nowhere", headers=headers), 404, "InvalidURI")
        words = re.sub("[\u2066-\u2069]", "", info["Message"])  # around what is left to right
        assert words == messages["InvalidURI"]["Message"].replace("%1", "/redfish/v1/Nowhere")
        assert info["Resolution"] == messages["InvalidURI"]["Resolution"]


def test_every_error_of_ours_has_words(shared_service):
    """No key is used in the code that the registry does not have, and arguments are as many."""
    messages = json.loads((house.ROOT / "registries/standard/Base.json").read_text())["Messages"]
    used = set()
    for path in (house.ROOT / "api").glob("*.c"):
        source = path.read_text()
        used |= set(re.findall(r'reply_error\(\s*[^,]+,\s*[^,]+,\s*"(\w+)"', source))
        used |= set(re.findall(r'"((?:Query|Property|Action)\w+)"', source))
    used -= {"QueryParameter", "Actions"}  # a query option, and a property
    assert len(used) > 20 and not used - set(messages)


def test_large_answers_are_packed_when_asked(shared_service):
    path = f"{REGISTRIES}?$expand=."
    plain = shared_service.get(path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers and len(plain.content) > 8192
    with httpx.Client(verify=str(shared_service.ca), trust_env=False) as client:
        with client.stream("GET", shared_service.url + path, auth=("admin", shared_service.password),
                           headers={"Accept-Encoding": "gzip"}) as answer:
            packed = b"".join(answer.iter_raw())
            assert answer.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in answer.headers["Vary"]
            assert int(answer.headers["Content-Length"]) == len(packed)
    assert len(packed) < len(plain.content) / 3 and gzip.decompress(packed) == plain.content
    small = shared_service.get("/redfish", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


def test_many_at_once_get_their_own_answers(shared_service):
    def ask(n):
        answer = shared_service.get(f"/redfish/v1/Registries/No.{n}", headers={"Accept-Language": "de"})
        return answer.status_code, f"No.{n}" in answer.json()["error"]["message"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(64))) == {(404, True)}


def test_the_uuid_stays_over_a_restart(shared_service):
    before = shared_service.get(ROOT).json()["UUID"]
    shared_service.terminate()
    shared_service.start().wait_ready()
    assert shared_service.get(ROOT).json()["UUID"] == before
