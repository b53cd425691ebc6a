"""`python -m benchmarks.exchange`: what verification, export and import cost; the table of docs/library.md."""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sega_store import Library, export_vectors, import_vectors
from sega_store.exchange.export import FORMATS
from tests.store.samples import noise, provenance, vector

COUNT = 40


def milliseconds(work: Callable[[], object]) -> str:
    """The milliseconds of processor time per vector of work on all vectors."""
    start = time.process_time()
    work()
    return f"{(time.process_time() - start) / COUNT * 1e3:.1f}"


def size(path: Path) -> int:
    """The bytes of the files at a path."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def main(folder: Path) -> None:
    """Print the table."""
    os.environ["SEGA_VEC_CACHE"] = str(folder / "cache")
    library, initial = Library(folder / "library"), noise(shape=(4, 64, 64), dtype="float16")
    for seed in range(COUNT):
        facts = provenance(initial)
        library.add(vector(str(seed), (50, 4, 64, 64), "float16", seed, kept=0.05, facts=facts), initial)
    print("| | ms a vector | bytes a vector |\n|---|---|---|")
    print(f"| verify | {milliseconds(library.verify)} | |")
    for name in FORMATS:
        path = folder / f"export-{name}"
        cost = milliseconds(partial(export_vectors, library, path, format=name))
        print(f"| export `{name}` | {cost} | {size(path) // COUNT:,} |")
    other = Library(folder / "other")
    print(f"| import `zip` | {milliseconds(lambda: import_vectors(other, folder / 'export-zip'))} | |")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
