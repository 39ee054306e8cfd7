#!/usr/bin/python3
"""make bench: every figure against its reference, in one run. See docs/performance.md."""
import argparse
import importlib
import os
import pathlib
import sys

import frame

HERE = pathlib.Path(__file__).resolve().parent
# Proxies and foreign certificate stores have no part in it.
for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
             "NODE_EXTRA_CA_CERTS", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY",
             "ALL_PROXY", "all_proxy"):
    os.environ.pop(name, None)


def groups(bench):
    for path in sorted(HERE.glob("figures_*.py")) + sorted(HERE.glob("path_*.py")):
        module = importlib.import_module(path.stem)
        if hasattr(module, "figures"):
            yield from module.figures(bench)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="FIGURE")
    parser.add_argument("--rounds", type=int, help="default 5; at least 3 say something")
    parser.add_argument("--quick", action="store_true", help="one short round: does it run at all")
    parser.add_argument("--list", action="store_true", help="the figures' names, and end")
    parser.add_argument("--table", type=pathlib.Path, metavar="JSON",
                        help="print a finished run as Markdown, and end")
    parser.add_argument("--output", type=pathlib.Path, help="default build/bench.json")
    options = parser.parse_args()
    if options.table:
        print(frame.markdown(options.table))
        return 0
    bench = frame.Bench(rounds=options.rounds or (1 if options.quick else 5), quick=options.quick)
    try:
        every = list(groups(bench))
        names = [figure.name for group in every for figure in group.figures]
        if options.list:
            print("\n".join(names))
            return 0
        unknown = set(options.only) - set(names)
        if unknown:
            parser.error(f"no such figure: {' '.join(sorted(unknown))} (see --list)")
        figures, failures = frame.run(bench, every, options.only)
        output = options.output or bench.build / "bench.json"
        frame.write(output, figures)
        print(f"{len(figures)} figures in {output}")
        for names in failures:
            print(f"not measured: {' '.join(names)}", file=sys.stderr)
        return 1 if failures else 0
    finally:
        bench.close()


if __name__ == "__main__":
    sys.exit(main())
