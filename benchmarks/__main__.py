"""`make bench`: runs the benchmarks and writes their table to RESULTS.md. Names of benchmarks select some of them."""

import datetime
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import diffusers
import torch

from benchmarks.command_line import start_up
from benchmarks.files import sizes
from benchmarks.speed import embedded, stable_diffusion_1_5
from benchmarks.timing import Row

RESULTS = Path(__file__).with_name("RESULTS.md")
ROUNDS = 7

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "files": sizes,
    "command-line": lambda: start_up(3 * ROUNDS),
    "embedded": lambda: embedded(ROUNDS),
    "sd15": lambda: stable_diffusion_1_5(5),
}


def machine() -> str:
    """The machine and the versions, in a line."""
    if torch.cuda.is_available():
        where = torch.cuda.get_device_name()
    else:
        cpu = Path("/proc/cpuinfo")
        models = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
        where = f"{os.cpu_count()} cores of {(models or [platform.processor()])[0]}"
    return f"{where}, torch {torch.__version__}, diffusers {diffusers.__version__}, Python {platform.python_version()}"


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"benchmarks are {', '.join(BENCHMARKS)}; met {', '.join(unknown)}")
    rows: list[Row] = []
    for name in names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr)
        for row in BENCHMARKS[name]():
            print(row, flush=True)
            rows.append(row)
    if not names:
        table = "\n".join(["| what | measured | at most |", "|---|---|---|", *map(str, rows)])
        today = datetime.date.today().isoformat()
        RESULTS.write_text(
            f"# Benchmarks\n\nMade by `make bench` on {today}: {machine()}.\n"
            f"Contenders take turns; a figure is the median over the rounds of the ratio within a round.\n\n{table}\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
