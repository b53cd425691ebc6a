"""A library of many vectors: questions, refreshing, building the catalogue; and opening one vector.

The vectors are real files, small ones (4 x 2 x 8 x 8), each with its own prompt, laid out as a library without the
syncs of `Library.add`, which alone would take hours on a slow disk. Everything is in the page cache.
"""

import hashlib
import json
import math
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc
from tqdm import tqdm

from benchmarks.timing import Row, ratio, side_by_side
from sega_store import GuidanceVector, Library, read_vector, write_vector
from sega_store.files.zip_container import unpack
from sega_store.places.folder_index import SETTLED_NS
from sega_store.places.layout import vector_key
from tests.store.samples import noise, provenance, vector

ROUNDS = 41
SMALLEST = 1_000
MODELS, CONCEPTS, WORDS = 5, 20, 2_000  # so that the smallest library has 10 of each model and concept
START = datetime(2026, 1, 1, tzinfo=UTC)
QUESTIONS: dict[str, Callable[[Library, str], object]] = {
    "newest 50": lambda library, _: library.search(limit=50),
    "full text, a word of all": lambda library, _: library.search("portrait", limit=50),
    "full text, two words of few": lambda library, _: library.search("word77 word78", limit=50),
    "full text, two words that exclude each other": lambda library, _: library.search("even odd", limit=50),
    "newest 10 of a model and a concept": lambda library, _: library.search(
        model="model 3", concept="concept 3", limit=10
    ),
    "newest 10 of a concept, full text": lambda library, _: library.search("portrait", concept="concept 3", limit=10),
    "look-up by id": lambda library, identity: library.resolve(identity),
    "look-up by 12 digits of an id": lambda library, identity: library.resolve(identity[:12]),
}


def scale(vectors: int) -> list[Row]:
    """The rows for 1,000 vectors, ten times as many, and so on up to the given number."""
    counts = [*(SMALLEST * 10**power for power in range(8) if SMALLEST * 10**power < vectors), vectors]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGA_VEC_CACHE"] = f"{folder}/cache"
        library, smallest = Library(Path(folder, "library")), dict[str, float]()
        for before, count in zip([0, *counts], counts, strict=False):
            fill(library, before, count)
            time.sleep(SETTLED_NS / 1e9)  # a folder that has just changed is read again by every question
            found = {name: one * 1e3 for name, one in questions(library).items()}
            smallest = smallest or found
            rows += [Row(f"{count:,} vectors: {name}, ms", ms, 5) for name, ms in found.items()]
            growth = math.log(count) / math.log(SMALLEST)
            rows += [
                Row(f"{count:,} / {SMALLEST:,} vectors: {name}", ms / smallest[name], growth)
                for name, ms in found.items()
                if count > SMALLEST
            ]
            rows += upkeep(library, count)
        rows += opening(Path(folder))
    return rows


def fill(library: Library, start: int, end: int) -> None:
    """Adds vectors to a library's folder, without syncs."""
    base = vector(shape=(4, 2, 8, 8), dtype="float16", facts=provenance(noise(shape=(2, 8, 8))))
    for number in tqdm(range(start, end), desc="writing", leave=False):
        v = numbered(base, number)
        path = library.root / vector_key(v.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write_vector(v))


def numbered(base: GuidanceVector, number: int) -> GuidanceVector:
    """A vector with its own prompt, and one of some models and concepts."""
    words = f"word{number * 7919 % WORDS} word{number * 104729 % 1999 % WORDS} {'odd' if number % 2 else 'even'}"
    facts = base.provenance
    facts = replace(
        facts,
        model=replace(facts.model, id=f"model {number // CONCEPTS % MODELS}"),
        run=replace(facts.run, prompt=f"a portrait of {words}, number {number}"),
        created=(START + timedelta(seconds=number)).isoformat(),
    )
    return replace(base, concept=replace(base.concept, text=f"concept {number % CONCEPTS}"), provenance=facts)


