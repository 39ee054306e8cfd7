"""The benchmark's frame: rounds, medians, build/bench.json.

A module figures_*.py or path_*.py beside this file has `figures(bench)`, which yields Groups. A group
sets up once, then its round function is called `bench.rounds` times; each round measures the
candidate and the reference one after the other (alternate() swaps who is first), so that both
met the same machine. The ratio of a figure is the median of the rounds' own ratios.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Target:
    """What a figure's ratio (or, without a reference, its value) is to be."""
    sign: str
    limit: float

    def __str__(self):
        return f"{self.sign} {self.limit:g}"

    def is_met(self, seen):
        return seen <= self.limit if self.sign == "<=" else seen >= self.limit


def at_most(limit):
    return Target("<=", limit)


def at_least(limit):
    return Target(">=", limit)


@dataclasses.dataclass
class Figure:
    name: str
    unit: str
    reference: str | None = None  # in words
    target: Target | None = None
    runs: list = dataclasses.field(default_factory=list)  # (value, reference value or None)

    def ratios(self):
        return [value / reference for value, reference in self.runs if reference]

    def record(self):
        """The entry of bench.json."""
        references = [reference for _, reference in self.runs if reference is not None]
        ratios = self.ratios()
        return {"name": self.name, "value": statistics.median(v for v, _ in self.runs),
                "unit": self.unit, "reference": self.reference,
                "reference_value": statistics.median(references) if references else None,
                "ratio": statistics.median(ratios) if ratios else None,
                "runs": [{"value": value, "reference_value": reference,
                          "ratio": value / reference if reference else None}
                         for value, reference in self.runs]}

    def line(self):
        """A line of the table: medians, the spread of what is judged, the target."""
        record = self.record()
        judged = self.ratios() or [value for value, _ in self.runs]
        middle = statistics.median(judged)
        reference = record["reference_value"]
        verdict = ""
        if self.target:
            verdict = f"{self.target}  {'met' if self.target.is_met(middle) else 'MISSED'}"
        return (f"{self.name:28} {record['value']:12.4g} "
                f"{'' if reference is None else format(reference, '.4g'):>12} "
                f"{'' if record['ratio'] is None else format(middle, '.3f'):>7} "
                f"{min(judged):9.4g} … {max(judged):<9.4g} {self.unit:20} {verdict}").rstrip()


@dataclasses.dataclass
class Group:
    """Figures measured together. open(bench) is a context manager that gives the round function:
    round(i) -> {name: (value, reference value or None)}."""
    figures: list
    open: object


def alternate(i, candidate, reference):
    """Both measured, first the candidate in even rounds, first the reference in odd ones."""
    if i % 2 == 0:
        value = candidate()
        return value, reference()
    other = reference()
    return candidate(), other


class Bench:
    """What a module needs to measure: where things are and how long to take."""

    def __init__(self, rounds=5, quick=False, build=None):
        self.build = pathlib.Path(build or ROOT / os.environ.get("BUILD", "build"))
        self.rounds, self.quick = rounds, quick
        self.cores = sorted(os.sched_getaffinity(0))
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-bench-"))
        self.work.chmod(0o755)

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def seconds(self, usual):
        """How long to load: `usual`, or a glimpse."""
        return min(usual, 0.3) if self.quick else usual

    def core(self, i):
        """A core to pin to: the server takes 0, the generator 1; with one core both share it."""
        return self.cores[i % len(self.cores)]

    def load(self, target, path, **options):
        """Run the load generator: keywords are its options (connections=64, protocol="h2", tls12=True,
        watch=[pid]). Its JSON; fails when it could not run or requests went without an answer."""
        command = [self.build / "bench/load", "--target", target, "--path", path]
        for name, value in options.items():
            option = "--" + name.replace("_", "-")
            if value is True:
                command.append(option)
            elif isinstance(value, (list, tuple)):
                command += [option, ",".join(map(str, value))]
            elif value is not None and value is not False:
                command += [option, str(value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr}")
        result = json.loads(done.stdout)
        result["words"] = done.stderr
        return result


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except OSError:
        return None
    return ((done.stdout or done.stderr).splitlines() or [None])[0]


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    memory = pathlib.Path("/proc/meminfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", info, re.M)
    return {"cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "memory_mb": int(memory.split()[1]) // 1024,
            "compiler": first_line("gcc", "--version"), "openssl": first_line("openssl", "version"),
            "nginx": first_line("nginx", "-v"), "load_average": os.getloadavg()[0]}


def commit():
    return first_line("git", "describe", "--always", "--dirty", "--abbrev=12") or "unknown"


def write(path, figures):
    result = {"commit": commit(), "machine": machine(),
              "figures": [figure.record() for figure in figures]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def markdown(path):
    """The figures of a bench.json as a table: medians, and the spread of ratio or value."""
    lines = ["| figure | value | unit | reference | its value | ratio | least … most |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for figure in json.loads(path.read_text())["figures"]:
        ratio, other = figure["ratio"], figure["reference_value"]
        judged = [run["value" if ratio is None else "ratio"] for run in figure["runs"]]
        lines.append(f"| {figure['name']} | {figure['value']:.3g} | {figure['unit']} "
                     f"| {figure['reference'] or ''} | {'' if other is None else f'{other:.3g}'} "
                     f"| {'' if ratio is None else f'{ratio:.2f}'} "
                     f"| {min(judged):.3g} … {max(judged):.3g} |")
    return "\n".join(lines)


def run_group(bench, group):
    """All rounds of a group; its figures, those that were measured."""
    by_name = {figure.name: figure for figure in group.figures}
    with contextlib.contextmanager(group.open)(bench) as one_round:
        for i in range(bench.rounds):
            for name, run in one_round(i).items():
                by_name[name].runs.append(run)
    return [figure for figure in group.figures if figure.runs]


def run(bench, groups, only=()):
    """Measure the groups that hold a wanted figure, a table line each; (figures, failures)."""
    figures, failures = [], []
    print(f"{'figure':28} {'value':>12} {'reference':>12} {'ratio':>7} {'least':>9} … {'most':9} "
          f"{'unit':20} target", flush=True)
    for group in groups:
        names = [figure.name for figure in group.figures]
        if only and not set(names) & set(only):
            continue
        started = time.monotonic()
        try:
            done = run_group(bench, group)
        except Exception as error:  # one stage that fails takes no other with it
            failures.append(names)
            print(f"{' '.join(names)}: {error}", file=sys.stderr, flush=True)
            continue
        for figure in done:
            if not only or figure.name in only:
                figures.append(figure)
                print(figure.line(), flush=True)
        print(f"  {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return figures, failures
