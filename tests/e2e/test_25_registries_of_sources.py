"""A source whose messages nobody knows is asked for its own registries, once; then it has words."""
import contextlib
import json
import pathlib
import sys
import time

from house import ENTRIES, event_body, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import fake_bmc  # noqa: E402  (beside the tools, not the tests)

TOKEN = "racksevennodetwelve"


def declared(bmc, name="rack7-n12", token=TOKEN, **more):
    return dict({"name": name, "token": token, "url": bmc.url, "username": fake_bmc.USER,
                 "password": fake_bmc.PASSWORD, "insecure": True}, **more)


def with_sources(new_service, *sources):
    service = new_service(sets=[f"sources={json.dumps(list(sources), ensure_ascii=False)}"])
    service.start().wait_ready()
    return service


def send(service, prefix, n, token=TOKEN):
    body = event_body(MessageId=f"{prefix}.1.2.FanTrayRemoved", MessageArgs=[f"{n}", "R740"], Message=None)
    assert service.post(body, token=token).status_code == 200
    service.wait_entries(n)


def words(service, seq):
    return service.get(f"{ENTRIES}/{seq}").json()["Message"]


def bodies(bmc):
    """What was asked of the BMC besides its resources."""
    return [path for path in bmc.paths() if path.startswith(("/redfish/v1/RegistryStore", "/FileRepo"))]


WAYS = [("gzip_encoding", {}), ("gz_file", {}), ("zip_archive", {}), ("slow", {}), ("wrong_tag", {}),
        ("large", {}), ("plain", {"auth": "once"}), ("plain_2", {"auth": "session"})]


def test_served_in_every_way(new_service):
    with contextlib.ExitStack() as stack:
        bmcs = [stack.enter_context(fake_bmc.FakeBmc(mode, **options)) for mode, options in WAYS]
        tokens = ["racksevennode" + "abcdefgh"[i] for i in range(len(WAYS))]
        service = with_sources(new_service, *[
            declared(bmc, name=f"n{i}", token=tokens[i]) for i, bmc in enumerate(bmcs)])
        for round_ in (0, len(WAYS)):
            for i, (mode, _) in enumerate(WAYS):
                send(service, fake_bmc.member_name(mode), round_ + i + 1, tokens[i])
            for i in range(len(WAYS)):
                n = round_ + i + 1
                wait_for(lambda n=n: words(service, n) == f"Fan tray {n} of R740 was removed.", 60,
                         f"words of {WAYS[i]}")
        for bmc in bmcs:
            asked = bodies(bmc)
            assert asked and len(asked) == len(set(asked))


def test_asked_once(new_service):
    prefix = fake_bmc.member_name("plain")
    with fake_bmc.FakeBmc("plain") as bmc:
        service = with_sources(new_service, declared(bmc))
        send(service, prefix, 1)
        wait_for(lambda: words(service, 1) == "Fan tray 1 of R740 was removed.", 60, "its own words")
        asked = bodies(bmc)
        send(service, prefix, 2)
        entry = service.entries()[1]
        assert entry["Message"] == "Fan tray 2 of R740 was removed."
        assert entry["resolved_by"]["registry"] == prefix and entry["resolved_by"]["step"] == "exact"
        # Other ids that it has no words for either do not make it be asked again and again.
        for n in (3, 4, 5):
            send(service, "Nobody", n)
        time.sleep(1)
        assert bodies(bmc) == asked
        # An operator may; what has not changed is not sent again.
        answer = json.loads(service.cli("-o", "json", "registry", "fetch", "rack7-n12").stdout)
        assert answer == [{"Fetched": 0, "New": 0, "Unchanged": 1, "Failed": 0, "Why": ""}]
        # After a restart the words are there without asking.
        n_requests = len(bmc.requests)
        service.terminate()
        service.start().wait_ready()
        send(service, prefix, 6)
        assert words(service, 6) == "Fan tray 6 of R740 was removed."
        assert len(bmc.requests) == n_requests


def test_two_sources_of_one_name(new_service):
    """One prefix and version, two contents: each source means its own."""
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(fake_bmc.FakeBmc("plain")) for _ in range(2))
        store = next(path for path in other.bodies)
        text = json.loads(other.bodies[store].content)
        text["Messages"]["FanTrayRemoved"]["Message"] = "Lost tray %1 (%2)."
        other.bodies[store] = fake_bmc.Body(text)
        service = with_sources(new_service, declared(one),
                               declared(other, name="rack7-n13", token="racksevennodethirteen"))
        send(service, "ContosoBMCPlain", 1)
        wait_for(lambda: words(service, 1) == "Fan tray 1 of R740 was removed.", 20, "words of the one")
        # Known by now, but not from this sender: an operator has its own read.
        assert service.cli("registry", "fetch", "rack7-n13").returncode == 0
        send(service, "ContosoBMCPlain", 2, token="racksevennodethirteen")
        wait_for(lambda: words(service, 2) == "Fan tray 2 of R740 was removed." or
                 words(service, 2) == "Lost tray 2 (R740).", 20, "words")
        send(service, "ContosoBMCPlain", 3)
        assert words(service, 3) == "Fan tray 3 of R740 was removed."

        def own_words():
            n = len(service.entries()) + 1
            send(service, "ContosoBMCPlain", n, token="racksevennodethirteen")
            return words(service, n) == f"Lost tray {n} (R740)."
        wait_for(own_words, 20, "words of the other")


def test_a_source_that_cannot_be_read(new_service):
    with fake_bmc.FakeBmc("plain", auth="never") as bmc:
        service = with_sources(new_service, declared(bmc), {"name": "mute", "token": "mutetokenmute"})
        send(service, "ContosoBMCPlain", 1)
        wait_for(lambda: "cannot read all registries" in service.log(), 30, "the warning")
        n_requests = len(bmc.requests)
        for n in (2, 3):
            send(service, "ContosoBMCPlain", n)
        time.sleep(1)
        assert len(bmc.requests) == n_requests
        assert "ContosoBMCPlain" in words(service, 1) and "registry" in words(service, 1)
        asked = service.cli("registry", "fetch", "rack7-n12")
        assert asked.returncode == 1 and "refuses user" in asked.stdout
        assert service.cli("registry", "fetch", "mute").returncode == 1
        assert service.cli("registry", "fetch", "nobody").returncode == 1


def test_a_walk_does_not_keep_the_service_from_ending(new_service):
    with fake_bmc.FakeBmc("stuck") as bmc:
        service = with_sources(new_service, declared(bmc))
        send(service, "ContosoBMCStuck", 1)
        wait_for(lambda: bodies(bmc), what="the walk")
        started = time.monotonic()
        service.terminate()
        assert time.monotonic() - started < 10
