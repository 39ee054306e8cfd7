"""Registries as resources: each language its own file, added and removed without a restart."""
import json
import subprocess

import house
from house import ENTRIES, event_body, wait_for

REGISTRIES = "/redfish/v1/Registries"


def registry(prefix, version="1.0.0", language="en", **messages):
    return {"@odata.type": "#MessageRegistry.v1_6_0.MessageRegistry", "Id": f"{prefix}.{version}",
            "Name": prefix, "Language": language, "RegistryPrefix": prefix,
            "RegistryVersion": version, "OwningEntity": "Contoso",
            "Messages": {key: {"Description": key, "Message": text, "MessageSeverity": "Warning",
                               "NumberOfArgs": 1, "ParamTypes": ["string"],
                               "Resolution": f"Look at {key}."} for key, text in messages.items()}}


def add(service, body, expect=201):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = service.ask("POST", REGISTRIES, content=content)
    assert answer.status_code == expect, answer.text
    return answer


def members(service):
    listing = service.get(f"{REGISTRIES}?$expand=.").json()
    assert listing["Members@odata.count"] == len(listing["Members"])
    return {member["Id"]: member for member in listing["Members"]}


def hashes(service):
    return {member["Oem"]["Rfeventd"]["SHA256"] for member in members(service).values()}


def test_every_language_has_its_location(service):
    root = service.get("/redfish/v1/").json()
    listing = service.get(root["Registries"]["@odata.id"]).json()
    links = [member["@odata.id"] for member in listing["Members"]]
    link = next(link for link in links if "/Power.1." in link)
    file = service.get(link).json()
    assert file["@odata.id"] == link
    assert file["Registry"].count(".") == 2
    shipped = sorted(path.name for path in (house.ROOT / "translations").iterdir() if path.is_dir())
    assert sorted(file["Languages"]) == sorted(["en", *shipped])
    locations = {location["Language"]: location["Uri"] for location in file["Location"]}
    source = house.ROOT / "registries/standard/Power.json"
    assert service.get(locations["en"]).content == source.read_bytes()
    english = json.loads(source.read_text())
    for language in shipped:
        body = service.get(locations[language]).json()
        ours = json.loads((house.ROOT / f"translations/{language}/Power.json").read_text())
        assert body["Language"] == language and body["Id"].endswith(f".{language}")
        assert body["RegistryVersion"] == english["RegistryVersion"]
        for key, message in english["Messages"].items():
            expected = dict(message, Message=ours["Messages"][key]["Message"],
                            Resolution=ours["Messages"][key]["Resolution"])
            assert body["Messages"][key] == expected
    assert service.get(f"{link}/nothing.json").status_code == 404
    assert service.get(f"{REGISTRIES}/Nothing.1.0.0").status_code == 404


def test_added_and_removed_without_a_restart(service):
    assert service.post(event_body(MessageId="Contoso.1.0.Down", MessageArgs=["Fan 7"],
                                   Message=None)).status_code == 200
    service.wait_entries(1)
    entry = service.get(f"{ENTRIES}/1").json()
    assert "registry" in entry["Message"] and "Contoso" in entry["Message"]

    answer = add(service, registry("Contoso", Down="%1 is down."))
    assert answer.headers["Location"] == f"{REGISTRIES}/Contoso.1.0.0"
    wait_for(lambda: "Contoso.1.0.0" in members(service), what="the added registry")
    # What was logged before has words now, and what comes next as well.
    assert service.get(f"{ENTRIES}/1").json()["Message"] == "Fan 7 is down."
    assert service.post(event_body(MessageId="Contoso.1.0.Down", MessageArgs=["Fan 8"],
                                   Message=None)).status_code == 200
    service.wait_entries(2)
    assert service.get(f"{ENTRIES}/2").json()["Message"] == "Fan 8 is down."
    add(service, registry("Contoso", Down="%1 is down."), expect=200)

    # Same prefix and version, other content: side by side, the newer one does not hide the other.
    add(service, registry("Contoso", Down="%1 is down, again.", Up="%1 is up."))
    add(service, registry("Contoso", language="jp", Down="%1 が停止しました。"))
    wait_for(lambda: len([i for i in members(service) if i.startswith("Contoso.")]) == 2
             and any("ja" in m["Languages"] for m in members(service).values()
                     if m["Id"] == "Contoso.1.0.0"), what="both contents and the other language")
    file = members(service)["Contoso.1.0.0"]
    assert sorted(file["Languages"]) == ["en", "ja"]
    assert file["Oem"]["Rfeventd"]["Origin"] == "added"
    ja = next(loc["Uri"] for loc in file["Location"] if loc["Language"] == "ja")
    assert service.get(ja).json()["Messages"]["Down"]["Message"] == "%1 が停止しました。"
    answer = service.get(f"{ENTRIES}/1", headers={"Accept-Language": "ja"})
    assert answer.json()["Message"] == "Fan 7 が停止しました。"

    # A file goes with all its languages; what stood beside it then stands alone.
    for left in (1, 0):
        assert service.ask("DELETE", f"{REGISTRIES}/Contoso.1.0.0").status_code == 204
        wait_for(lambda: len([i for i in members(service) if i.startswith("Contoso.")]) == left,
                 what="the removal")
    assert service.ask("DELETE", f"{REGISTRIES}/Contoso.1.0.0").status_code == 404
    shipped = next(i for i in members(service) if i.startswith("Power."))
    answer = service.ask("DELETE", f"{REGISTRIES}/{shipped}")
    assert answer.status_code == 405 and "SIGHUP" in answer.text


