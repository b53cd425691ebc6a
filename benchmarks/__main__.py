"""`make bench`: runs the benchmarks and writes their tables to RESULTS.md. Names select some of them."""

import argparse
import datetime
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

import diffusers
import torch

from benchmarks.browse import browse
from benchmarks.command_line import start_up
from benchmarks.files import sizes
from benchmarks.planning import planning
from benchmarks.scale import scale
from benchmarks.speed import embedded, pixart, stable_diffusion_1_5, stable_diffusion_xl
from benchmarks.timing import Row

RESULTS = Path(__file__).with_name("RESULTS.md")
ROUNDS = 7
HEAD = """# Benchmarks

Made by `make bench`. Contenders take turns; a figure is the median over the rounds of the ratio within a round.
"""

BENCHMARKS: dict[str, Callable[[int], list[Row]]] = {
    "files": lambda _: sizes(),
    "command-line": lambda _: start_up(3 * ROUNDS),
    "embedded": lambda _: embedded(2 * ROUNDS),
    "planning": lambda _: planning(),
    "sd15": lambda _: stable_diffusion_1_5(5),
    "pixart": lambda _: pixart(5),
    "sdxl": lambda _: stable_diffusion_xl(5),
    "scale": scale,
    "browse": browse,
}


def machine() -> str:
    """The machine and the versions, in a line."""
    if torch.cuda.is_available():
        where = torch.cuda.get_device_name()
    else:
        cpu = Path("/proc/cpuinfo")
        models = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
        where = f"{os.cpu_count()} cores of {(models or [platform.processor()])[0]}"
    if "MALLOC_TRIM_THRESHOLD_" in os.environ:
        where += ", glibc keeps what it has (MALLOC_TRIM_THRESHOLD_)"
    return f"{where}, torch {torch.__version__}, diffusers {diffusers.__version__}, Python {platform.python_version()}"


def main(arguments: list[str]) -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--vectors", type=int, default=10_000, help="how many vectors the libraries of scale and browse hold"
    )
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(BENCHMARKS)):
        parser.error(f"benchmarks are {', '.join(BENCHMARKS)}; met {', '.join(unknown)}")
    sections = _sections()
    for name in options.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr)
        rows = [str(row) for row in BENCHMARKS[name](options.vectors)]
        print("\n".join(rows), flush=True)
        today = datetime.date.today().isoformat()
        table = "\n".join(["| what | measured | at most |", "|---|---|---|", *rows])
        command = f"{name} --vectors {options.vectors}" if name in ("scale", "browse") else name
        sections[name] = f"`python -m benchmarks {command}`, {today}: {machine()}.\n\n{table}"
        RESULTS.write_text(HEAD + "".join(f"\n## {n}\n\n{sections[n]}\n" for n in BENCHMARKS if n in sections))


def _sections() -> dict[str, str]:
    """The results so far, by benchmark."""
    if not RESULTS.exists():
        return {}
    parts = re.split(r"^## (.+)$", RESULTS.read_text(), flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


if __name__ == "__main__":
    main(sys.argv[1:])
