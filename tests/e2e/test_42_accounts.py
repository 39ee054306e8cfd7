"""Accounts, sessions, API tokens, roles, and the Audit log, on the real service."""
import json
import os
import pathlib
import stat
import subprocess
import threading
import time

import httpx
import pytest

import house
from house import BUILD, Service, wait_for, without_postgres

SERVICE = "/redfish/v1/AccountService"
ACCOUNTS = f"{SERVICE}/Accounts"
TOKENS = f"{SERVICE}/Oem/Rfeventd/Tokens"
SESSIONS = "/redfish/v1/SessionService/Sessions"
AUDIT = "/redfish/v1/Managers/rfeventd/LogServices/Audit/Entries"
STORAGE = "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Storage"
QUARANTINE = "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Quarantine"
REGISTRIES = "/redfish/v1/Registries"
SOURCES = "/redfish/v1/AggregationService/AggregationSources"
TASKS = "/redfish/v1/TaskService/Tasks"
PASSWORD = "a long enough passphrase"


def add(service, name, role="ReadOnly", password=PASSWORD, **more):
    answer = service.ask("POST", ACCOUNTS, json={"UserName": name, "Password": password,
                                                 "RoleId": role, **more})
    assert answer.status_code == 201, answer.text
    return answer


def log_in(service, name, password=PASSWORD):
    answer = service.session({"UserName": name, "Password": password})
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Auth-Token"]


def ask(service, token, method, path, **options):
    headers = {"X-Auth-Token": token} if token else {}
    headers.update(options.pop("headers", {}))
    return service.ask(method, path, auth=None, headers=headers, **options)


def patch(service, path, body, language="en", **options):
    headers = {"If-Match": service.get(path).headers["ETag"], "Accept-Language": language}
    return service.ask("PATCH", path, json=body, headers=headers, **options)


def answers(service, path="/-/healthy", **options):
    """Whether the operators' door is open, and says 200."""
    try:
        return service.get(path, **{"auth": None, **options}).status_code == 200
    except (httpx.TransportError, OSError):
        return False


def wait_door(service):
    wait_for(lambda: answers(service), 20, "the operators' door")


def audit(service, **options):
    return service.get(f"{AUDIT}?$top=1000", **options).json()["Members"]


def wait_audit(service, wanted, timeout=15):
    """Until an entry is there for which `wanted` holds."""
    return wait_for(lambda: next((e for e in audit(service) if wanted(e)), None), timeout,
                    "an entry of the Audit log")


