"""rfevent registry lint, diff, resolve, coverage: without a service."""
import csv
import io
import json
import os
import re
import shutil
import subprocess

import pytest

import house

STANDARD = house.ROOT / "registries/standard"
TRANSLATIONS = house.ROOT / "translations"


def run(*arguments):
    """rfevent where it can find no service."""
    env = {k: v for k, v in os.environ.items() if k != "RFEVENT_CONFIG"}
    return subprocess.run([str(house.BUILD / "rfevent"), *map(str, arguments)], cwd="/", env=dict(env, HOME="/nowhere"),
                          capture_output=True, text=True, timeout=30)


def rows(*arguments):
    answer = run("-o", "json", *arguments)
    assert answer.stderr == "" or answer.returncode == 1, answer.stderr
    return json.loads(answer.stdout)


def message(text, n_args=0, severity="OK", **more):
    return {"Description": "d", "Message": text, "MessageSeverity": severity, "NumberOfArgs": n_args,
            "Resolution": "None.", **more}


def registry(prefix, version, **messages):
    return {"@odata.type": "#MessageRegistry.v1_7_0.MessageRegistry", "Id": f"{prefix}.{version}", "Name": "n",
            "Language": "en", "RegistryPrefix": prefix, "RegistryVersion": version, "OwningEntity": "Contoso",
            "Messages": messages}


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
    return path


@pytest.fixture
def fans(tmp_path):
    """Two versions with all that may change between them."""
    write(tmp_path, "Fans.1.0.0.json", registry(
        "Fans", "1.0.0", Gone=message("Gone."), Stopped=message("Fan %1 stopped.", 1, "Warning"),
        Slow=message("Fan %1 is slow.", 1), Back=message("Fan %1 is back.", 1, ClearingLogic={
            "ClearsMessage": ["Stopped"]})))
    write(tmp_path, "Fans.1.1.0.json", registry(
        "Fans", "1.1.0", Stopped=message("Fan %1 of %2 stopped.", 2, "Critical"),
        Slow=message("Fan %1 is slow.", 1, Resolution="Clean it."), New=message("A fan came."),
        Back=message("Fan %1 is back.", 1, ClearingLogic={"ClearsMessage": ["Stopped", "Slow"]})))
    return tmp_path


# --- lint

def test_what_is_shipped_is_clean():
    answer = run("registry", "lint")
    assert answer.returncode == 0 and answer.stdout == "", answer.stdout
    n_files = len(list(STANDARD.glob("*.json"))) + len(list(TRANSLATIONS.glob("*/*.json")))
    assert f"files: {n_files}; errors: 0, warnings: 0, notes: 0" in answer.stderr


def test_lint_names_file_and_key(fans):
    write(fans, "Fans.1.2.0.json", registry(
        "Fans", "1.2.1", Stopped=message("Fan $1 of %2 stopped.", 2, "Critical"), New=message("A fan came.")))
    write(fans, "broken.json", "{")
    write(fans, "Attributes.json", {"Attributes": []})
    answer = run("-o", "json", "registry", "lint", fans)
    assert answer.returncode == 1
    found = {(row["file"].removeprefix(f"{fans}/"), row["key"], row["code"]): row for row in json.loads(answer.stdout)}
    assert set(found) == {
        ("Fans.1.1.0.json", "Gone", "key_vanished"), ("Fans.1.1.0.json", "Stopped", "args_changed"),
        ("Fans.1.1.0.json", "Stopped", "severity_changed"),
        ("Fans.1.2.0.json", "", "version_differs_from_file"), ("Fans.1.2.0.json", "Back", "key_vanished"),
        ("Fans.1.2.0.json", "Slow", "key_vanished"), ("Fans.1.2.0.json", "Stopped", "placeholder_dollar"),
        ("Fans.1.2.0.json", "Stopped", "placeholder_skipped"), ("broken.json", "", "unreadable")}
    assert found["Fans.1.1.0.json", "Gone", "key_vanished"]["words"] == \
        "version 1.0.0 has this key, 1.1.0 has it no more"
    assert found["Fans.1.2.0.json", "Stopped", "placeholder_dollar"]["level"] == "error"
    assert found["Fans.1.1.0.json", "Stopped", "args_changed"]["level"] == "warning"


