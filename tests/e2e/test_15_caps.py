"""Bounds of the whole house: reached, the sender is told to come again; then it goes on by itself."""
import http.client
import json
import socket
import subprocess

import house
from house import event_body, wait_for
from test_05_database_away import with_postgres, without_postgres

PER_PEER = 256  # receiver/limits.h: RECEIVER_MAX_PER_PEER


def fill(service, record, n_requests):
    """Distinct deliveries of 60 KB; how many got which status."""
    done = subprocess.run(
        [str(house.BUILD / "bench/load"), "--target", f"http://127.0.0.1:{service.plain_port}",
         "--path", f"/events/{service.token}", "--connections", "8", "--body-bytes", "60000",
         "--requests", str(n_requests), "--record", str(record)],
        check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout)["status"]


def recorded(path):
    """Event ids by the status their sender saw."""
    by_status = {}
    for line in path.read_text().splitlines():
        event_id, status = line.split()
        by_status.setdefault(int(status), set()).add(event_id)
    return by_status


def test_a_full_journal_says_so_and_empties_itself(new_service, state_dir):
    service = new_service(sets=["storage.journal_max_bytes=64 MiB"])
    service.start().wait_ready()
    without_postgres(service)
    service.start().wait_listening()

    record = state_dir / "record"
    status = fill(service, record, 1600)
    assert set(status) == {"200", "503"} and status["200"] > 500
    connection = http.client.HTTPConnection("127.0.0.1", service.plain_port, timeout=10)
    connection.request("POST", f"/events/{service.token}", json.dumps(event_body(Message="x" * 60000)))
    answer = connection.getresponse()
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    assert "journal" in json.loads(answer.read())["error"]["message"]
    assert service.get("/-/ready").status_code == 503

    with_postgres(service)
    service.wait_ready()

    def accepted():
        return service.post(event_body(EventId="after", Message="x" * 60000)).status_code == 200
    wait_for(accepted, 60, "a delivery taken again")
    took = recorded(record)[200]
    seen = [entry["EventId"] for entry in service.wait_entries(len(took) + 1, 60)]
    assert len(seen) == len(set(seen))
    assert set(seen) == took | {"after"}
    print(f"\n{len(took)} of 1600 fitted; all of them in the log once")


def is_closed(sock):
    sock.settimeout(0.001)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_one_address_has_its_share_of_connections(service):
    address = ("127.0.0.1", service.plain_port)
    held = [socket.create_connection(address, 5, ("127.0.0.9", 0)) for _ in range(PER_PEER + 10)]
    try:
        # Which ones is up to the workers, how many is not.
        wait_for(lambda: sum(map(is_closed, held)) >= 10, 5, "ten closed connections")
        kept = [sock for sock in held if not is_closed(sock)]
        assert len(kept) == PER_PEER
        assert service.post(event_body()).status_code == 200  # from another address
        kept[0].close()

        def served():
            with socket.create_connection(address, 5, ("127.0.0.9", 0)) as again:
                again.settimeout(5)
                try:
                    again.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                    return again.recv(100).startswith(b"HTTP/1.1 200")
                except OSError:
                    return False
        wait_for(served, 5, "the place that became free")
    finally:
        for sock in held:
            sock.close()
