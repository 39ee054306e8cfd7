"""HTTP/2 on both doors: by ALPN over TLS, by prior knowledge without."""
import json

import httpx
import pytest

from house import event_body


def h2_deliveries(service):
    for line in service.get("/metrics").text.splitlines():
        if line.startswith('rfeventd_deliveries_received_total{protocol="h2"}'):
            return int(float(line.rsplit(" ", 1)[1]))
    return 0


@pytest.mark.parametrize("plain", [False, True], ids=["tls", "prior_knowledge"])
def test_events_over_http2(shared_service, plain):
    before = h2_deliveries(shared_service)
    n_entries = len(shared_service.entries())
    base = f"http://127.0.0.1:{shared_service.plain_port}" if plain else f"https://localhost:{shared_service.port}"
    bodies = [event_body() for _ in range(5)]
    with httpx.Client(http1=not plain, http2=True, verify=str(shared_service.ca), trust_env=False) as client:
        for body in bodies:
            answer = client.post(f"{base}/events/{shared_service.token}", content=json.dumps(body))
            assert answer.http_version == "HTTP/2"
            assert (answer.status_code, answer.text) == (200, "{}")
            assert answer.headers["content-type"] == "application/json"
        wrong = client.post(f"{base}/events/abcdefghabcdefgh", content="{}")
        assert wrong.status_code == 401
        assert wrong.json()["error"]["@Message.ExtendedInfo"][0]["Message"]
        assert client.get(f"{base}/events/{shared_service.token}").status_code == 405
    logged = shared_service.wait_entries(n_entries + 5)[n_entries:]
    assert [e["EventId"] for e in logged] == [b["Events"][0]["EventId"] for b in bodies]
    assert h2_deliveries(shared_service) == before + 5


def test_operators_over_http2(shared_service):
    with httpx.Client(http2=True, verify=str(shared_service.ca), trust_env=False) as client:
        answer = client.get(shared_service.url + "/redfish/v1/",
                            auth=("admin", shared_service.password))
        assert answer.http_version == "HTTP/2"
        assert answer.json()["@odata.id"] == "/redfish/v1/"