def test_lint_forms_and_statuses(fans, tmp_path):
    table = run("registry", "lint", fans)
    assert table.returncode == 1
    assert table.stdout.splitlines()[0].split() == ["file", "key", "code", "words"]
    assert any(line.split()[1:3] == ["Gone", "key_vanished"] for line in table.stdout.splitlines())
    lines = run("-o", "jsonl", "registry", "lint", fans).stdout.splitlines()
    assert len(lines) == 3 and all(json.loads(line)["level"] == "warning" for line in lines)
    comma = list(csv.DictReader(io.StringIO(run("-o", "csv", "registry", "lint", fans).stdout)))
    assert [row["key"] for row in comma] == ["Gone", "Stopped", "Stopped"]
    one = run("registry", "lint", fans / "Fans.1.0.0.json")  # alone: nothing to compare with
    assert one.returncode == 0 and one.stdout == ""
    note = write(tmp_path / "note", "A.1.0.0.json", registry("A", "1.0.0", K=message("%1%2", 2)))
    noted = run("registry", "lint", note)
    assert noted.returncode == 0 and "placeholders_adjacent" in noted.stdout  # a note does not count
    assert run("registry", "lint", "/nowhere/at/all").returncode == 1
    assert run("registry", "lint", "--nonsense").returncode == 2
    assert run("registry", "lint", write(tmp_path, "other.json", {"Attributes": []})).returncode == 1


def test_lint_translations(tmp_path):
    power = json.loads((TRANSLATIONS / "de/Power.json").read_text())
    del power["Messages"]["PowerSupplyFailed"]["Resolution"]
    power["Messages"]["PowerSupplyRestored"]["Message"] = "Netzteil ohne Namen."
    power["Messages"]["PowerSupplyFaild"] = {"Message": "Tippfehler.", "Resolution": "Keine."}
    path = write(tmp_path, "sv/Power.json", dict(power, Language="sv"))
    found = {(row["key"], row["code"]) for row in rows("registry", "lint", path)}
    assert found == {("PowerSupplyFailed", "untranslated"), ("PowerSupplyRestored", "placeholders_differ"),
                     ("PowerSupplyFaild", "key_unknown")}
    # A few messages over a shipped language: together they are complete.
    some = dict(power, Messages={"PowerSupplyFailed": {"Message": "Netzteil %1 ist tot.", "Resolution": "Tauschen."}})
    assert run("registry", "lint", write(tmp_path, "over/de/Power.json", some)).returncode == 0
    elsewhere = write(tmp_path, "words/Power.json", some)
    assert run("registry", "lint", "--translations", elsewhere).returncode == 0
    assert run("registry", "lint", elsewhere).returncode == 1  # taken for a registry


def test_lint_of_published_files(shared_data):
    answer = run("-o", "json", "registry", "lint", shared_data / "registries/dmtf", shared_data / "registries/oem")
    assert answer.returncode == 1
    found = {(row["file"].rsplit("/", 1)[1], row["key"], row["code"]) for row in json.loads(answer.stdout)}
    assert {("Fabric.1.0.0.json", "CableOK", "key_blank"), ("Update.1.0.0.json", "UpdateInProgress",
            "number_of_args_missing"), ("TaskEvent.1.0.1.json", "TaskProgessChanged", "key_vanished"),
            ("iLOEvents.2.3.0.XL675d.json", "", "same_version_differs")} <= found


