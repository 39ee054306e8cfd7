"""Sources as AggregationSources: made, changed, removed; on every replica, and without a database."""
import contextlib
import json
import pathlib
import threading

import httpx
import pytest

import house
from house import event_body, wait_for

SERVICE = "/redfish/v1/AggregationService"
SOURCES = f"{SERVICE}/AggregationSources"
AUDIT = "/redfish/v1/Managers/rfeventd/LogServices/Audit/Entries"


def make(service, name, status=201, **body):
    answer = service.ask("POST", SOURCES, json={"Name": name, "HostName": "bmc.example", **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def patch(service, path, body, etag=None, **options):
    etag = etag or service.get(path).headers["ETag"]
    return service.ask("PATCH", path, json=body, headers={"If-Match": etag}, **options)


def token_of(source):
    return source["Oem"]["Rfeventd"]["EventUri"].rsplit("/", 1)[1]


def told(answer, status, key):
    assert answer.status_code == status, answer.text
    infos = answer.json()["error"]["@Message.ExtendedInfo"]
    assert any(info["MessageId"].endswith(f".{key}") for info in infos), answer.text
    return infos[0]


def sent_with(service, token):
    return service.post(event_body(), token=token).status_code


def test_a_source_is_made_and_its_events_bear_its_name(shared_service):
    made = make(shared_service, "rack7-n12", HostName="10.9.8.7", UserName="root",
                Password="calvin and hobbes", Oem={"Rfeventd": {
                    "Site": "Köln", "Rack": "R7", "Owner": "net team", "Tags": {"room": "2.14"}}})
    oem = made["Oem"]["Rfeventd"]
    assert made["HostName"] == "https://10.9.8.7" and made["UserName"] == "root"
    assert made["Password"] is None and oem["PasswordSet"] is True
    assert (oem["Site"], oem["Rack"], oem["Owner"], oem["State"]) == ("Köln", "R7", "net team", "Configured")
    assert oem["Tags"] == {"room": "2.14"} and len(token_of(made)) == 32
    body = event_body(EventId="from rack7-n12")
    assert shared_service.post(body, token=token_of(made)).status_code == 200
    entry = wait_for(lambda: next((e for e in shared_service.entries()
                                   if e["EventId"] == "from rack7-n12"), None), 10, "the event")
    assert entry["source"] == {"id": made["Id"], "name": "rack7-n12", "site": "Köln", "rack": "R7"}
    query = "?$filter=Site%20eq%20'K%C3%B6ln'%20and%20EventId%20eq%20'from%20rack7-n12'"
    assert len(shared_service.get(house.ENTRIES + query).json()["Members"]) == 1
    activity = shared_service.get(oem["Activity"]["@odata.id"]).json()
    assert activity["EventsLastDay"] == 1 and activity["LastSeen"].startswith(entry["received"][:16])


def test_no_password_is_kept_as_it_is(shared_service):
    secret = "unseen-4711-passphrase"
    made = make(shared_service, "secretive", UserName="root", Password=secret)
    details = shared_service.sql("SELECT details FROM source WHERE id = %s", made["Id"])[0][0]
    assert "root" in details and secret not in details
    wait_for(lambda: made["Id"] in (shared_service.state_dir / "snapshot").read_text(), 10, "the snapshot")
    for file in ("snapshot", "rfeventd.log", "audit-queue"):
        path = shared_service.state_dir / file
        assert not path.exists() or secret.encode() not in path.read_bytes(), file
    key = shared_service.state_dir / "secrets-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert secret not in shared_service.get(f"{SOURCES}/{made['Id']}").text


def test_who_sees_the_token(shared_service):
    made = make(shared_service, "half hidden")
    path = f"{SOURCES}/{made['Id']}"
    account = {"UserName": "sourcereader", "Password": "a long enough passphrase", "RoleId": "Operator"}
    assert shared_service.ask("POST", "/redfish/v1/AccountService/Accounts", json=account).status_code == 201
    seen = shared_service.get(path, auth=("sourcereader", account["Password"])).json()["Oem"]["Rfeventd"]
    assert "EventUri" not in seen and seen["TokenSet"] is True
    assert token_of(shared_service.get(path).json()) == token_of(made)


def test_changes_are_made_to_what_was_seen(shared_service):
    made = make(shared_service, "changing", Oem={"Rfeventd": {"Tags": {"a": "1", "b": "2"}}})
    path = f"{SOURCES}/{made['Id']}"
    first = shared_service.get(path).headers["ETag"]
    told(shared_service.ask("PATCH", path, json={"Name": "x"}), 428, "PreconditionRequired")
    answer = patch(shared_service, path, {"Oem": {"Rfeventd": {"Site": "Bonn", "Tags": {"a": None, "c": "3"}}}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["Oem"]["Rfeventd"]["Tags"] == {"b": "2", "c": "3"}
    assert answer.headers["ETag"] == shared_service.get(path).headers["ETag"] != first
    told(patch(shared_service, path, {"Name": "late"}, etag=first), 412, "PreconditionFailed")
    mixed = patch(shared_service, path, {"Name": "renamed", "Colour": "red", "Oem": {"Rfeventd": {"State": "x"}}})
    assert mixed.status_code == 200 and mixed.json()["Name"] == "renamed"
    assert "Colour@Message.ExtendedInfo" in mixed.json()
    assert "Oem/Rfeventd/State@Message.ExtendedInfo" in mixed.json()
    mixed = patch(shared_service, path, {"HostName": "ftp://x", "Oem": {"Rfeventd": {
        "Rack": "Q", "Address": "rfeventd", "Tags": {"d": "4", "e": 5}}}}).json()
    assert (mixed["HostName"], mixed["Oem"]["Rfeventd"]["Rack"]) == (made["HostName"], "Q")
    assert mixed["Oem"]["Rfeventd"]["Tags"] == {"b": "2", "c": "3"} and not mixed["Oem"]["Rfeventd"]["Address"]
    assert patch(shared_service, path, {"Oem": {"Rfeventd": {"Site": None}}}).json()["Oem"]["Rfeventd"]["Site"] is None


def test_of_two_who_change_it_at_once_one_is_refused(shared_service):
    made = make(shared_service, "contested")
    path = f"{SOURCES}/{made['Id']}"
    for turn in range(5):
        etag = shared_service.get(path).headers["ETag"]
        answers = []
        threads = [threading.Thread(target=lambda n=n: answers.append(
            patch(shared_service, path, {"Oem": {"Rfeventd": {"Owner": f"{turn}-{n}"}}}, etag=etag)))
                   for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(a.status_code for a in answers) == [200, 412, 412], [a.text for a in answers]
        good = next(a for a in answers if a.status_code == 200)
        assert shared_service.get(path).json() == {
            k: v for k, v in good.json().items() if "@Message" not in k}


@pytest.mark.parametrize("body,key", [
    ({"Name": "no host"}, "CreateFailedMissingReqProperties"),
    ({"HostName": "ftp://x"}, "PropertyValueFormatError"),
    ({"HostName": "user:secret@x"}, "PropertyValueFormatError"),
    ({"HostName": "x", "Name": ""}, "PropertyValueFormatError"),
    ({"HostName": "x", "Name": 7}, "PropertyValueTypeError"),
    ({"HostName": "x", "Nmae": "y"}, "PropertyUnknown"),
    ({"HostName": "x", "Oem": {"Rfeventd": {"Site": "a\nb"}}}, "PropertyValueFormatError"),
    ({"HostName": "x", "Oem": {"Rfeventd": {"Tags": {str(n): "v" for n in range(17)}}}}, "PropertyValueError"),
    ({"HostName": "x", "Oem": {"Rfeventd": {"Certificate": "sha256:ab:cd"}}}, "PropertyValueFormatError"),
    ({"HostName": "x", "Oem": {"Rfeventd": {"Subscribe": True}}}, "PropertyValueNotInList"),
    ({"HostName": "x", "Oem": {"Rfeventd": {"Address": "rfeventd"}}}, "PropertyValueFormatError"),
    ({"HostName": "x", "Oem": {"Contoso": {}}}, "PropertyUnknown"),
])
def test_what_is_no_source_is_refused(shared_service, body, key):
    before = shared_service.get(SOURCES).json()["Members@odata.count"]
    told(shared_service.ask("POST", SOURCES, json=body), 400, key)
    assert shared_service.get(SOURCES).json()["Members@odata.count"] == before


def test_a_name_is_taken_once(shared_service):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(shared_service.ask(
        "POST", SOURCES, json={"Name": "only one", "HostName": "x"}).status_code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409, 409, 409]


def test_a_new_token_ends_the_old_one(shared_service):
    made = make(shared_service, "rotated")
    path = f"{SOURCES}/{made['Id']}"
    answer = shared_service.ask("POST", f"{path}/Actions/Oem/Rfeventd.RotateToken", json={})
    assert answer.status_code == 200, answer.text
    assert token_of(answer.json()) != token_of(made)
    assert sent_with(shared_service, token_of(answer.json())) == 200
    assert sent_with(shared_service, token_of(made)) == 401


def test_a_removed_source_is_gone_and_one_that_enrolled_may_come_back(shared_service):
    made = make(shared_service, "short-lived")
    path = f"{SOURCES}/{made['Id']}"
    assert shared_service.ask("DELETE", path).status_code == 204
    assert shared_service.get(path).status_code == 404
    assert shared_service.ask("DELETE", path).status_code == 404
    assert sent_with(shared_service, token_of(made)) == 401
    make(shared_service, "short-lived")
    assert shared_service.post(event_body()).status_code == 200
    enrolled = wait_for(lambda: shared_service.get(
        f"{SOURCES}?$filter=Oem/Rfeventd/State%20eq%20'Enrolled'").json()["Members"], 10, "an enrolled source")
    path = enrolled[0]["@odata.id"]
    wait_for(lambda: shared_service.sql("SELECT 1 FROM source WHERE id = %s", path.rsplit("/", 1)[1]), 10, "its row")
    assert shared_service.ask("DELETE", path).status_code == 204
    assert shared_service.get(path).status_code == 404
    assert shared_service.post(event_body()).status_code == 200
    wait_for(lambda: shared_service.get(path).status_code == 200, 10, "it is there again")
    wait_for(lambda: shared_service.sql("SELECT state FROM source WHERE id = %s",
                                        path.rsplit("/", 1)[1]) == [(0,)], 10, "in the database, too")


def test_the_collection_is_filtered_sorted_and_paged(shared_service):
    for n in range(7):
        make(shared_service, f"page-{n}", Oem={"Rfeventd": {"Rack": f"P{n % 2}", "Tags": {"n": str(n)}}})

    def names(query):
        found, path = [], f"{SOURCES}?$expand=.&{query}"
        while path:
            body = shared_service.get(path).json()
            found += [member["Name"] for member in body["Members"]]
            path = body.get("Members@odata.nextLink")
        return found, body["Members@odata.count"]
    odd = "startswith(Name,'page-') and Oem/Rfeventd/Rack eq 'P1'"
    assert names(f"$filter={odd}") == ([f"page-{n}" for n in (1, 3, 5)], 3)
    assert names(f"$filter={odd}&$orderby=Name desc&$top=2") == (["page-5", "page-3", "page-1"], 3)
    assert names("$filter=Oem/Rfeventd/Tags/n eq '4'") == (["page-4"], 1)
    info = told(shared_service.get(f"{SOURCES}?$filter=Name eq"), 400, "QueryParameterValueFormatError")
    assert "column 8" in info["Resolution"]
    assert not shared_service.get(f"{SOURCES}?$filter=Name eq 'rfeventd'").json()["Members"]


def test_a_large_collection_is_filtered_beside_other_requests(new_service):
    """What takes long is not the API thread's: others are answered meanwhile."""
    service = new_service()
    service.start().wait_ready()
    n = 40000
    service.sql("INSERT INTO source (id, name, token, state, created) SELECT gen_random_uuid(), 'many-' || n,"
                " 'many' || n, 1, now() FROM generate_series(1, %s) n", n)
    query = f"{SOURCES}?$filter=endswith(Name,'77') and not contains(Name,'many-1')&$orderby=Name desc&$top=3"
    wait_for(lambda: service.get(query).json()["Members@odata.count"] == 289, 30, "the sources")
    ended, meanwhile = threading.Event(), 0

    def ask():
        assert len(service.get(query).json()["Members"]) == 3
        ended.set()
    asking = threading.Thread(target=ask)
    with httpx.Client(base_url=service.url, verify=str(service.ca), trust_env=False) as client:
        client.get("/-/healthy")
        asking.start()
        while not ended.is_set():
            assert client.get("/-/healthy").status_code == 200
            meanwhile += 1
    asking.join()
    assert meanwhile >= 10, f"{meanwhile} other requests were answered while the sources were filtered"


def test_small_collections_are_filtered_too(shared_service):
    roles = "/redfish/v1/AccountService/Roles"
    body = shared_service.get(f"{roles}?$filter=RoleId ne 'ReadOnly'&$orderby=RoleId desc").json()
    assert [m["@odata.id"].rsplit("/", 1)[1] for m in body["Members"]] == ["Operator", "Administrator"]
    assert body["Members@odata.count"] == 2
    told(shared_service.get("/redfish/v1/?$filter=Id eq 'x'"), 400, "QueryNotSupportedOnResource")


def test_changes_are_in_the_audit_log(shared_service):
    made = make(shared_service, "audited", Password="never in the log", UserName="u")
    path = f"{SOURCES}/{made['Id']}"
    assert patch(shared_service, path, {"Oem": {"Rfeventd": {"Rack": "A"}}}).status_code == 200
    assert shared_service.ask("POST", f"{path}/Actions/Oem/Rfeventd.RotateToken", json={}).status_code == 200
    assert shared_service.ask("DELETE", path).status_code == 204

    def messages():
        entries = shared_service.get(f"{AUDIT}?$top=1000").json()["Members"]
        return [e["MessageId"].rsplit(".", 1)[1] for e in entries if e.get("MessageArgs") == ["audited"]]
    wanted = ["SourceRemoved", "SourceTokenRenewed", "SourceChanged", "SourceMade"]
    wait_for(lambda: messages() == wanted, 15, "all four")
    assert "never in the log" not in json.dumps(shared_service.get(f"{AUDIT}?$top=1000").json())


def test_what_the_configuration_declares_is_changed_there(new_service):
    service = new_service(sets=["sources=[{name: fixed, token: abcdefgh, site: S}]"]).start().wait_ready()
    members = service.get(f"{SOURCES}?$expand=.").json()["Members"]
    fixed = next(m for m in members if m["Name"] == "fixed")
    assert fixed["Oem"]["Rfeventd"]["State"] == "Declared"
    path = fixed["@odata.id"]
    for method, where in (("PATCH", path), ("DELETE", path), ("POST", f"{path}/Actions/Oem/Rfeventd.RotateToken")):
        answer = service.ask(method, where, json={"Name": "mine"}, headers={"If-Match": "*"})
        info = told(answer, 405, "OperationNotAllowed")
        assert "--set" in info["Resolution"] and answer.headers["Allow"] == "GET, HEAD"


def test_without_a_database(new_service):
    service = new_service().start().wait_ready()
    made = make(service, "kept", Oem={"Rfeventd": {"Site": "here"}})
    wait_for(lambda: made["Id"] in (service.state_dir / "snapshot").read_text(), 10, "the snapshot")
    house.without_postgres(service)
    service.start().wait_listening()
    kept = service.get(f"{SOURCES}/{made['Id']}").json()
    assert kept["Oem"]["Rfeventd"]["Site"] == "here"
    assert sent_with(service, token_of(made)) == 200
    info = told(service.ask("POST", SOURCES, json={"Name": "n", "HostName": "x"}), 503,
                "ServiceTemporarilyUnavailable")
    assert "database" in info["Resolution"]
    service.kill()
    house.with_postgres(service)


def is_open(service, path, auth):
    """Whether the operators' door answers 200."""
    with contextlib.suppress(httpx.TransportError, OSError):
        return service.get(path, auth=auth).status_code == 200
    return False


def test_every_replica_takes_what_one_was_told(shared_service, tmp_path_factory):
    lines = (shared_service.state_dir / "postgresql/postmaster.pid").read_text().split("\n")
    shared_service.sql("CREATE DATABASE sourcetwins")
    url = f"postgresql://rfeventd@/sourcetwins?host={lines[4]}&port={lines[3]}"
    one, other = (house.Service(pathlib.Path(tmp_path_factory.mktemp(name)), sets=[f"storage.url={url}"])
                  for name in ("sourceone", "sourceother"))
    one.start()
    try:
        wait_for(lambda: is_open(one, "/-/ready", None), 60, "the first replica")
        other.start()
        wait_for(lambda: is_open(other, "/-/ready", None), 60, "the other replica")
        auth = ("admin", one.password)
        wait_for(lambda: is_open(other, SERVICE, auth), 20, "its accounts")
        made = make(one, "everywhere", Oem={"Rfeventd": {"Site": "S"}})
        path = f"{SOURCES}/{made['Id']}"
        wait_for(lambda: is_open(other, path, auth), 5, "the source there")
        assert sent_with(other, token_of(made)) == 200
        seen = other.get(path, auth=auth)
        patch_body = {"Oem": {"Rfeventd": {"Site": "T"}}}
        assert patch(one, path, patch_body).status_code == 200
        late = other.ask("PATCH", path, json={"Name": "late"}, headers={"If-Match": seen.headers["ETag"]}, auth=auth)
        told(late, 412, "PreconditionFailed")
        # Without a key that both have nobody could read a password that the other was told.
        refused = one.ask("POST", SOURCES, json={"HostName": "x", "UserName": "u", "Password": "p"})
        assert "secrets.key_file" in told(refused, 400, "PropertyValueError")["Resolution"]
        assert other.ask("DELETE", path, auth=auth).status_code == 204
        wait_for(lambda: one.get(path).status_code == 404, 5, "its end at the first")
        assert sent_with(one, token_of(made)) == 401
    finally:
        other.close()
        one.close()


def test_commands(shared_service, tmp_path):
    def run(*arguments, status=0, **options):
        done = shared_service.cli(*arguments, **options)
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        return done.stdout
    secret = tmp_path / "password"
    secret.write_text("from a file\n")
    uri = run("source", "add", "by hand", "10.20.30.40", "--username", "root", "--password-file", str(secret),
              "--site", "Bonn", "--tag", "room=1", "--tag", "unit=7", "--insecure").strip()
    assert sent_with(shared_service, uri.rsplit("/", 1)[1]) == 200
    made = json.loads(run("-o", "json", "source", "add", "piped", "bmc2", "--username", "u",
                          "--password-file", "-", input="from a pipe\n"))
    assert made["Oem"]["Rfeventd"]["PasswordSet"] is True
    rows = json.loads(run("-o", "json", "source", "list", "--filter", "Oem/Rfeventd/Tags/room eq '1'"))
    assert ["by hand"] == [row["Name"] for row in rows if row["Site"] == "Bonn"]
    shown = run("source", "show", "by hand")
    assert uri in shown and "room=1" in shown and "from a file" not in shown
    wait_for(lambda: "LastSeen" in run("source", "show", "by hand"), 10, "its event in the log")
    assert json.loads(run("-o", "json", "source", "show", made["Id"]))["Name"] == "piped"
    assert run("source", "remove", "by hand") == ""
    run("source", "show", "by hand", status=1)
    run("source", "remove", "by hand", status=1)
    run("source", "add", "only a name", status=2)
    run("source", "add", "piped", "x", status=1)
    run("source", "add", "n", "x", "--tag", "novalue", status=2)
