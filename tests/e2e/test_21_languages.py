"""One log, each reader in its own language."""
import json
import re
import unicodedata

import house
from house import ENTRIES, event_body, wait_for


def words(service, language):
    answer = service.get(f"{ENTRIES}?$orderby=Id%20asc",
                         headers={"Accept": "application/x-ndjson", "Accept-Language": language})
    return [json.loads(line) for line in answer.text.splitlines()]


def test_readers_of_one_log(service):
    english = json.loads((house.ROOT / "registries/standard/Power.json").read_text())["Messages"]
    japanese = json.loads((house.ROOT / "translations/ja/Power.json").read_text())["Messages"]
    key = "PowerSupplyFailed"
    streams = {language: service.stream(subscribe={"type": "subscribe", "after": "live", "language": language})
               for language in ("ja-JP", "fr, en;q=0.5", "de", "ar")}
    wait_for(lambda: all(stream.of("caught_up") for stream in streams.values()), what="both streams live")
    assert service.post(event_body(MessageId=f"Power.1.2.{key}", MessageArgs=["PSU 2"])).status_code == 200
    # Its own words, and arguments the wrong way round: what it says decides.
    text = "Voltage too high: sensor 'P12V' reads 13.1 V, over its upper critical threshold of 12.6 V."
    assert service.post(event_body(MessageId="Power.1.2.VoltageAboveUpperCriticalThreshold", Message=text,
                                   MessageArgs=["12.6", "13.1", "P12V"])).status_code == 200
    service.wait_entries(2)

    ja, en = words(service, "ja"), words(service, "en")
    assert [entry["language"] for entry in ja] == ["ja", "ja"]
    assert ja[0]["Message"] == japanese[key]["Message"].replace("%1", "PSU 2")
    assert ja[0]["Resolution"] == japanese[key]["Resolution"]
    assert en[0]["Message"] == english[key]["Message"].replace("%1", "PSU 2")
    assert en[1]["Message"] == text
    voltage = japanese["VoltageAboveUpperCriticalThreshold"]["Message"]
    assert ja[1]["Message"] == voltage.replace("%1", "P12V").replace("%2", "13.1").replace("%3", "12.6")
    assert words(service, "zh-TW")[0]["language"] == "en"

    heard = {language: stream.wait_events(2) for language, stream in streams.items()}
    assert [e["Message"] for e in heard["ja-JP"]] == [e["Message"] for e in ja]
    assert [e["Message"] for e in heard["fr, en;q=0.5"]] == [e["Message"] for e in en]
    for language in ("de", "ar"):
        assert [e["Message"] for e in heard[language]] == [e["Message"] for e in words(service, language)]
        assert [e["language"] for e in heard[language]] == [language] * 2
        file = json.loads((house.ROOT / f"translations/{language}/Power.json").read_text())["Messages"]
        assert heard[language][0]["Resolution"] == file[key]["Resolution"]
    assert "\u2068PSU 2\u2069" in heard["ar"][0]["Message"]  # apart, in text from right to left
    assert "13,1" in heard["de"][1]["Message"]
    assert len({tuple(e["seq"] for e in events) for events in heard.values()}) == 1
    for stream in streams.values():
        stream.close()


def test_a_shipped_language_is_complete():
    """Every message and resolution of every shipped registry, with the same placeholders, in NFC."""
    languages = sorted(path.name for path in (house.ROOT / "translations").iterdir() if path.is_dir())
    assert {"ar", "de", "ja"} <= set(languages)
    for file in (house.ROOT / "registries/standard").glob("*.json"):
        english = json.loads(file.read_text())["Messages"]
        for language in languages:
            text = (house.ROOT / "translations" / language / file.name).read_text()
            assert unicodedata.is_normalized("NFC", text)
            translated = json.loads(text)
            assert translated["Language"] == language
            assert list(translated["Messages"]) == list(english), (language, file.name)
            for key, message in translated["Messages"].items():
                assert message["Message"].strip() and message["Resolution"].strip(), (language, key)
                found, wanted = (sorted(set(re.findall(r"%\d+", m["Message"]))) for m in (message, english[key]))
                assert found == wanted, (language, file.name, key)


def test_a_site_of_another_language(new_service):
    """What is stored, and so searched, is in the site's language; a guest reads English."""
    service = new_service(sets=["translations.default_language=de"]).start()
    service.wait_ready()
    stream = service.stream(subscribe={"type": "subscribe", "after": "live", "language": "ja"})
    wait_for(lambda: stream.of("caught_up"), what="the stream live")
    german, own = (json.loads((house.ROOT / path / "Power.json").read_text())["Messages"]["PowerSupplyFailed"]
                   for path in ("translations/de", "registries/standard"))
    assert service.post(event_body(MessageId="Power.1.2.PowerSupplyFailed", MessageArgs=["PSU 2"])).status_code == 200
    assert service.post(event_body(MessageId="Contoso.1.7.Broken", MessageArgs=["x"])).status_code == 200
    assert service.post(event_body(MessageId="Contoso.1.7.Said", Message="It broke.")).status_code == 200
    service.wait_entries(3)

    known, unknown, said = words(service, "")
    assert known["Message"] == german["Message"].replace("%1", "PSU 2")
    assert (known["Resolution"], known["language"]) == (german["Resolution"], "de")
    assert unknown["Message"].startswith("Ereignis \u201eContoso.1.7.Broken\u201c kam ohne Text")
    assert unknown["language"] == "de" and "language" not in said and said["Message"] == "It broke."
    found = service.get(f"{ENTRIES}?$filter=contains(Message,'Kam%20ohne%20Text')").json()
    assert [entry["MessageId"] for entry in found["Members"]] == ["Contoso.1.7.Broken"]
    english = words(service, "en")
    assert english[0]["Message"] == own["Message"].replace("%1", "PSU 2") and english[0]["language"] == "en"
    assert english[1]["Message"].startswith("Event 'Contoso.1.7.Broken' came without text")
    heard = stream.wait_events(3)
    assert [e.get("language") for e in heard] == ["ja", "ja", None]
    assert "Contoso.1.7.Broken" in heard[1]["Message"] and "\u30c6\u30ad\u30b9\u30c8" in heard[1]["Message"]
    stream.close()
