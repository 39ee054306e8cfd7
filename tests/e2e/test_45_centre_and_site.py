"""Centre and site: two daemons, a subscription between them, and what breaks on the way. The centre ends
with each event of the site exactly once. RFEVENTD_SLOW=1: the network is away for a minute."""
import collections
import os
import pathlib
import shutil
import tempfile
import time

import pytest

import house
from destination import Relay
from house import Sender, event_body, wait_for

SLOW = bool(os.environ.get("RFEVENTD_SLOW"))
CUT_SECONDS = 60 if SLOW else 3
SUBSCRIPTIONS = "/redfish/v1/EventService/Subscriptions"
SETS = ["subscriptions.allow_http=true", "subscriptions.retry_interval=1s"]


@pytest.fixture(scope="module")
def daemons():
    """A site and a centre, ready, and the relay between them."""
    made = []
    for _ in range(2):
        path = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-e2e-", dir="/tmp"))
        path.chmod(0o711)
        made.append(house.Service(path, sets=SETS).start())
    for service in made:
        service.wait_ready()
    relay = Relay(made[1].plain_port)
    yield (*made, relay)
    relay.close()
    for service in made:
        service.close()
        shutil.rmtree(service.state_dir, ignore_errors=True)


@pytest.fixture
def pair(daemons):
    """The same, and no subscription left from one test to the next."""
    yield daemons
    for member in daemons[0].get(SUBSCRIPTIONS).json()["Members"]:
        assert daemons[0].ask("DELETE", member["@odata.id"]).status_code == 204


def subscribe(site, centre, port, **properties):
    answer = site.ask("POST", SUBSCRIPTIONS,
                      json={"Destination": f"http://127.0.0.1:{port}/events/{centre.token}",
                            "Protocol": "Redfish", "DeliveryRetryPolicy": "RetryForever", **properties})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def epoch8(service):
    return service.sql("select left(epoch::text, 8) from meta")[0][0]


def of_site(centre, prefix):
    """How often each seq of the site is in the centre's log."""
    return collections.Counter(int(e["EventId"].split("-")[1]) for e in centre.entries(own=True)
                               if e.get("EventId", "").startswith(prefix + "-"))


def wait_complete(site, centre, first_seq, timeout):
    """Until the centre has the last event of the site's log; both are quiet."""
    prefix = epoch8(site)

    def complete():
        last = site.sql("select seq from counter")[0][0]
        return last in of_site(centre, prefix) and last
    last = wait_for(complete, timeout, "the site's last event at the centre")
    counted = of_site(centre, prefix)
    wanted = range(first_seq, last + 1)
    assert [seq for seq in wanted if seq not in counted] == []
    assert {seq: n for seq, n in counted.items() if n > 1} == {}
    return len(wanted)


def test_each_event_once_through_a_cut_and_two_kills(pair):
    site, centre, relay = pair
    first_seq = site.sql("select seq from counter")[0][0] + 1
    subscribe(site, centre, relay.port)
    sender = Sender(site, threads=2, pause=0.01).start()
    time.sleep(1.5)
    relay.cut()
    time.sleep(CUT_SECONDS)
    relay.mend()
    time.sleep(1.0)
    centre.kill()
    time.sleep(0.5)
    centre.start()
    centre.wait_ready()
    time.sleep(1.0)
    site.kill()
    site.start()
    site.wait_ready()
    time.sleep(1.5)
    sender.stop()
    assert len(sender.answered) > 100
    n = wait_complete(site, centre, first_seq, 60)
    assert n >= len(sender.answered)
    # However many deliveries it took: one range for each stream.
    assert centre.sql("select max(n) from (select count(*) n from upstream_seen, unnest(seqs)"
                      " group by stream) s")[0][0] == 1


def test_answers_that_never_arrive_make_no_doubles(pair):
    """The centre takes a delivery and the site does not hear of it, again and again: what it sends
    then is cut in other batches."""
    site, centre, relay = pair
    first_seq = site.sql("select seq from counter")[0][0] + 1
    subscribe(site, centre, relay.port)
    sender = Sender(site, threads=2, pause=0.005).start()
    end = time.monotonic() + (30 if SLOW else 5)
    while time.monotonic() < end:
        time.sleep(0.3)
        relay.swallow = True
    sender.stop()
    relay.swallow = False
    assert relay.n_swallowed >= 2
    wait_complete(site, centre, first_seq, 60)


def test_what_the_bmc_said_is_kept(pair):
    site, centre, _ = pair
    subscribe(site, centre, centre.plain_port, RegistryPrefixes=["Power"])
    body = event_body(EventId="bmc's own", MessageArgs=["PSU 3"], Severity="Warning",
                      EventTimestamp="2026-05-01T12:00:00+0200", EventGroupId=4,
                      OriginOfCondition={"@odata.id": "/redfish/v1/Chassis/3"},
                      Message="PSU 3 is not well")
    assert site.post(body).status_code == 200
    here = wait_for(lambda: [e for e in site.entries() if e["EventId"] == "bmc's own"], 10, "logged")[0]
    there = wait_for(lambda: [e for e in centre.entries(own=True)
                              if e.get("EventId") == f"{epoch8(site)}-{here['seq']}"], 15, "forwarded")[0]
    for name in ("MessageId", "MessageArgs", "Severity", "EventTimestamp", "OriginOfCondition",
                 "EventGroupId", "EventType", "Message", "Category"):
        assert there.get(name) == here.get(name), name
    raw = centre.get(f"{house.ENTRIES}/{there['seq']}/attachment").json()
    told = raw["Events"][0]["Oem"]["Rfeventd"]
    assert told["EventId"] == "bmc's own" and told["Seq"] == here["seq"]
    assert told["Source"]["Id"] == here["source"]["id"]


def test_two_subscriptions_are_two_streams(pair):
    """What one does not want the other still brings."""
    site, centre, _ = pair
    subscribe(site, centre, centre.plain_port, Severities=["Critical"])
    subscribe(site, centre, centre.plain_port, RegistryPrefixes=["Fan"])
    for name, message_id, severity in (("1", "Power.1.2.PowerSupplyFailed", "Critical"),
                                       ("2", "Fan.1.0.FanFailed", "Warning"),
                                       ("3", "Power.1.2.PowerSupplyFailed", "Critical"),
                                       ("4", "Power.1.2.PowerSupplyRestored", "OK")):
        assert site.post(event_body(EventId=name, MessageId=message_id, Severity=severity,
                                    MessageArgs=[f"two-{name}"])).status_code == 200

    def there():
        return sorted(e["MessageArgs"][0] for e in centre.entries()
                      if (e.get("MessageArgs") or [""])[0].startswith("two-"))
    wait_for(lambda: len(there()) >= 3, 15, "three")
    time.sleep(0.5)
    assert there() == ["two-1", "two-2", "two-3"]
