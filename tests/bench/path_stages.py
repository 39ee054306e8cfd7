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
