#!/usr/bin/python3
"""The table of values in the chart's README, from values.schema.json and values.yaml.

Prints it; with --write puts it into the README. A value that is in one file alone is an error.
"""
import json
import pathlib
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "helm/rfeventd"
START, END = "<!-- values -->\n", "<!-- end of values -->\n"


def is_group(schema):
    return schema.get("additionalProperties") is False and schema.get("type") == "object"


def rows(schema, values, prefix=""):
    """(name, type, default, words) of each value; groups open into what they hold."""
    for name, part in schema["properties"].items():
        path = prefix + name
        if not part.get("description"):
            raise SystemExit(f"{path}: no description in values.schema.json")
        if is_group(part):
            yield from rows(part, values.get(name, {}), path + ".")
        elif name in values:
            yield path, part.get("type", "text or number"), json.dumps(values[name]), part["description"]
        elif path != "global" and not prefix.startswith("probes."):
            raise SystemExit(f"{path}: not in values.yaml")
    unknown = set(values) - set(schema["properties"])
    if unknown:
        raise SystemExit(f"{prefix}{sorted(unknown)}: not in values.schema.json")


def table():
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    lines = ["| value | type | default | |", "| --- | --- | --- | --- |"]
    for path, kind, default, words in rows(schema, values):
        lines.append(f"| `{path}` | {kind} | `{default}` | {words.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def readme_with(text):
    before, rest = (CHART / "README.md").read_text().split(START)
    return before + START + text + END + rest.split(END)[1]


if __name__ == "__main__":
    if "--write" in sys.argv:
        (CHART / "README.md").write_text(readme_with(table()))
    else:
        sys.stdout.write(table())