def test_every_code_is_explained():
    """What a script may look for stands in the manual."""
    page = (house.ROOT / "docs/registries.md").read_text()
    codes = {"unreadable"}
    for room in ("registries", "translations"):
        for path in (house.ROOT / room).glob("*.c"):
            source = path.read_text()
            codes |= {m[1] for m in re.finditer(r'\b(?:parse_note|lint_note|note)\([^";]*?"([a-z0-9_]+)"', source)}
            codes |= set(re.findall(r'"([a-z]+_missing)"', source))
    assert len(codes) > 40
    short = {"number_of_args_missing": "`_missing`", "number_of_args_text": "`_text`"}
    assert [code for code in sorted(codes) if short.get(code, f"`{code}`") not in page] == []


# --- diff

def test_diff(fans):
    one, other = fans / "Fans.1.0.0.json", fans / "Fans.1.1.0.json"
    found = rows("registry", "diff", one, other)
    assert [(row["key"], row["change"]) for row in found] == [
        ("Back", "clearing"), ("Gone", "removed"), ("New", "added"), ("Slow", "resolution"), ("Stopped", "text"),
        ("Stopped", "args"), ("Stopped", "severity")]
    assert found[-1] == {"registry": "Fans", "from": "1.0.0", "to": "1.1.0", "key": "Stopped", "change": "severity",
                         "before": "Warning", "after": "Critical", "words": "was Warning, now Critical"}
    assert found[0]["after"] == "Stopped, Slow"
    table = run("registry", "diff", one, other)
    assert table.returncode == 1 and "asked for 1 argument, now for 2 arguments" in table.stdout
    back = rows("registry", "diff", other, one)
    assert {row["key"] for row in back if row["change"] == "added"} == {"Gone"}
    equal = run("registry", "diff", one, one)
    assert equal.returncode == 0 and equal.stdout == ""
    assert json.loads(run("-o", "json", "registry", "diff", one, one).stdout) == []
    assert run("registry", "diff", one).returncode == 2
    assert run("registry", "diff", one, fans / "none.json").returncode == 1


