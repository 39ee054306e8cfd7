"""Instructions per event of the stages, by callgrind, and decode beside the JSON reader alone."""
import json
import re
import subprocess

from frame import ROOT, Figure, Group, at_most

STAGES = ("decode", "resolve", "encode", "journal", "row")
DELIVERIES, FEW = 600, 100


def instructions(bench, stage, shape="mix"):
    """Per event, inside the stage alone."""
    command = ["valgrind", "--tool=callgrind", "--toggle-collect=measured",
               f"--callgrind-out-file={bench.work / 'callgrind'}",
               bench.build / "bench/instructions", stage, shape,
               str(FEW if bench.quick else DELIVERIES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    collected = int(re.search(r"Collected : (\d+)", done.stderr).group(1))
    return collected / json.loads(done.stdout)["events"]


def stage_round(stage):
    def open_stage(bench):
        # Counted, not timed: the rounds differ by what malloc met, in the fourth digit.
        yield lambda i: {f"instructions_{stage}": (instructions(bench, stage), None)}
    return open_stage


def open_resolve(bench):
    """Every id of the shipped registries in turn, against the least that could be done for it; then
    ids that no registry has, against those."""
    def one_round(_i):
        known = instructions(bench, "resolve", "known")
        unknown = instructions(bench, "resolve", "unknown")
        unknown_text = instructions(bench, "resolve", "unknown_text")
        return {"resolve_vs_hash": (known, instructions(bench, "lookup", "known")),
                "resolve_unknown_vs_known": (unknown, known),
                "resolve_unknown_text_vs_known": (
                    unknown_text, instructions(bench, "resolve", "known_text"))}
    yield one_round


def compare(bench):
    """us of CPU per event: decode, and jansson's parse alone, slice by slice in one process."""
    done = subprocess.run([bench.build / "bench/instructions", "compare", "mix"], check=True,
                          capture_output=True, text=True, cwd=ROOT)
    slices = sorted((json.loads(line) for line in done.stdout.splitlines()),
                    key=lambda one: one["decode_us"] / one["jansson_us"])
    middle = slices[len(slices) // 2]
    return middle["decode_us"], middle["jansson_us"]


def open_compare(bench):
    yield lambda i: {"decode_vs_jansson": compare(bench)}


def figures(_bench):
    for stage in STAGES:
        yield Group([Figure(f"instructions_{stage}", "instructions/event")], stage_round(stage))
    yield Group([Figure("decode_vs_jansson", "us CPU/event", "jansson, parse alone", at_most(2))],
                open_compare)
    yield Group([Figure("resolve_vs_hash", "instructions/event",
                        "hash look-up of the whole id, and substitution", at_most(5)),
                 Figure("resolve_unknown_vs_known", "instructions/event",
                        "known ids, no text either", at_most(1)),
                 Figure("resolve_unknown_text_vs_known", "instructions/event",
                        "known ids, with the sender's text too", at_most(1))], open_resolve)