# Who may what: method, path, body, and the least role that is let in (None: everybody).
EVERYBODY, READ_ONLY, OPERATOR, ADMINISTRATOR = None, 0, 1, 2
ROLES = ["ReadOnly", "Operator", "Administrator"]
MATRIX = [
    ("GET", "/-/healthy", None, EVERYBODY),
    ("GET", "/-/ready", None, EVERYBODY),
    ("GET", "/redfish", None, EVERYBODY),
    ("GET", "/redfish/v1/", None, EVERYBODY),
    ("POST", SESSIONS, {}, EVERYBODY),
    ("POST", f"{SESSIONS}/Members", {}, EVERYBODY),
    ("GET", "/metrics", None, READ_ONLY),
    ("GET", "/redfish/v1/Managers/rfeventd", None, READ_ONLY),
    ("GET", house.ENTRIES, None, READ_ONLY),
    ("GET", f"{house.ENTRIES}/1", None, READ_ONLY),
    ("GET", REGISTRIES, None, READ_ONLY),
    ("GET", f"{REGISTRIES}/Power.1.2.0", None, READ_ONLY),
    ("POST", f"{REGISTRIES}/Actions/Oem/Rfeventd.Resolve", {"MessageId": "Power.1.2.X"}, READ_ONLY),
    ("POST", REGISTRIES, {}, ADMINISTRATOR),
    ("DELETE", f"{REGISTRIES}/Nobody.1.0.0", None, ADMINISTRATOR),
    ("GET", SOURCES, None, READ_ONLY),
    ("POST", SOURCES, {}, ADMINISTRATOR),
    ("POST", f"{SOURCES}/Members", {}, ADMINISTRATOR),
    ("GET", f"{SOURCES}/x", None, READ_ONLY),
    ("PATCH", f"{SOURCES}/x", {"Name": "y"}, ADMINISTRATOR),
    ("DELETE", f"{SOURCES}/x", None, ADMINISTRATOR),
    ("GET", f"{SOURCES}/x/Oem/Rfeventd/Activity", None, READ_ONLY),
    ("POST", f"{SOURCES}/x/Actions/Oem/Rfeventd.RotateToken", {}, ADMINISTRATOR),
    ("POST", f"{SOURCES}/x/Actions/Oem/Rfeventd.FetchRegistries", {}, OPERATOR),
    ("POST", f"{SOURCES}/x/Actions/Oem/Rfeventd.ImportLog", {}, OPERATOR),
    ("GET", SERVICE, None, READ_ONLY),
    ("PATCH", SERVICE, {"Nonsense": 1}, ADMINISTRATOR),
    ("GET", ACCOUNTS, None, READ_ONLY),
    ("POST", ACCOUNTS, {}, ADMINISTRATOR),
    ("GET", f"{ACCOUNTS}/admin", None, ADMINISTRATOR),
    ("PATCH", f"{ACCOUNTS}/admin", {"Enabled": True}, ADMINISTRATOR),
    ("PATCH", f"{ACCOUNTS}/admin", {"Password": "short"}, ADMINISTRATOR),
    ("DELETE", f"{ACCOUNTS}/nobody", None, ADMINISTRATOR),
    ("GET", f"{SERVICE}/Roles", None, READ_ONLY),
    ("GET", f"{SERVICE}/Roles/Operator", None, READ_ONLY),
    ("GET", TOKENS, None, READ_ONLY),
    ("POST", TOKENS, {"Name": "m", "RoleId": "ReadOnly", "Expires": "soon"}, READ_ONLY),
    ("POST", TOKENS, {"Name": "op", "RoleId": "Operator"}, OPERATOR),
    ("POST", TOKENS, {"Name": "adm", "RoleId": "Administrator"}, ADMINISTRATOR),
    ("DELETE", f"{TOKENS}/none", None, READ_ONLY),
    ("GET", "/redfish/v1/SessionService", None, READ_ONLY),
    ("PATCH", "/redfish/v1/SessionService", {"Nonsense": 1}, ADMINISTRATOR),
    ("GET", SESSIONS, None, READ_ONLY),
    ("DELETE", f"{SESSIONS}/none", None, READ_ONLY),
    ("GET", STORAGE, None, READ_ONLY),
    ("GET", QUARANTINE, None, READ_ONLY),
    ("POST", f"{QUARANTINE}/x/Actions/Oem/Rfeventd.Retry", {}, OPERATOR),
    ("POST", f"{QUARANTINE}/Actions/Oem/Rfeventd.RetryAll", {}, OPERATOR),
    ("GET", TASKS, None, READ_ONLY),
    ("GET", TASKS.removesuffix("/Tasks"), None, READ_ONLY),
    ("GET", f"{TASKS}/none", None, READ_ONLY),
    ("GET", f"{TASKS.removesuffix('/Tasks')}/TaskMonitors/none", None, READ_ONLY),
    ("GET", AUDIT.removesuffix("/Entries"), None, ADMINISTRATOR),
    ("GET", AUDIT, None, ADMINISTRATOR),
    ("GET", f"{AUDIT}/1", None, ADMINISTRATOR),
]


@pytest.fixture(scope="module")
def people(shared_service):
    """A session of each role."""
    for role in ROLES:
        add(shared_service, f"matrix-{role}", role)
    return [log_in(shared_service, f"matrix-{role}") for role in ROLES]


@pytest.mark.parametrize("method,path,body,least", MATRIX,
                         ids=[f"{m} {p}" for m, p, _, _ in MATRIX])
def test_who_may_what(shared_service, people, method, path, body, least):
    nobody = ask(shared_service, None, method, path, json=body)
    assert (nobody.status_code == 401) == (least is not None), nobody.text
    assert nobody.status_code != 403
    if least is None:
        return
    for role, token in enumerate(people):
        answer = ask(shared_service, token, method, path, json=body)
        assert answer.status_code != 401
        assert (answer.status_code == 403) == (role < least), (ROLES[role], answer.text)


