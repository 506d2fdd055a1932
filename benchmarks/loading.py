"""What loading the code location costs, against a bare `import dagster`, in turn and in one run.

python benchmarks/loading.py [--runs 9]
"""

import argparse
import statistics
import subprocess
import sys
import time

CASES = {
    "import dagster": "import dagster",
    "import wif_pipelines.definitions": "import wif_pipelines.definitions",
    "... and build them": "import wif_pipelines.definitions as d; d.defs()",
}


def main() -> None:
    """Print the median of each case and its ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for turn in range(runs + 1):
        for name, code in CASES.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            if turn:  # the first turn warms the file cache
                seconds[name].append(time.perf_counter() - started)
    bare = statistics.median(seconds["import dagster"])
    for name, measured in seconds.items():
        median = statistics.median(measured)
        print(f"{name:36} {median:6.2f} s  {median / bare:5.2f} x  ({min(measured):.2f} to {max(measured):.2f})")


if __name__ == "__main__":
    main()
