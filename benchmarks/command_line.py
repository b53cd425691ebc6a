"""The command line's start-up, in CPU seconds against `python -c "import click"`."""

import dataclasses
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import Row, ratio, side_by_side
from sega_vectors import Concept, Library, Recorder, load_pipeline


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def start_up(rounds: int) -> list[Row]:
    """`--help`, and `ls` of a library of 100 vectors whose catalogue is warm."""
    command = str(Path(sys.executable).with_name("sega-vec"))
    with tempfile.TemporaryDirectory() as folder:
        _fill(Library(Path(folder) / "library"), 100)

        def run(*arguments: str) -> None:
            subprocess.run(arguments, check=True, capture_output=True)

        seconds = side_by_side(
            {
                "click": lambda: run(sys.executable, "-c", "import click"),
                "help": lambda: run(command, "--help"),
                "ls": lambda: run(command, "ls", "--library", str(Path(folder) / "library")),
            },
            rounds,
            clock=_cpu_seconds,
        )
    return [
        Row("CPU seconds of `sega-vec --help` / `python -c 'import click'`", ratio(seconds, "help", "click"), 2.5),
        Row("CPU seconds of `sega-vec ls` of 100 vectors / the same", ratio(seconds, "ls", "click"), 6),
    ]


def _fill(library: Library, count: int) -> None:
    pipe = load_pipeline("embedded", device="cpu")
    pipe.set_progress_bar_config(disable=True)
    recorder = Recorder(pipe, [Concept("glasses")])
    recorder(prompt="a portrait of a man", num_inference_steps=2, output_type="latent")
    vector = recorder.vectors[0]
    for i in range(count):
        library.add(dataclasses.replace(vector, concept=Concept(f"concept {i}")), recorder.noises[0])