def too_large(service, path, n_bytes, tmp_path):
    """Status of a body that is announced and refused before it is sent."""
    file = tmp_path / "body"
    file.write_bytes(b"x" * n_bytes)
    answer = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--cacert", service.ca, "-u", f"admin:{service.password}",
         "-H", "Expect: 100-continue", "--data-binary", f"@{file}", "-o", tmp_path / "answer",
         "-w", "%{http_code}", service.url + path], capture_output=True, text=True, check=False)
    return int(answer.stdout), (tmp_path / "answer").read_text()


def test_bad_ones_are_refused_by_name(service, tmp_path):
    for body, words in ((b"{", "JSON"), (b"{}", "registry")):
        answer = service.ask("POST", REGISTRIES, content=body)
        assert answer.status_code == 400, answer.text
        assert words in answer.text
    status, words = too_large(service, REGISTRIES, 33 << 20, tmp_path)
    assert status == 413 and "larger" in words
    status, words = too_large(service, "/redfish/v1/SessionService/Sessions", 2 << 20, tmp_path)
    assert status == 413 and "larger" in words


def test_a_restart_remembers_them(service):
    add(service, registry("Contoso", Down="%1 is down."))
    wait_for(lambda: "Contoso.1.0.0" in members(service), what="the added registry")
    service.terminate()
    mirror = service.state_dir / "registry-store/added"
    assert len(list(mirror.glob("*.json"))) == 1
    service.start()
    service.wait_ready()
    assert service.post(event_body(MessageId="Contoso.1.0.Down", MessageArgs=["Fan 8"],
                                   Message=None)).status_code == 200
    service.wait_entries(1)
    assert service.get(f"{ENTRIES}/1").json()["Message"] == "Fan 8 is down."


def test_the_command_line(service, tmp_path):
    folder = tmp_path / "registries/deeper"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps(registry("Contoso", Down="%1 is down.")))
    (folder / "b.json").write_text(json.dumps(registry("Contoso", language="ja", Down="%1 停止")))
    (folder / "notes.txt").write_text("not looked at")
    answer = service.cli("registry", "add", str(folder.parent))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("added") == 2
    listed = json.loads(service.cli("-o", "json", "registry", "list").stdout)
    contoso = next(one for one in listed if one["Id"] == "Contoso.1.0.0")
    assert contoso["Languages"] == "en ja" and contoso["Keys"] == 1 and contoso["Origin"] == "added"
    table = service.cli("registry", "list").stdout.splitlines()
    assert table[0].split() == ["Id", "Languages", "Keys", "Findings", "Origin", "SHA256", "Place"]
    assert any(line.startswith("Contoso.1.0.0 ") for line in table)

    shown = service.cli("registry", "show", "Contoso.1.0.0", "--language", "ja")
    assert "%1 停止" in shown.stdout
    body = json.loads(service.cli("-o", "json", "registry", "show", "Contoso.1.0.0").stdout)
    assert body["Messages"]["Down"]["Message"] == "%1 is down."
    assert service.cli("registry", "show", "Contoso.1.0.0", "--language", "fr").returncode == 1

    again = service.cli("registry", "add", str(folder / "a.json"))
    assert again.returncode == 0 and "there already" in again.stdout
    (tmp_path / "broken.json").write_text("{")
    broken = service.cli("registry", "add", str(tmp_path / "broken.json"))
    assert broken.returncode == 1 and "broken.json" in broken.stderr

    assert service.cli("registry", "remove", "Contoso.1.0.0").returncode == 0
    wait_for(lambda: "Contoso.1.0.0" not in members(service), what="the removal")
    assert service.cli("registry", "remove", "Contoso.1.0.0").returncode == 1
    assert service.cli("registry", "add").returncode == 2


def test_what_an_id_means_to_the_service(service):
    add(service, registry("Contoso", Down="%1 of %2 is down."))
    add(service, registry("Contoso", language="ja", Down="%2 の %1 が停止しました。"))
    wait_for(lambda: "ja" in members(service).get("Contoso.1.0.0", {}).get("Languages", []), what="both")
    asked = service.cli("-o", "json", "registry", "resolve", "Contoso.1.0.Down", "R1", "Fan 7",
                        "--language", "ja", "--text", "Fan 7 of R1 is down.")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["Message"] == "R1 の Fan 7 が停止しました。" and answer["args"] == ["Fan 7", "R1"]
    assert (answer["step"], answer["registry"], answer["version"], answer["language"]) == (
        "exact", "Contoso", "1.0.0", "ja")
    assert service.post(event_body(MessageId="Contoso.1.0.Down", MessageArgs=["R1", "Fan 7"],
                                   Message="Fan 7 of R1 is down.")).status_code == 200
    source = service.wait_entries(1)[0]["source"]["name"]
    asked = service.cli("registry", "resolve", "Contoso.2.0.Down", "--source", source)
    assert asked.returncode == 0 and "other_major" in asked.stdout
    asked = service.cli("registry", "resolve", "Contoso.1.0.Down", "--source", "nobody")
    assert asked.returncode == 1 and "nobody" in asked.stderr
    # Beside folders of one's own the service is not asked.
    house_rules = house.ROOT / "registries/standard"
    asked = service.cli("registry", "resolve", "Contoso.1.0.Down", "--path", str(house_rules))
    assert asked.returncode == 1