def test_what_is_expanded_is_what_one_may_read(shared_service, people):
    for role, token in enumerate(people):
        accounts = ask(shared_service, token, "GET", f"{ACCOUNTS}?$expand=.").json()["Members"]
        names = {account["UserName"] for account in accounts}
        assert f"matrix-{ROLES[role]}" in names
        assert ("admin" in names) == (role == ADMINISTRATOR)
        logs = ask(shared_service, token, "GET", "/redfish/v1/Managers/rfeventd/LogServices?$expand=.")
        shown = {log["@odata.id"]: log.get("Id") for log in logs.json()["Members"]}
        assert shown[AUDIT.removesuffix("/Entries")] == ("Audit" if role == ADMINISTRATOR else None)
        sessions = ask(shared_service, token, "GET", f"{SESSIONS}?$expand=.").json()["Members"]
        owners = {session["UserName"] for session in sessions}
        assert owners >= {f"matrix-{name}" for name in ROLES} if role == ADMINISTRATOR else \
            owners == {f"matrix-{ROLES[role]}"}


def test_a_name_with_an_at_sign_is_found_encoded_and_not(shared_service):
    assert add(shared_service, "ops@example.com").headers["Location"] == f"{ACCOUNTS}/ops@example.com"
    for path in (f"{ACCOUNTS}/ops@example.com", f"{ACCOUNTS}/ops%40example.com"):
        assert shared_service.get(path).json()["UserName"] == "ops@example.com"
    assert patch(shared_service, f"{ACCOUNTS}/ops%40example.com", {"Enabled": False}).status_code == 200
    assert shared_service.get(f"{ACCOUNTS}/ops@example.com").json()["Enabled"] is False
    assert shared_service.ask("DELETE", f"{ACCOUNTS}/ops%40example.com").status_code == 204


def test_what_is_wrong_is_told_in_the_callers_language_and_no_password_with_it(shared_service):
    answer = shared_service.ask("POST", ACCOUNTS, headers={"Accept-Language": "de"},
                                json={"UserName": "x/y", "Password": "too short", "RoleId": "King"})
    infos = answer.json()["error"]["@Message.ExtendedInfo"]
    assert answer.status_code == 400
    assert {(info["MessageId"].rsplit(".", 1)[1], info["RelatedProperties"][0]) for info in infos} == {
        ("PropertyValueFormatError", "/UserName"), ("PasswordIncorrectLength", "/Password"),
        ("PropertyValueNotInList", "/RoleId")}
    assert "Passwort" in answer.text and "too short" not in answer.text
    path = add(shared_service, "told").headers["Location"]
    english, german = (patch(shared_service, path, {"Enabled": True, "Nonsense": 1}, language=language)
                       .json()["Nonsense@Message.ExtendedInfo"][0] for language in ("en", "de"))
    assert english["MessageArgs"] == ["Nonsense"] and english["MessageId"] == german["MessageId"]
    assert english["Message"] != german["Message"]
    changed = patch(shared_service, path, {"Enabled": True})
    assert changed.headers["ETag"] == shared_service.get(path).headers["ETag"]
    assert changed.json() == shared_service.get(path).json()


