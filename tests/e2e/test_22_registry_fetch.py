"""A source's own registries, fetched from BMCs that serve them in every way, good and bad.

The fetcher runs in a small program (tests/tools/registry_fetch_main.c), the BMC in this one.
"""
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest

import house

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import fake_bmc  # noqa: E402  (beside the tools, not the tests)

REGISTRIES = "/redfish/v1/Registries"


class Outcome:
    """What the program printed: bodies by the prefix of their registry, and the result."""

    def __init__(self, lines):
        *self.bodies, self.result = map(json.loads, lines)
        self.prefixes = sorted(body["prefix"] for body in self.bodies)

    def counts(self):
        return {name: self.result[name] for name in
                ("asked", "fetched", "unchanged", "not_registries", "failed")
                if self.result[name]}


def fetch(bmc, *arguments, trust=("--insecure",), login=True, env=None, timeout=50):
    user = ["--user", fake_bmc.USER, "--password", fake_bmc.PASSWORD] if login else []
    done = subprocess.run(
        [str(house.BUILD / "tools/registry_fetch_main"), bmc if isinstance(bmc, str) else bmc.url,
         *user, *trust, *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, env=dict(os.environ, **(env or {})))
    assert done.returncode == 0, done.stderr
    return Outcome(done.stdout.splitlines())


def fetch_modes(*modes, arguments=(), tls=False, **options):
    with fake_bmc.FakeBmc(*modes, tls=tls, **options) as bmc:
        return fetch(bmc, *arguments), bmc


# Modes that give their registry: its name in the archive, language and origin as delivered.
@pytest.mark.parametrize("mode, languages, from_archive", [
    ("plain", ["en"], 0), ("gzip_encoding", ["en"], 0), ("gz_file", ["en"], 1),
    ("tar_archive", ["en"], 1), ("uri_or_archive", ["en"], 1), ("slow", ["en"], 0),
    ("wrong_tag", ["en", "jp"], 0), ("redirect", ["en"], 0), ("extref", ["en"], 0),
    ("itself", [None], 0)])
def test_served_in_this_way(mode, languages, from_archive):
    outcome, bmc = fetch_modes(mode, tls=True)
    name = fake_bmc.member_name(mode)
    assert outcome.result["result"] == "ok", outcome.result
    assert [body["language"] for body in outcome.bodies] == languages
    assert set(outcome.prefixes) == {name}
    assert {body["from_archive"] for body in outcome.bodies} == {from_archive}
    assert {body["messages"] for body in outcome.bodies} == {2}
    assert {body["registry"] for body in outcome.bodies} <= {f"{name}.1.2", None}
    assert outcome.counts() == {"asked": outcome.result["asked"], "fetched": len(languages)}
    assert bmc.n_connections == 1


def test_zip_is_asked_for_once_and_its_files_are_told_apart():
    outcome, bmc = fetch_modes("zip_archive")
    assert [(body["name"], body["language"], body["prefix"]) for body in outcome.bodies] == [
        ("en/ContosoBMCZipArchive.1.2.0.json", "en", "ContosoBMCZipArchive"),
        ("ja/ContosoBMCZipArchive.1.2.0.ja.json", "ja", "ContosoBMCZipArchive"),
        ("extra/Unlisted.json", None, "ContosoBMCZipArchiveUnlisted")]
    assert bmc.paths().count("/FileRepo/Registries.zip") == 1
    assert outcome.counts() == {"asked": 1, "fetched": 3}


def test_large_registry():
    outcome, _ = fetch_modes("large")
    assert outcome.counts() == {"asked": 1, "fetched": 1}
    assert outcome.bodies[0]["bytes"] > 20_000_000
    assert outcome.bodies[0]["messages"] > 10000


# Modes that fail, each alone: its neighbour is fetched all the same.
@pytest.mark.parametrize("mode, words", [
    ("too_large", "larger than 33554432 bytes"),
    ("too_large_chunked", "larger than 33554432 bytes"),
    ("bomb", "unpacks to more than"),
    ("bomb_encoding", "larger than 33554432 bytes"),
    ("broken_zip", "cannot be unpacked"),
    ("missing", "HTTP 404"),
    ("uri_elsewhere", "leads away from"),
    ("redirect_elsewhere", "leads away from"),
    ("redirect_loop", "redirected more than 3 times"),
    ("broken_json", "JSON"),
    ("page_to_read", "JSON"),
    ("headers", "headers of more than 65536 bytes"),
    ("cut_off", "")])
def test_failure_is_told_and_passed_by(mode, words):
    with fake_bmc.FakeBmc("plain", tls=False) as other:
        outcome, _ = fetch_modes(mode, "plain", elsewhere=other.url)
        assert other.requests == []
    assert outcome.result["result"] == "ok"
    assert outcome.prefixes == ["ContosoBMCPlain"]
    assert outcome.result["failed"] == 1
    assert words in outcome.result["first_failure"]
    assert fake_bmc.member_name(mode) in outcome.result["first_failure"]


@pytest.mark.parametrize("mode, counts", [
    ("attributes", {"asked": 2, "not_registries": 1}),
    ("attributes_by_name", {"asked": 1, "not_registries": 1}),
    ("publication_only", {"asked": 1}), ("no_location", {"asked": 1})])
def test_nothing_to_fetch_there(mode, counts):
    with fake_bmc.FakeBmc("plain", tls=False) as other:
        outcome, bmc = fetch_modes(mode, "plain", elsewhere=other.url)
        assert other.requests == []
    assert outcome.counts() == dict(counts, fetched=1)
    assert outcome.result["given"] == 1
    assert not any("BiosAttributeRegistry" in path for path in bmc.paths())


def test_other_spelling_is_found_even_when_it_comes_first():
    outcome, bmc = fetch_modes("other_case", "plain")
    assert outcome.prefixes == ["ContosoBMCOtherCase", "ContosoBMCPlain"]
    assert outcome.counts() == {"asked": 2, "fetched": 2}
    wrong = "/redfish/v1/registrystore/registries/en/ContosoBMCOtherCase.json"
    assert bmc.paths().count(wrong) == 2  # at once, and when the store's spelling was known


def test_other_spelling_that_nobody_knows():
    outcome, _ = fetch_modes("other_case")
    assert outcome.counts() == {"asked": 1, "failed": 1}
    assert "registrystore" in outcome.result["first_failure"]


def test_unchanged_content_is_not_sent_again():
    with fake_bmc.FakeBmc("plain", "zip_archive", "gzip_encoding") as bmc:
        first = fetch(bmc)
        assert first.counts() == {"asked": 3, "fetched": 5}
        held = [argument for body in first.bodies
                for argument in ("--held", body["uri"], body["etag"])]
        again = fetch(bmc, *held)
        assert again.bodies == []
        assert again.counts() == {"asked": 3, "unchanged": 3}
        bmc.bodies[first.bodies[0]["uri"]] = fake_bmc.Body(fake_bmc.registry("ContosoBMCNew"))
        assert fetch(bmc, *held).prefixes == ["ContosoBMCNew"]
        asked = [request for request in bmc.requests if request["if_none_match"]]
        assert {request["path"] for request in asked} == {body["uri"] for body in first.bodies}


def test_tag_that_is_no_header_is_left_out():
    outcome, bmc = fetch_modes("plain", arguments=(
        "--held", fake_bmc.STORE + "ContosoBMCPlain.json", 'W/"1"\r\nX-Evil: 1'))
    assert outcome.counts() == {"asked": 1, "fetched": 1}
    assert {request["if_none_match"] for request in bmc.requests} == {None}


# --- the service as a whole ---------------------------------------------------------------------

@pytest.mark.parametrize("root", ["links", "bare", "html", "missing", "lower"])
def test_root_says_where_or_the_standard_does(root):
    outcome, bmc = fetch_modes("plain", root=root)
    assert outcome.prefixes == ["ContosoBMCPlain"]
    assert (REGISTRIES.lower() in map(str.lower, bmc.paths())) and outcome.counts() == {
        "asked": 1, "fetched": 1}
    assert ("/redfish/v1/registries" in bmc.paths()) == (root == "lower")


MANY = ["plain", "gzip_encoding", "extref", "slow", "wrong_tag", "gz_file", "attributes"]


def test_pages_are_followed():
    outcome, bmc = fetch_modes(*MANY, paging="pages")
    assert len(set(outcome.prefixes)) == 6 and outcome.result["failed"] == 0
    assert [path for path in bmc.paths() if path.startswith(REGISTRIES + "?")] == [
        f"{REGISTRIES}?$skip=3", f"{REGISTRIES}?$skip=6"]


@pytest.mark.parametrize("paging, n_pages", [("loop", 4), ("endless", 100)])
def test_pages_without_end_are_cut(paging, n_pages):
    outcome, bmc = fetch_modes(*MANY, paging=paging)
    assert len(set(outcome.prefixes)) == 6
    assert outcome.result["failed"] == 1
    assert "pages without end" in outcome.result["first_failure"]
    assert len([path for path in bmc.paths() if path.split("?")[0] == REGISTRIES]) == n_pages
    members = [path for path in bmc.paths() if path.startswith(REGISTRIES + "/")]
    assert len(members) == len(set(members)) == len(MANY)


def test_busy_is_waited_for():
    outcome, bmc = fetch_modes("plain", busy="1")
    assert outcome.prefixes == ["ContosoBMCPlain"]
    assert bmc.paths().count(REGISTRIES) == 2
    assert outcome.result["took_ms"] >= 1000


def test_busy_for_ever_is_given_up():
    outcome, bmc = fetch_modes("plain", busy="100")
    assert outcome.result["result"] == "EIO"
    assert "HTTP 503" in outcome.result["words"]
    assert bmc.paths().count(REGISTRIES) == 4


@pytest.mark.parametrize("auth", ["basic", "once", "session"])
def test_login(auth):
    outcome, bmc = fetch_modes("plain", "gz_file", auth=auth)
    assert outcome.prefixes == ["ContosoBMCGzFile", "ContosoBMCPlain"]
    assert bmc.n_sessions == (0 if auth == "basic" else 1)
    assert bmc.tokens == {}  # ended
    assert bmc.paths("POST") == ["/redfish/v1/SessionService/Sessions"] * bmc.n_sessions
    assert bmc.paths("DELETE") == ["/redfish/v1/SessionService/Sessions/1"] * bmc.n_sessions
    logins = [request["login"] for request in bmc.requests if request["method"] == "GET"]
    assert set(logins[2:]) == ({"basic"} if auth == "basic" else {"token"})


def test_session_that_expires_is_renewed_once():
    outcome, bmc = fetch_modes("plain", "gz_file", "gzip_encoding", auth="expire")
    assert len(outcome.prefixes) == 3 and outcome.result["failed"] == 0
    assert bmc.n_sessions == 2
    outcome, bmc = fetch_modes(*MANY, auth="expire")
    assert outcome.result["result"] == "EACCES"
    assert bmc.n_sessions == 2


def test_wrong_login_is_tried_but_once():
    outcome, bmc = fetch_modes("plain", auth="never")
    assert outcome.result["result"] == "EACCES"
    assert f"refuses user '{fake_bmc.USER}'" in outcome.result["words"]
    assert fake_bmc.PASSWORD not in json.dumps(outcome.result)
    assert [(request["method"], request["status"]) for request in bmc.requests] == [
        ("GET", 200), ("GET", 401), ("POST", 401)]


def test_without_a_login_none_is_tried():
    with fake_bmc.FakeBmc("plain") as bmc:
        outcome = fetch(bmc, login=False)
        assert outcome.result["result"] == "EACCES"
        assert [request["login"] for request in bmc.requests] == ["none", "none"]


# --- time ---------------------------------------------------------------------------------------

def test_one_request_has_its_time():
    outcome, _ = fetch_modes("stuck", "plain", arguments=("--request", 700))
    assert outcome.result["result"] == "ok"
    assert outcome.prefixes == ["ContosoBMCPlain"]
    assert outcome.result["failed"] == 1 and "timed out" in outcome.result["first_failure"]
    assert 600 < outcome.result["took_ms"] < 5000


def test_the_walk_has_its_time():
    outcome, _ = fetch_modes("plain", "stuck", "gz_file", arguments=("--budget", 900))
    assert outcome.result["result"] == "ETIMEDOUT"
    assert outcome.prefixes == ["ContosoBMCPlain"]
    assert 800 < outcome.result["took_ms"] < 5000


@pytest.mark.parametrize("mode, options", [("stuck", {}), ("plain", {"busy": "100"})])
def test_stop_is_heard_and_the_session_ended(mode, options):
    outcome, bmc = fetch_modes(mode, arguments=("--stop-after", 400), auth="session", **options)
    assert outcome.result["result"] == "ECANCELED"
    assert "stopped" in outcome.result["words"]
    assert 300 < outcome.result["took_ms"] < 3000
    assert bmc.paths("DELETE") == ["/redfish/v1/SessionService/Sessions/1"]


def test_source_that_went_away_is_not_asked_for_ever():
    outcome, bmc = fetch_modes("stuck", "stuck_2", "stuck_3", "stuck_4", "stuck_5",
                               arguments=("--request", 300))
    assert outcome.result["result"] == "EHOSTUNREACH"
    assert outcome.result["failed"] == 3
    assert len([path for path in bmc.paths() if path.startswith(fake_bmc.STORE)]) == 3


def test_nobody_there():
    outcome = fetch(f"https://127.0.0.1:{house.free_port()}")
    assert outcome.result["result"] == "EHOSTUNREACH"
    assert outcome.result["requests"] == 1


def test_address_that_is_none():
    outcome = fetch("https://root:calvin@127.0.0.1")
    assert outcome.result["result"] == "EINVAL"
    assert outcome.result["requests"] == 0


def test_the_store_ends_the_walk():
    outcome, bmc = fetch_modes(*MANY, arguments=("--end-after", 2))
    assert outcome.result["result"] == "ENOSPC"
    assert outcome.result["words"] == "the store is full"
    assert outcome.result["fetched"] == 1
    assert len([path for path in bmc.paths() if path.startswith(fake_bmc.STORE)]) == 2


# --- trust --------------------------------------------------------------------------------------

def test_certificates_come_from_the_configuration_alone(tmp_path):
    with fake_bmc.FakeBmc("plain") as bmc, fake_bmc.FakeBmc("plain") as stranger:
        trusted = fetch(bmc, trust=("--ca", bmc.certificate))
        assert trusted.prefixes == ["ContosoBMCPlain"]
        environment = {name: bmc.certificate for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE",
                                                         "REQUESTS_CA_BUNDLE")}
        for trust in ((), ("--ca", stranger.certificate), ("--ca", str(tmp_path / "missing.pem"))):
            n_requests = len(bmc.requests)
            outcome = fetch(bmc, trust=trust, env=environment)
            assert outcome.result["result"] == "EHOSTUNREACH", outcome.result
            assert len(bmc.requests) == n_requests
        assert "certificate" in fetch(bmc, trust=()).result["words"]


def test_proxies_of_the_environment_are_not_used():
    dead = f"http://127.0.0.1:{house.free_port()}"
    with fake_bmc.FakeBmc("plain") as bmc:
        outcome = fetch(bmc, env={"https_proxy": dead, "HTTPS_PROXY": dead, "ALL_PROXY": dead,
                                  "all_proxy": dead})
        assert outcome.prefixes == ["ContosoBMCPlain"]


def test_plain_http():
    outcome, _ = fetch_modes("plain", tls=False)
    assert outcome.prefixes == ["ContosoBMCPlain"]


def test_fake_bmc_tells_what_it_was_asked():
    with fake_bmc.FakeBmc("plain", tls=False) as bmc:
        fetch(bmc)
        with urllib.request.urlopen(f"{bmc.url}/-/requests", timeout=5) as answer:
            told = json.load(answer)
        assert [request["path"] for request in told] == bmc.paths()
        assert len(told) == 4
