"""`python -m benchmarks.remote`: what a library in an object store costs; the tables of docs/library.md."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sega_store import Library, copy_vectors
from tests.store.samples import noise, provenance, vector
from tests.store.servers import CREDENTIALS, Proxy, moto

COUNT = 200
LATENCY = 0.02  # seconds that each request waits


def listed(requests: list[str]) -> str:
    """Requests as `LIST, 2 GET vectors`."""
    names = ["LIST" if "?list" in one else "DELETE" if "?delete" in one else one.split("/")[0] + one.split("/")[2]
             for one in requests]  # fmt: skip
    return ", ".join(f"{names.count(name)} {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names))


def operations(library: Library, proxy: Proxy) -> None:
    """Print the requests of each operation."""
    v, other, initial = vector(facts=provenance(noise(seed=1))), vector("smile"), noise(seed=1)
    library.remove(library.add(vector("first")))
    steps: dict[str, Callable[[], object]] = {
        "add with its noise": lambda: library.add(v, initial),
        "add without noise": lambda: library.add(other),
        "add what is held": lambda: library.add(other),
        "list or search, nothing new": library.search,
        "open by REF": lambda: library[v.id],
        "open again": lambda: library[v.id],
        "its noise": lambda: library.noise(v.id),
        "ask for a recipe that is held": lambda: library.by_recipe(v.recipe),
        "tag": lambda: library.annotate(v.id, tags=["x"]),
        "verify (4 files)": library.verify,
        "remove, with its noise": lambda: library.remove(v.id),
    }
    print("| | requests | which |\n|---|---|---|")
    for name, step in steps.items():
        proxy.requests.clear()
        step()
        print(f"| {name} | {len(proxy.requests)} | {listed(proxy.requests)} |", flush=True)
    proxy.requests.clear()
    for number in range(160):
        library.add(vector(f"more {number}"))
    print(f"| 160 adds without noise, for each, merging of segments included | {len(proxy.requests) / 160:.2f} | |")
    proxy.requests.clear()
    os.environ["SEGA_VEC_CACHE"] += "-fresh"
    count = len(Library(library.where))
    print(f"| list {count} for the first time | {len(proxy.requests)} | {listed(proxy.requests)} |")


def pushes(folder: Path, proxy: Proxy) -> None:
    """Print how long pushes take."""
    source, initial = Library(folder / "source"), noise(shape=(4, 64, 64), dtype="float16")
    for seed in range(COUNT):
        facts = provenance(initial)
        source.add(vector(str(seed), (50, 4, 64, 64), "float16", seed, kept=0.05, facts=facts), initial)
    proxy.delay = LATENCY
    seconds = {}
    print(f"\n| push of {COUNT} vectors, {LATENCY * 1e3:.0f} ms of latency | s | requests a vector | times as fast |")
    print("|---|---|---|---|")
    for jobs in (1, 2, 4, 8):
        target = Library(f"s3://{proxy.bucket}/jobs{jobs}")
        proxy.requests.clear()
        start = time.monotonic()
        copy_vectors(source, target, jobs=jobs)
        seconds[jobs] = time.monotonic() - start
        each = len(proxy.requests) / COUNT
        print(f"| {jobs} jobs | {seconds[jobs]:.1f} | {each:.2f} | {seconds[1] / seconds[jobs]:.1f} |", flush=True)
    proxy.requests.clear()
    start = time.monotonic()
    copy_vectors(source, target)
    print(f"| again, 8 jobs | {time.monotonic() - start:.1f} | {len(proxy.requests) / COUNT:.2f} | |")


def main(folder: Path) -> None:
    """Print the tables."""
    os.environ["SEGA_VEC_CACHE"] = str(folder / "cache")
    with moto() as server:
        proxy = Proxy(server)
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=proxy.url)
        operations(Library(f"s3://{proxy.bucket}/library"), proxy)
        pushes(folder, proxy)
        proxy.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