def test_the_ways_in_are_equal(shared_service, people):
    add(shared_service, "ways", "Operator")
    token = ask(shared_service, log_in(shared_service, "ways"), "POST", TOKENS,
                json={"Name": "ways"}).json()["Token"]
    assert token.startswith("rfe_")
    for options in ({"auth": ("ways", PASSWORD)}, {"headers": {"Authorization": f"Bearer {token}"}},
                    {"headers": {"X-Auth-Token": token}},
                    {"headers": {"Authorization": f"Bearer {log_in(shared_service, 'ways')}"}}):
        own = shared_service.ask("GET", f"{ACCOUNTS}/ways", **{"auth": None, **options})
        assert own.status_code == 200 and own.json()["RoleId"] == "Operator"
        assert own.json()["Password"] is None
        assert shared_service.ask("GET", AUDIT, **{"auth": None, **options}).status_code == 403
    for wrong in (token[:-1] + ("a" if token[-1] != "a" else "b"), token[4:], "rfe_"):
        answer = ask(shared_service, None, "GET", ACCOUNTS, headers={"Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401


def test_tokens_end(shared_service):
    add(shared_service, "tokens", "Operator")
    session = log_in(shared_service, "tokens")

    def make(**body):
        return ask(shared_service, session, "POST", TOKENS, json=body)

    def works(made):
        return ask(shared_service, None, "GET", SERVICE,
                   headers={"Authorization": f"Bearer {made['Token']}"}).status_code == 200

    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    short, kept = make(Name="short", Expires=soon).json(), make(Name="kept").json()
    assert works(short) and works(kept)
    assert "Token" not in ask(shared_service, session, "GET", kept["@odata.id"]).json()
    assert make(Name="kept").status_code == 409
    for bad in ({}, {"Name": ""}, {"Name": "x", "Expires": "2020-01-01T00:00:00Z"},
                {"Name": "x", "Expires": "2099-01-01T00:00:00Z"}, {"Name": "x", "RoleId": "King"},
                {"Name": 7}):
        assert make(**bad).status_code == 400, bad
    assert make(Name="up", RoleId="Administrator").status_code == 403
    wait_for(lambda: not works(short), 10, "the token's end")
    assert works(kept)
    # A token is worth what its account is worth now.
    assert patch(shared_service, f"{ACCOUNTS}/tokens", {"RoleId": "ReadOnly"}).status_code == 200
    fetch = f"{SOURCES}/x/Actions/Oem/Rfeventd.FetchRegistries"
    assert ask(shared_service, None, "POST", fetch, json={},
               headers={"Authorization": f"Bearer {kept['Token']}"}).status_code == 403
    assert patch(shared_service, f"{ACCOUNTS}/tokens", {"Enabled": False}).status_code == 200
    assert not works(kept)
    assert patch(shared_service, f"{ACCOUNTS}/tokens", {"Enabled": True}).status_code == 200
    assert works(kept)
    assert ask(shared_service, log_in(shared_service, "tokens"), "DELETE",
               kept["@odata.id"]).status_code == 204
    assert not works(kept)


def test_accounts_are_changed_by_rules(shared_service):
    made = add(shared_service, "rules", "Operator")
    path = made.headers["Location"]
    assert made.json()["UserName"] == "rules" and shared_service.get(path).json() == made.json()
    assert path in [m["@odata.id"] for m in shared_service.get(ACCOUNTS).json()["Members"]]
    for body, status in [({"UserName": "rules", "Password": PASSWORD, "RoleId": "ReadOnly"}, 409),
                         ({"UserName": "Rules2", "Password": "short", "RoleId": "ReadOnly"}, 400),
                         ({"UserName": "a/b", "Password": PASSWORD, "RoleId": "ReadOnly"}, 400),
                         ({"UserName": "", "Password": PASSWORD, "RoleId": "ReadOnly"}, 400),
                         ({"UserName": "x" * 65, "Password": PASSWORD, "RoleId": "ReadOnly"}, 400),
                         ({"UserName": "x", "Password": "p" * 257, "RoleId": "ReadOnly"}, 400),
                         ({"UserName": "x", "Password": PASSWORD, "RoleId": "King"}, 400),
                         ({"UserName": "x", "Password": PASSWORD}, 400), ([], 400)]:
        assert shared_service.ask("POST", ACCOUNTS, json=body).status_code == status, body
    assert shared_service.ask("PATCH", path, json={"RoleId": "ReadOnly"}).status_code == 428
    old = shared_service.get(path).headers["ETag"]
    mixed = patch(shared_service, path, {"RoleId": "ReadOnly", "Bogus": 1, "UserName": "other"})
    assert mixed.status_code == 200 and mixed.json()["RoleId"] == "ReadOnly"
    assert "PropertyUnknown" in mixed.json()["Bogus@Message.ExtendedInfo"][0]["MessageId"]
    assert "NotWritable" in mixed.json()["UserName@Message.ExtendedInfo"][0]["MessageId"]
    said = {tuple(info["RelatedProperties"]) for info in mixed.json()["@Message.ExtendedInfo"]}
    assert {("/Bogus",), ("/UserName",)} <= said
    assert shared_service.ask("PATCH", path, json={"Enabled": False},
                              headers={"If-Match": old}).status_code == 412
    assert shared_service.ask("DELETE", path, headers={"If-Match": old}).status_code == 412
    for nothing in ({}, {"Bogus": 1}, {"@odata.id": path}, {"Enabled": "yes"}, {"Locked": True}):
        assert patch(shared_service, path, nothing).status_code == 400, nothing
    assert shared_service.ask("DELETE", path).status_code == 204
    assert shared_service.get(path).status_code == 404
    for change in ({"RoleId": "Operator"}, {"Enabled": False}):
        others = [m["@odata.id"] for m in shared_service.get(ACCOUNTS).json()["Members"]]
        for other in others:
            if other != f"{ACCOUNTS}/admin" and shared_service.get(other).json()["RoleId"] == "Administrator":
                assert shared_service.ask("DELETE", other).status_code == 204
        assert patch(shared_service, f"{ACCOUNTS}/admin", change).status_code == 409
    assert shared_service.ask("DELETE", f"{ACCOUNTS}/admin").status_code == 409


def test_own_password_and_what_it_ends(shared_service):
    add(shared_service, "own")
    path = f"{ACCOUNTS}/own"
    mine, other = log_in(shared_service, "own"), log_in(shared_service, "own")
    basic = {"auth": ("own", PASSWORD)}
    assert shared_service.get(path, **basic).status_code == 200  # remembered from here on
    etag = shared_service.get(path).headers["ETag"]

    def change(body):
        return ask(shared_service, mine, "PATCH", path, json=body, headers={"If-Match": etag})

    assert change({"RoleId": "Administrator"}).status_code == 403
    assert change({"Password": "another passphrase", "RoleId": "Administrator"}).status_code == 403
    assert change({"Password": "another passphrase"}).status_code == 200
    assert shared_service.get(path, **basic).status_code == 401
    assert shared_service.get(path, auth=("own", "another passphrase")).status_code == 200
    assert ask(shared_service, mine, "GET", path).status_code == 200
    assert ask(shared_service, other, "GET", path).status_code == 401


def test_sessions_are_seen_and_ended(shared_service):
    add(shared_service, "seen")
    add(shared_service, "unseen")
    opened = shared_service.session({"UserName": "seen", "Password": PASSWORD})
    token, path = opened.headers["X-Auth-Token"], opened.headers["Location"]
    assert opened.json()["UserName"] == "seen" and opened.json()["Password"] is None
    assert ask(shared_service, token, "GET", path).json() == opened.json()
    stranger = log_in(shared_service, "unseen")
    assert ask(shared_service, stranger, "GET", path).status_code == 404
    assert ask(shared_service, stranger, "DELETE", path).status_code == 404
    assert path not in [m["@odata.id"] for m in ask(shared_service, stranger, "GET", SESSIONS).json()["Members"]]
    assert path in [m["@odata.id"] for m in shared_service.get(SESSIONS).json()["Members"]]
    assert ask(shared_service, token, "DELETE", path).status_code == 204
    assert ask(shared_service, token, "GET", SERVICE).status_code == 401
    for timeout, status in ((29, 400), (86401, 400), ("30", 400), (600, 200)):
        answer = patch(shared_service, "/redfish/v1/SessionService", {"SessionTimeout": timeout})
        assert answer.status_code == status, timeout
    assert shared_service.get("/redfish/v1/SessionService").json()["SessionTimeout"] == 600


def test_wrong_passwords_lock_but_not_the_owner_s_sessions(shared_service):
    service = shared_service
    add(service, "locked")
    session = log_in(service, "locked")
    # The rules belong together.
    assert patch(service, SERVICE, {"AccountLockoutDuration": 2}).status_code == 400
    answer = patch(service, SERVICE, {"AccountLockoutThreshold": 3, "AccountLockoutDuration": 4,
                                      "AccountLockoutCounterResetAfter": 4})
    assert answer.status_code == 200, answer.text
    add(service, "other")

    def tries(name, password):
        return service.session({"UserName": name, "Password": password}).status_code

    for name in ("locked", "other"):  # logged in from here before, and never
        assert [tries(name, f"wrong {i}") for i in range(3)] == [401] * 3
        assert tries(name, PASSWORD) == 401
        assert service.get(f"{ACCOUNTS}/{name}").json()["Locked"] is True
    assert ask(service, session, "GET", f"{ACCOUNTS}/locked").status_code == 200
    assert patch(service, f"{ACCOUNTS}/locked", {"Locked": False}).status_code == 200
    assert tries("locked", PASSWORD) == 201
    wait_for(lambda: tries("other", PASSWORD) == 201, 15, "the lock's end")
    answer = patch(service, SERVICE, {"AccountLockoutThreshold": 10, "AccountLockoutDuration": 300,
                                      "AccountLockoutCounterResetAfter": 300})
    assert answer.status_code == 200, answer.text
    assert wait_audit(service, lambda e: e["MessageId"].endswith(".AccountLocked"))
    # Names that are none are refused alike, and never written down.
    assert tries("nobody-at-all", PASSWORD) == 401
    entry = wait_audit(service, lambda e: e["MessageId"].endswith(".InvalidCredentials")
                       and "Username" not in e)
    assert entry["OriginAddress"] == "tcp://127.0.0.1"
    assert "nobody-at-all" not in json.dumps(audit(service))


def test_a_flood_of_wrong_passwords_slows_nobody(service):
    add(service, "busy")
    session = log_in(service, "busy")
    statuses, starts = [], time.monotonic()

    def goes_on():
        passed = time.monotonic() - starts
        return passed < 2 or (429 not in statuses and passed < 30)

    def flood():
        while goes_on():
            statuses.append(service.session({"UserName": "admin", "Password": os.urandom(8).hex()}).status_code)

    threads = [threading.Thread(target=flood) for _ in range(12)]
    for thread in threads:
        thread.start()
    took = []
    while goes_on():
        start = time.monotonic()
        assert ask(service, session, "GET", SERVICE).status_code == 200
        assert service.get(SERVICE).status_code == 200  # remembered, although locked for guesses
        took.append(time.monotonic() - start)
    for thread in threads:
        thread.join()
    assert set(statuses) <= {401, 429, 503} and 429 in statuses
    assert statuses.count(401) < 60  # the address is held back
    assert sorted(took)[len(took) // 2] < 2.5  # behind the hashes it would be twice that
    held = wait_audit(service, lambda e: e["MessageId"].endswith(".AddressHeldBack"))
    assert held["Severity"] == "Warning" and held["Oem"]["Rfeventd"]["Status"] == 429


def test_without_a_database(new_service):
    service = new_service().start()
    service.wait_ready()
    add(service, "away", "Operator")
    before = log_in(service, "away")
    token = ask(service, before, "POST", TOKENS, json={"Name": "away"}).json()["Token"]
    without_postgres(service)
    service.start()
    service.wait_listening()
    wait_door(service)
    session = log_in(service, "away")
    assert ask(service, session, "GET", f"{ACCOUNTS}/away").json()["RoleId"] == "Operator"
    assert ask(service, None, "GET", SERVICE, headers={"X-Auth-Token": token}).status_code == 200
    assert service.get(SERVICE, auth=("away", "not this one")).status_code == 401
    refused = service.ask("POST", ACCOUNTS, json={"UserName": "late", "Password": PASSWORD,
                                                  "RoleId": "ReadOnly"})
    assert refused.status_code == 503 and "database" in refused.text
    assert service.get(AUDIT).status_code == 503
    service.kill()  # what was noted is on disk
    away = service.state_dir / "postgresql/postgresql.away"
    away.rename(service.state_dir / "postgresql/postgresql.conf")
    service.start().wait_ready()
    entries = wait_for(lambda: [e for e in audit(service) if e["Oem"]["Rfeventd"]["Status"] == 503] and
                       audit(service), 20, "what was noted meanwhile")
    kinds = [(e["MessageId"].rsplit(".", 1)[1], e.get("Username")) for e in entries]
    assert ("InvalidCredentials", "away") in kinds
    assert kinds.count(("SuccessfulLogin", "away")) == 2
    records = service.sql("SELECT count(*), count(DISTINCT record) FROM audit")
    assert records[0][0] == records[0][1]


def test_a_session_outlives_the_database_s_absence(service):
    add(service, "both")
    pid = service.postgres_pid()
    assert pid
    subprocess.run(["kill", "-STOP", str(pid)], check=True)  # nothing new can connect
    try:
        session = log_in(service, "both")
        assert ask(service, session, "GET", SERVICE).status_code == 200
    finally:
        subprocess.run(["kill", "-CONT", str(pid)], check=True)
    wait_for(lambda: service.sql("SELECT count(*) FROM session WHERE account = 'both'")[0][0] == 1, 20,
             "the session in the database")
    service.kill()
    service.start().wait_ready()
    wait_for(lambda: ask(service, session, "GET", SERVICE).status_code == 200, 10, "the session again")


def test_a_session_that_was_ended_without_a_database_stays_ended(service):
    add(service, "leaving")
    session = log_in(service, "leaving")
    rows = "SELECT id FROM session WHERE account = 'leaving'"
    number = wait_for(lambda: service.sql(rows), 10, "the row")[0][0]
    pid = service.postgres_pid()
    backends = [b for b, in service.sql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'rfeventd%%'")]
    subprocess.run(["kill", "-STOP", str(pid)], check=True)  # nothing new can connect
    try:
        subprocess.run(["kill", "-TERM", *map(str, backends)], check=True)  # and what was is gone
        time.sleep(0.5)
        assert ask(service, session, "DELETE", f"{SESSIONS}/{number}").status_code == 204
    finally:
        subprocess.run(["kill", "-CONT", str(pid)], check=True)
    service.wait_ready()
    wait_for(lambda: not service.sql(rows), 20, "the row is gone")
    assert ask(service, session, "GET", SERVICE).status_code == 401


def test_a_password_file_that_is_not_of_the_password_is_put_aside(service):
    """As after a restore on a new machine: the database's admin is another one than the file's."""
    file = service.state_dir / "admin-password"
    old = file.read_text()
    assert patch(service, f"{ACCOUNTS}/admin", {"Password": PASSWORD}).status_code == 200
    assert file.read_text() == old  # what a running service's operators do is their own
    assert service.terminate()[0] == 0
    service.start()
    wait_for(lambda: not file.exists(), 30, "the file is put aside")
    assert (service.state_dir / "admin-password.old").read_text() == old
    assert "put aside" in service.log()
    file.write_text(PASSWORD)
    service.wait_ready()
    assert service.terminate()[0] == 0
    service.start().wait_ready()
    assert file.read_text() == PASSWORD


def test_two_replicas(shared_service, tmp_path_factory):
    """On a database of their own in the server that is there already."""
    lines = (shared_service.state_dir / "postgresql/postmaster.pid").read_text().split("\n")
    shared_service.sql("CREATE DATABASE twins")
    url = f"postgresql://rfeventd@/twins?host={lines[4]}&port={lines[3]}"
    one, other = (Service(pathlib.Path(tmp_path_factory.mktemp(name)), sets=[f"storage.url={url}"])
                  for name in ("one", "other"))
    one.start()
    try:
        wait_for(lambda: answers(one, "/-/ready"), 60, "the first replica")
        auth = ("admin", one.password)  # it made the account, and so the file
        assert stat.S_IMODE((one.state_dir / "admin-password").stat().st_mode) == 0o600
        other.start()
        wait_for(lambda: answers(other, "/-/ready") and answers(other, SERVICE, auth=auth), 60,
                 "the other replica")
        assert not (other.state_dir / "admin-password").exists()
        add(one, "shared", "Operator")
        wait_for(lambda: answers(other, SERVICE, auth=("shared", PASSWORD)), 10, "the account there")
        session = log_in(one, "shared")  # known there at once
        assert ask(other, session, "GET", SERVICE).status_code == 200
        opened = other.session({"UserName": "shared", "Password": PASSWORD})
        token, path = opened.headers["X-Auth-Token"], opened.headers["Location"]
        assert ask(one, token, "GET", path).json() == opened.json()
        assert ask(one, token, "DELETE", path).status_code == 204
        wait_for(lambda: ask(other, token, "GET", SERVICE).status_code == 401, 10, "its end there")
        answer = patch(one, f"{ACCOUNTS}/shared", {"Enabled": False})
        assert answer.status_code == 200, answer.text
        wait_for(lambda: ask(other, session, "GET", SERVICE).status_code == 401, 10, "no more")
        # Wrong passwords are counted over both, for who never came from here.
        add(one, "new")
        wait_for(lambda: answers(other, f"{ACCOUNTS}/new", auth=auth), 10, "the next account there")
        for service in 5 * [one, other]:
            assert service.session({"UserName": "new", "Password": "wrong"}).status_code == 401
        wait_for(lambda: [s.get(f"{ACCOUNTS}/new", auth=auth).json()["Locked"]
                          for s in (one, other)] == [True, True], 10, "the lock at both")
    finally:
        other.close()
        one.close()


def test_an_older_state_keeps_its_password(service):
    password = service.password
    # As the migration leaves them; what came after it stays.
    service.sql("TRUNCATE audit, api_token, session, account")
    service.sql("UPDATE account_service SET revision = 1")
    assert service.terminate()[0] == 0
    (service.state_dir / "accounts").unlink()
    (service.state_dir / "admin-password").unlink()
    service.start()
    service.wait_listening()
    wait_for(lambda: answers(service, "/-/ready"), 60, "ready")
    wait_for(lambda: service.get(ACCOUNTS, auth=("admin", password)).status_code == 200, 10, "admin")
    wait_for(lambda: service.sql("SELECT name FROM account") == [("admin",)], 10, "the row")
    assert not (service.state_dir / "admin-password").exists()
    (service.state_dir / "admin-password").write_text(password)


def test_the_audit_log(shared_service):
    service = shared_service
    assert service.ask("DELETE", f"{REGISTRIES}/Nobody.1.0.0").status_code == 404
    for n in range(7):
        add(service, f"audited{n}", password=f"{PASSWORD} number {n}")
    session = log_in(service, "audited3", f"{PASSWORD} number 3")
    assert ask(service, session, "GET", AUDIT).status_code == 403
    wait_audit(service, lambda e: e["MessageId"].endswith(".InsufficientPrivilege"))
    entries = audit(service)
    assert [int(e["Id"]) for e in entries] == sorted((int(e["Id"]) for e in entries), reverse=True)
    walked, path = [], f"{AUDIT}?$top=3"
    while path:
        page = service.get(path).json()
        assert page["Members@odata.count"] >= len(entries)
        walked += [e["Id"] for e in page["Members"]]
        path = page.get("Members@odata.nextLink")
    assert walked == [e["Id"] for e in entries]
    created = [e for e in entries if e["MessageArgs"] == ["audited5"]]
    assert len(created) == 1 and created[0]["Message"] == "Account 'audited5' has been set up."
    assert created[0]["Username"] == "admin" and created[0]["OriginAddress"] == "tcp://127.0.0.1"
    assert created[0]["Oem"]["Rfeventd"] | {"@odata.type": 0} == {
        "@odata.type": 0, "Address": "127.0.0.1", "Method": "POST", "Uri": ACCOUNTS, "Authentication": "Basic", "Status": 201}
    german = service.get(created[0]["@odata.id"], headers={"Accept-Language": "de"}).json()
    assert german["Message"] == "Konto „audited5“ wurde angelegt."
    refused = next(e for e in entries if e["Oem"]["Rfeventd"]["Status"] == 404)
    assert refused["Oem"]["Rfeventd"]["Uri"] == f"{REGISTRIES}/Nobody.1.0.0"
    assert service.get(f"{AUDIT}/999999").status_code == 404
    assert service.get(f"{AUDIT}?$top=x").status_code == 400
    # Secrets are nowhere: not in the tables, not in the files, not in the log.
    everything = json.dumps(service.sql("SELECT audit::text FROM audit")) + service.log()
    everything += json.dumps(service.sql("SELECT session::text FROM session"))
    for name in ("accounts", "audit-queue", "snapshot"):
        file = service.state_dir / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        everything += file.read_text()
    for secret in (f"{PASSWORD} number", service.password, session):
        assert secret not in everything


def test_commands(shared_service, tmp_path):
    service = shared_service
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "pw").write_text(f"{PASSWORD}\n")
    (tmp_path / "pw2").write_text("another fine passphrase\n")
    env = {k: v for k, v in os.environ.items() if k != "RFEVENT_CONFIG"} | {"HOME": str(home)}

    def run(*arguments, status=0):
        done = subprocess.run([str(BUILD / "rfevent"), *map(str, arguments)], env=env, cwd=tmp_path,
                              stdin=subprocess.DEVNULL, start_new_session=True, timeout=30,
                              capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout or done.stderr

    admin = service.state_dir / "admin-password"
    assert "Logged in" in run("--cacert", service.ca, "login", service.url + "/", "--password-file", admin)
    kept = home / ".config/rfevent/env"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and service.password not in kept.read_text()
    run("account", "add", "carol", "Operator", "--password-file", tmp_path / "pw")
    run("account", "add", "carol", "Operator", "--password-file", tmp_path / "pw", status=1)
    assert "terminal" in run("account", "add", "dave", "Operator", status=1)
    run("account", "role", "carol", "ReadOnly")
    run("account", "disable", "carol")
    rows = {row["UserName"]: row for row in json.loads(run("-o", "json", "account", "list"))}
    assert rows["carol"] == {"UserName": "carol", "RoleId": "ReadOnly", "Enabled": "no", "Locked": "no"}
    run("account", "enable", "carol")
    run("account", "unlock", "carol")
    run("account", "passwd", "carol", "--password-file", tmp_path / "pw2")
    assert service.get(SERVICE, auth=("carol", "another fine passphrase")).status_code == 200
    token = run("token", "add", "ci", "--role", "ReadOnly", "--days", "366").strip()
    assert ask(service, None, "GET", SERVICE, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert ("ci", "admin", "ReadOnly") in [(row["Name"], row["UserName"], row["RoleId"]) for row in
                                           json.loads(run("-o", "json", "token", "list"))]
    run("token", "remove", "ci")
    run("token", "remove", "ci", status=1)
    run("token", "add", "x", "--days", "0", status=2)
    run("event", "list")
    # An option that names somebody else does not use the session.
    assert "password" in run("--user", "carol", "account", "list", status=1)
    run("account", "remove", "carol")
    run("logout")
    assert not kept.exists()
    run("logout", status=1)