def questions(library: Library) -> dict[str, float]:
    """The median seconds of each question, including the look at all folders before every answer."""
    library.catalogue.refresh()
    identity = list(library)[len(library) // 2]

    def ask(question: Callable[[Library, str], object]) -> Callable[[], object]:
        return lambda: question(library, identity)

    taken = side_by_side({name: ask(question) for name, question in QUESTIONS.items()}, ROUNDS)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def upkeep(library: Library, count: int) -> list[Row]:
    """Refreshing when nothing or one vector is new, and building the catalogue again."""
    idle = statistics.median(side_by_side({"refresh": library.catalogue.refresh}, ROUNDS)["refresh"])
    added = statistics.median(add_one(library, count + extra) for extra in range(3))
    shutil.rmtree(os.environ["SEGA_VEC_CACHE"])
    start, steps = time.perf_counter(), list[None]()
    library.catalogue.refresh(lambda: steps.append(None))
    rebuilt = time.perf_counter() - start
    if len(steps) != len(library):
        raise RuntimeError(f"expected {len(library)} steps of progress, met {len(steps)}")
    size = sum(file.stat().st_size for file in Path(os.environ["SEGA_VEC_CACHE"]).rglob("*") if file.is_file())
    return [
        Row(f"{count:,} vectors: refresh with nothing changed, ms", idle * 1e3, 100),
        Row(f"{count:,} vectors: newest 50 after one was added, ms", added * 1e3, 100),
        Row(f"{count:,} vectors: build the catalogue, ms a vector", rebuilt / count * 1e3, 1),
        Row(f"{count:,} vectors: catalogue, bytes a vector", size / count, 2000),
    ]


def add_one(library: Library, number: int) -> float:
    """Seconds that the first question takes after a vector was added; the vector is removed again."""
    v = numbered(vector(shape=(4, 2, 8, 8), dtype="float16", seed=1), number)
    path = library.root / vector_key(v.id)
    library.catalogue.refresh()
    time.sleep(SETTLED_NS / 1e9)
    library.catalogue.refresh()
    path.write_bytes(write_vector(v))
    start = time.perf_counter()
    newest = library.search(limit=50)
    seconds = time.perf_counter() - start
    if newest[0].id != v.id:
        raise RuntimeError("the newest vector isn't listed first")
    path.unlink()
    return seconds


def opening(folder: Path) -> list[Row]:
    """Opening a vector of 50 x 4 x 64 x 64, against its bytes read and each of its checks called once."""
    path = folder / "vector.zarr.zip"
    path.write_bytes(write_vector(vector(shape=(50, 4, 64, 64), dtype="float16", kept=0.05)))
    contenders: dict[str, Callable[[], Any]] = {"open": lambda: read_vector(path), "checks": lambda: checks(path)}
    taken = side_by_side(contenders, 5 * ROUNDS)
    figure = ratio(taken, "open", "checks")
    return [
        Row(f"open 50x4x64x64 ({path.stat().st_size:,} bytes) / read its bytes and check them", figure, 1.5),
        Row("open 50x4x64x64, ms", statistics.median(taken["open"]) * 1e3, 10),
    ]


def checks(path: Path) -> None:
    """Reads a file and does the least that its checks need: CRCs, Blosc, the arrays' rules, the hash, the JSON."""
    data = path.read_bytes()
    blosc.use_threads = False
    contents = {name: bytes(content) for name, content in unpack(data).items()}  # compares each entry's CRC-32
    root = json.loads(contents["zarr.json"])
    recipe_and_root = [json.dumps(root, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for _ in range(2)]
    hashlib.sha256(recipe_and_root[0].encode())
    chunks = [chunk for name, chunk in contents.items() if "/c/" in name]
    matches = [int(google_crc32c.value(chunk[:-4])) == int.from_bytes(chunk[-4:], "little") for chunk in chunks]
    support, held, *steps = (blosc.decompress(chunk[:-4]) for chunk in chunks)
    flags, values = np.frombuffer(support, np.uint8), np.frombuffer(held, np.float16).astype(np.float32)
    nnz = np.count_nonzero(flags)
    whole = all(matches) and flags.max() <= 1 and nnz == values.size and np.isfinite(values).all() and values.all()
    digest = hashlib.sha256(np.packbits(flags).tobytes())
    for array in (held, *steps):
        digest.update(array)
    if not whole or recipe_and_root[1].encode() != contents["zarr.json"]:
        raise RuntimeError("the file is damaged")