def test_diff_of_folders(fans, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(STANDARD, before)
    shutil.copytree(STANDARD, after)
    assert run("registry", "diff", before, after).returncode == 0
    power = json.loads((after / "Power.json").read_text())
    power["RegistryVersion"] = "1.9.0"  # the newest one of its prefix is what it is compared with
    power["Messages"]["PowerSupplyFailed"]["MessageSeverity"] = "OK"
    (after / "Power.json").write_text(json.dumps(power))
    (after / "License.json").unlink()
    write(after, "Fans.json", registry("Fans", "1.0.0", New=message("A fan came.")))
    found = [(row["registry"], row["from"], row["to"], row["key"], row["change"])
             for row in rows("registry", "diff", before, after)]
    shipped = {name: json.loads((STANDARD / f"{name}.json").read_text())["RegistryVersion"]
               for name in ("Power", "License")}
    assert found == [("Power", shipped["Power"], "1.9.0", "PowerSupplyFailed", "severity"),
                     ("License", shipped["License"], "", "", "registry_removed"),
                     ("Fans", "", "1.0.0", "", "registry_added")]


# --- resolve

def resolve(*arguments):
    answer = run("-o", "json", "registry", "resolve", *arguments)
    return json.loads(answer.stdout)


def test_resolve_in_languages():
    key = "VoltageAboveUpperCriticalThreshold"
    for language in ("de", "ja", "ar"):
        words = json.loads((TRANSLATIONS / language / "Power.json").read_text())["Messages"][key]
        found = resolve(f"Power.1.1.{key}", "P12V", "13.1", "12.6", "--language", language)
        assert found["language"] == language and found["step"] == "newer_minor"
        assert found["Resolution"] == words["Resolution"]
        assert found["args"] == ["P12V", "13.1", "12.6"]
        if language == "ja":
            assert found["Message"] == words["Message"].replace("%1", "P12V").replace("%2", "13.1").replace(
                "%3", "12.6")
    english = json.loads((STANDARD / "Power.json").read_text())
    found = resolve("Power.1.2.PowerSupplyFailed", "PSU 2")
    assert list(found)[:9] == ["MessageId", "Message", "Resolution", "Severity", "language", "step", "registry",
                               "version", "args"]
    assert {name: found[name] for name in list(found)[:9]} == {
        "MessageId": "Power.1.2.PowerSupplyFailed",
        "Message": english["Messages"]["PowerSupplyFailed"]["Message"].replace("%1", "PSU 2"),
        "Resolution": english["Messages"]["PowerSupplyFailed"]["Resolution"], "Severity": "Critical",
        "language": "en", "step": "exact", "registry": "Power", "version": english["RegistryVersion"],
        "args": ["PSU 2"]}


def test_resolve_recovers_arguments(fans):
    words = ("--path", fans, "--text", "BMC 7: Fan rear of shelf 3 stopped.")
    found = resolve("Fans.1.1.Stopped", "shelf 3", "rear", *words)
    assert found["args"] == ["rear", "shelf 3"] and found["before"] == "BMC 7: "
    assert found["Message"] == "BMC 7: Fan rear of shelf 3 stopped." and found["language"] == "en"
    write(fans, "t/de/Fans.json", {"Language": "de", "RegistryPrefix": "Fans", "Messages": {
        "Stopped": {"Message": "In %2 steht Lüfter %1.", "Resolution": "Tauschen."}}})
    german = resolve("Fans.1.1.Stopped", "shelf 3", "rear", *words, "--language", "de", "--translations", fans / "t")
    assert german["Message"] == "BMC 7: In shelf 3 steht Lüfter rear." and german["Resolution"] == "Tauschen."
    # One argument is what version 1.0 asks for.
    assert resolve("Fans.1.1.Stopped", "rear", "--path", fans)["version"] == "1.0.0"
    dash = resolve("Fans.1.0.Slow", "--path", fans, "--", "-1")
    assert dash["args"] == ["-1"] and dash["Message"] == "Fan -1 is slow."


def test_resolve_forms_and_statuses(fans):
    table = run("registry", "resolve", "Fans.1.1.Slow", "rear", "--path", fans)
    assert table.returncode == 0
    facts = {line[:12].strip(): line[13:] for line in table.stdout.splitlines() if line[:12].strip()}
    assert facts["Message"] == "Fan rear is slow." and facts["Registry"] == "Fans 1.1.0"
    assert facts["Why"] == "registry 'Fans' has the key in version 1.1"
    assert f"{fans}/Fans.1.0.0.json" in table.stdout  # a candidate that stands back
    comma = run("-o", "csv", "registry", "resolve", "Fans.1.1.Slow", "rear", "--path", fans).stdout
    row = next(csv.DictReader(io.StringIO(comma)))
    assert row["Message"] == "Fan rear is slow." and json.loads(row["args"]) == ["rear"]
    line = run("-o", "jsonl", "registry", "resolve", "Fans.1.1.Slow", "rear", "--path", fans).stdout
    assert line.count("\n") == 1 and json.loads(line)["step"] == "exact"
    unknown = run("-o", "json", "registry", "resolve", "Nobody.1.0.Knows", "x")
    assert unknown.returncode == 1
    assert json.loads(unknown.stdout)["registry"] is None and json.loads(unknown.stdout)["step"] == "none"
    sender = resolve("Nobody.1.0.Knows", "--text", "\x1b[31mIt broke.")
    assert sender["step"] == "sender" and sender["Message"] == "\x1b[31mIt broke." and sender["language"] is None
    harmless = run("registry", "resolve", "Nobody.1.0.Knows", "--text", "\x1b[31mIt broke.")
    assert "\x1b" not in harmless.stdout
    assert run("registry", "resolve").returncode == 2
    assert run("registry", "resolve", "A.1.0.B", "--source", "bmc").returncode == 2
    assert run("registry", "resolve", "A.1.0.B", "--path", "/nowhere").returncode == 1


def test_resolve_for_a_source(tmp_path):
    write(tmp_path, "Power.json", registry("Power", "1.0.0", PowerSupplyFailed=message("Dead: %1", 1)))
    id_ = "Power.1.2.PowerSupplyFailed"
    assert resolve(id_, "PSU 2", "--path", tmp_path)["step"] == "exact"
    own = resolve(id_, "PSU 2", "--path", tmp_path, "--source", "bmc-7")
    assert own["Message"] == "Dead: PSU 2" and own["version"] == "1.0.0" and own["step"] == "older_minor"
    assert "the source serves this registry itself" in own["why"]


# --- coverage

def test_coverage(fans):
    found = rows("registry", "coverage")
    languages = {path.name for path in TRANSLATIONS.iterdir() if path.is_dir()} | {"en"}
    assert {row["language"] for row in found} == languages
    assert len(found) == len(languages) * len(list(STANDARD.glob("*.json")))
    assert list(found[0]) == ["language", "prefix", "keys", "translated", "missing"]
    assert all(row["keys"] == row["translated"] > 0 and row["missing"] == 0 for row in found)
    table = run("registry", "coverage")
    assert table.returncode == 0
    assert table.stdout.splitlines()[0].split() == ["language", "prefix", "keys", "translated", "missing"]
    write(fans, "t/de/Fans.json", {"Language": "de", "RegistryPrefix": "Fans", "Messages": {
        "Slow": {"Message": "Lüfter %1 ist langsam.", "Resolution": "Reinigen."},
        "New": {"Message": "Ein Lüfter kam.", "Resolution": "Keine."},
        "Stopped": {"Message": "Lüfter %1 steht.", "Resolution": "Tauschen."}}})  # that of 1.0.0
    beside = run("-o", "json", "registry", "coverage", "--path", fans, "--translations", fans / "t")
    assert beside.returncode == 0  # what is not shipped need not be complete
    fans_rows = {row["language"]: (row["keys"], row["translated"], row["missing"])
                 for row in json.loads(beside.stdout) if row["prefix"] == "Fans"}
    assert fans_rows["de"] == (5, 2, 3) and fans_rows["en"] == (5, 5, 0) and fans_rows["ja"] == (5, 0, 5)
    assert run("registry", "coverage", "more").returncode == 2
    assert run("registry", "coverage", "--path", "/nowhere").returncode == 1


def test_coverage_of_an_incomplete_language(tmp_path):
    """The shipped folders are those beside the program: here a copy that lacks one message."""
    for part in ("build", "registries"):
        (tmp_path / part).mkdir()
    shutil.copy(house.BUILD / "rfevent", tmp_path / "build/rfevent")
    shutil.copytree(STANDARD, tmp_path / "registries/standard")
    shutil.copytree(TRANSLATIONS, tmp_path / "translations")
    power = json.loads((tmp_path / "translations/ja/Power.json").read_text())
    del power["Messages"]["PowerSupplyFailed"]
    (tmp_path / "translations/ja/Power.json").write_text(json.dumps(power))
    answer = subprocess.run([tmp_path / "build/rfevent", "-o", "json", "registry", "coverage"], capture_output=True,
                            text=True, timeout=30)
    assert answer.returncode == 1 and "1 of the shipped translations" in answer.stderr
    lacking = [row for row in json.loads(answer.stdout) if row["missing"] > 0]
    assert [(row["language"], row["prefix"], row["missing"]) for row in lacking] == [("ja", "Power", 1)]


def test_help_says_what_counts():
    for verb, words in (("lint", "notes do not"), ("diff", "exit status is 0"), ("resolve", "no registry knows"),
                        ("coverage", "shipped language")):
        answer = run("registry", verb, "--help")
        assert answer.returncode == 0 and words in answer.stdout
