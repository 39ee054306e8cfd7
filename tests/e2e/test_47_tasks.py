"""Tasks: what takes long is answered 202, watched, and told after a restart."""
import json
import socket
import threading

import pytest

from house import wait_for

SERVICE = "/redfish/v1/TaskService"
TASKS = f"{SERVICE}/Tasks"
SOURCES = "/redfish/v1/AggregationService/AggregationSources"
QUARANTINE = "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Quarantine"
RETRY_ALL = f"{QUARANTINE}/Actions/Oem/Rfeventd.RetryAll"
ASYNC = {"Prefer": "respond-async"}
PASSWORD = "a long enough passphrase"


@pytest.fixture
def silent():
    """A BMC that takes connections and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        kept = []

        def run():
            try:
                while True:
                    kept.append(listener.accept()[0])
            except OSError:
                pass
        threading.Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()


def begin_fetch(service, name, port, **headers):
    made = service.ask("POST", SOURCES, json={"Name": name, "HostName": f"http://127.0.0.1:{port}",
                                              "UserName": "u", "Password": "p"})
    assert made.status_code == 201, made.text
    path = f"{SOURCES}/{made.json()['Id']}/Actions/Oem/Rfeventd.FetchRegistries"
    return service.ask("POST", path, json={}, headers={**ASYNC, **headers})


def set_aside(service, n):
    before = service.get(QUARANTINE).json()["Members@odata.count"]
    for i in range(n):
        assert service.post(f"no json, number {i}").status_code == 200
    wait_for(lambda: service.get(QUARANTINE).json()["Members@odata.count"] == before + n, 15, "set aside")
    return before + n


def test_what_takes_long_is_answered_later(shared_service):
    n = set_aside(shared_service, 5)
    answer = shared_service.ask("POST", RETRY_ALL, json={}, headers=ASYNC)
    assert answer.status_code == 202, answer.text
    monitor, task = answer.headers["Location"], answer.json()
    assert task["TaskMonitor"] == monitor and task["Payload"]["TargetUri"] == RETRY_ALL
    wait_for(lambda: shared_service.get(task["@odata.id"]).json()["TaskState"] == "Completed", 15, "its end")
    ended = shared_service.get(task["@odata.id"]).json()
    assert ended["PercentComplete"] == 100 and ended["StartTime"] <= ended["EndTime"]
    assert ended["Messages"][0]["MessageId"].endswith(".Success")
    assert shared_service.ask("HEAD", monitor).status_code == 202
    result = shared_service.get(monitor)
    assert (result.status_code, result.json()) == (200, {"Tried": n, "Events": 0, "Left": n, "NotTried": 0})
    assert shared_service.get(monitor).status_code == 404
    assert "TaskMonitor" not in shared_service.get(task["@odata.id"]).json()


def test_short_work_is_answered_directly(shared_service):
    before = shared_service.get(TASKS).json()["Members@odata.count"]
    answer = shared_service.ask("POST", RETRY_ALL, json={})
    assert answer.status_code == 200 and "Tried" in answer.json()
    assert shared_service.get(TASKS).json()["Members@odata.count"] == before


def test_a_failure_is_a_task_s_end_too(shared_service):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = begin_fetch(shared_service, "nobody there", closed.getsockname()[1])
    assert answer.status_code == 202, answer.text
    path = answer.json()["@odata.id"]
    ended = wait_for(lambda: (lambda t: t if t["TaskState"] != "Running" else None)(
        shared_service.get(path).json()), 30, "its end")
    assert (ended["TaskState"], ended["TaskStatus"]) == ("Exception", "Critical")
    assert ended["Messages"][0]["MessageId"].endswith(".OperationFailed")
    result = shared_service.get(ended["TaskMonitor"]).json()
    assert result["Failed"] == 1 and result["Why"] == ended["Messages"][0]["Resolution"]


def test_registries_are_added_by_a_task(shared_service):
    registry = {"@odata.type": "#MessageRegistry.v1_6_3.MessageRegistry", "Id": "Tasky.1.0.0", "Name": "n",
                "Language": "en", "RegistryPrefix": "Tasky", "RegistryVersion": "1.0.0", "OwningEntity": "x",
                "Messages": {"A": {"Description": "d", "Message": "m", "MessageSeverity": "OK", "NumberOfArgs": 0,
                                   "Resolution": "None."}}}
    answer = shared_service.ask("POST", "/redfish/v1/Registries", json=registry, headers=ASYNC)
    assert answer.status_code == 202, answer.text
    monitor = answer.headers["Location"]
    result = wait_for(lambda: (lambda a: a if a.status_code != 202 else None)(shared_service.get(monitor)),
                      15, "the answer")
    assert result.status_code == 201 and result.json()["Added"][0]["Registry"] == "Tasky.1.0.0"


def test_tasks_are_their_owner_s(shared_service):
    for name in ("taskmine", "taskother"):
        made = shared_service.ask("POST", "/redfish/v1/AccountService/Accounts",
                                  json={"UserName": name, "Password": PASSWORD, "RoleId": "Operator"})
        assert made.status_code == 201
    answer = shared_service.ask("POST", RETRY_ALL, json={}, headers=ASYNC, auth=("taskmine", PASSWORD))
    assert answer.status_code == 202, answer.text
    path, monitor = answer.json()["@odata.id"], answer.headers["Location"]
    for where in (path, monitor):
        assert shared_service.get(where, auth=("taskother", PASSWORD)).status_code == 404
    assert shared_service.get(TASKS, auth=("taskother", PASSWORD)).json()["Members"] == []
    assert shared_service.get(path, auth=("taskmine", PASSWORD)).status_code == 200
    assert shared_service.get(path).status_code == 200


def test_tasks_are_filtered_and_sorted(shared_service):
    paths = []
    for _ in range(3):
        answer = shared_service.ask("POST", RETRY_ALL, json={}, headers=ASYNC)
        if answer.status_code == 202:
            paths.append(answer.json()["@odata.id"])
            wait_for(lambda: shared_service.get(paths[-1]).json()["TaskState"] == "Completed", 15, "its end")
    newest = shared_service.get(f"{TASKS}?$filter=TaskState eq 'Completed'&$orderby=StartTime desc&$top=3").json()
    assert [m["@odata.id"] for m in newest["Members"]] == paths[::-1]


def test_a_killed_service_s_tasks_have_ended_badly(service, silent):
    answer = begin_fetch(service, "silent", silent)
    assert answer.status_code == 202, answer.text
    path, monitor = answer.json()["@odata.id"], answer.headers["Location"]
    assert service.get(path).json()["TaskState"] == "Running" and service.get(monitor).status_code == 202
    service.kill()
    service.start().wait_ready()
    task = service.get(path).json()
    assert (task["TaskState"], task["TaskStatus"]) == ("Exception", "Critical")
    assert "ended before" in task["Messages"][0]["Resolution"]
    assert service.get(monitor).status_code == 500
    assert service.cli("task", "wait", task["Id"]).returncode == 1


def test_a_stop_does_not_wait_for_tasks(service, silent):
    assert begin_fetch(service, "silent", silent).status_code == 202
    status, seconds = service.terminate()
    assert status == 0 and seconds < 10


def test_commands(shared_service, silent):
    path = begin_fetch(shared_service, "silent for the command line", silent).json()["@odata.id"]
    number = path.rsplit("/", 1)[1]
    rows = json.loads(shared_service.cli("-o", "json", "task", "list").stdout)
    assert next(row for row in rows if row["Id"] == number)["TaskState"] == "Running"
    shown = json.loads(shared_service.cli("-o", "json", "task", "show", number).stdout)
    assert shown["TaskState"] == "Running"
    assert shared_service.cli("task", "show", "nothing").returncode == 1
    assert shared_service.cli("task", "wait").returncode == 2
