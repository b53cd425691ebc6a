"""`python -m tests.store.fuzz COUNT [SEED]`: mutated files of every format, read by the library and by others.

A mutation changes bytes, entries, JSON, chunks or arrays of a good file; checksums, hashes and names are then mostly
set right again, or hardly a file would get past the first of them. Each file must be refused with the one error, or
hold exactly what independent readers (zipfile, zarr-python) find in it, under the hash that
`docs/format.md` describes, computed here anew.

It prints one JSON document. Run N of seed S is always the same: `python -m tests.store.fuzz 1 S N` repeats it alone.
"""

import hashlib
import io
import json
import random
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import blosc
from zarr.core.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from sega_store import (
    Concept,
    InvalidInputError,
    VectorFileError,
    read_noise,
    read_vector,
    recipe,
    write_noise,
    write_vector,
)
from sega_store.exchange import bundle
from sega_store.exchange.parcel import Parcel
from sega_store.files.header import VectorHeader
from sega_store.files.vector_file import vector_arrays
from sega_store.files.zip_container import pack, unpack
from sega_store.places.annotations import read_annotation
from sega_store.records.annotation import Annotation
from sega_store.records.provenance import Provenance

from .hostile import rechecked, with_array
from .make_golden import GOLDEN
from .samples import PREVIEW, RECOMMENDED, Array, noise, vector

Rng = random.Random
Contents = dict[str, bytes]
Facts = dict[str, Any]

DTYPES = {"support": np.uint8, "timesteps": np.float64, "sigmas": np.float64}
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    RuntimeError,
    AttributeError,
    InvalidInputError,
    OverflowError,
)
STEPS = ("timesteps", "sigmas")
RESIGNABLE = 1 << 22  # bytes; the hashes of a larger array aren't set right
NUMBERS = (0, 1, 2, -1.5, 3e4, float("nan"), float("inf"), 1e-40)
VECTORS = [vector(), vector(dtype="float16").with_preview(PREVIEW), vector(dtype="bfloat16", shape=(2, 1, 3, 2, 5))]
NOISES = [noise(), noise(dtype="bfloat16")]
SAID = Annotation("mine", ("a", "b"), 3, "two\nlines")
RECOMMENDING = replace(SAID, recommended=RECOMMENDED)
INTEGERS = [
    0,
    1,
    -1,
    2,
    3,
    7,
    127,
    255,
    256,
    32767,
    65535,
    65536,
    1 << 24,
    1 << 31,
    (1 << 31) - 1,
    (1 << 32) - 1,
    1 << 40,
]
VALUES: list[Any] = [
    *INTEGERS, 1 << 63, 1 << 64, 10**40, 0.0, -0.0, 0.5, 1.0, 1e308, 5e-324, float("nan"), float("inf"),
    None, True, False, "", " ", "a", "glasses", "\x1b[2J", "\u202e", "\0", "é", "💡", "../..", "<b>",
    "0" * 64, "x" * 3000,
    "float16", "bfloat16", "noise", "image/png", "2026-01-01T00:00:00Z", [], {}, [[]], [0], [1, 1, 1], {"a": 1},
]  # fmt: skip

# ----------------------------------------------------------------------------------------------------- mutations


def mutate_bytes(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Flips, writes, cuts, repeats or takes over some bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        start = rng.randrange(len(changed) + 1)
        end = min(len(changed), start + rng.choice((1, 2, 4, 8, 30, 200)))
        piece = bytes(changed[start:end])
        match rng.randrange(8):
            case 0 | 1 if piece:
                changed[start] ^= 1 << rng.randrange(8)
            case 2:
                changed[start:end] = rng.randbytes(end - start)
            case 3:
                del changed[start:end]
            case 4:
                changed[start:start] = piece * rng.choice((1, 2, 100))
            case 5:
                place = rng.randrange(len(other) + 1)
                changed[start:end] = other[place : place + rng.choice((1, 4, 30, 300))]
            case 6:
                size = rng.choice((2, 4, 8))
                changed[start : start + size] = (rng.choice(INTEGERS) % (1 << 8 * size)).to_bytes(size, "little")
            case _:
                del changed[start + rng.randrange(300) :]
    return bytes(changed)


def mutate_json(rng: Rng, document: Any) -> Any:
    """Changes, removes, adds, moves or nests a value somewhere in a document."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(document)
    if not places:
        return rng.choice(VALUES)
    node, key = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node[rng.choice(("a", "format", "shape", "\x1b[2J"))] = rng.choice(VALUES)
        case 2:
            other, there = rng.choice(places)
            if there in (other if isinstance(other, dict) else range(len(other))):
                node[key] = json.loads(json.dumps(other[there]))
        case 3:
            for _ in range(rng.choice((1, 30, 40, 2000))):
                node[key] = [node[key]]
        case 4 if type(node[key]) in (int, float):
            node[key] += rng.choice((-1, 1, 0.5, 1e-9))
        case _:
            node[key] = rng.choice(VALUES)
    return document


def as_json(rng: Rng, document: Any) -> bytes:
    """Mostly the canonical text."""
    try:
        if rng.randrange(20):
            text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        else:
            text = json.dumps(document)
        return text.encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"[" * 3000 + b"]" * 3000


def mutate_contents(rng: Rng, contents: Contents, other: Contents) -> Contents:
    """Changes a file's entries: their names, their order, their JSON, their chunks, or what the chunks hold."""
    contents = dict(contents)
    key = rng.choice(list(contents))
    match rng.randrange(9):
        case 0:
            del contents[key]
        case 1:
            contents[rng.choice(("../a", "a\0", "/a", "values/c/1", "zarr.json ", key + "0"))] = contents[key]
        case 2:
            items = list(contents.items())
            rng.shuffle(items)
            contents = dict(items)
        case 3:
            contents[key] = rng.choice(list(other.values()))
        case 4:
            contents[key] = mutate_bytes(rng, contents[key], rng.choice(list(other.values())))
        case 5 | 6:
            key = rng.choice([key for key in contents if key.endswith("zarr.json")])
            contents[key] = as_json(rng, mutate_json(rng, json.loads(contents[key])))
        case 7:
            if chunks := [key for key in contents if "/c/" in key]:
                key = rng.choice(chunks)
                contents[key] = rechecked(mutate_bytes(rng, contents[key][:-4], b"\xff" * 8))
        case _:
            contents = mutate_array(rng, contents)
    return contents


def mutate_array(rng: Rng, contents: Contents) -> Contents:
    """Changes some numbers within a good chunk, or its bytes before they are compressed."""
    keys = [key for key in contents if "/c/" in key and not key.startswith("preview")]
    if not keys:
        return contents
    key = rng.choice(keys)
    data = decompressed(contents[key])
    facts = json.loads(contents["zarr.json"])["attributes"]["sega_vectors"]
    held = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}[facts["dtype"]]
    dtype = np.dtype(DTYPES.get(key.split("/")[0], held))
    if not rng.randrange(3):
        data = mutate_bytes(rng, data, b"\1\2")
        data = data[: len(data) // dtype.itemsize * dtype.itemsize] or bytes(dtype.itemsize)
    array = np.frombuffer(data, dtype).copy()
    for _ in range(rng.choice((1, 1, 2, 5))):
        place, there = rng.randrange(len(array)), rng.randrange(len(array))
        if rng.randrange(2):
            array[place], array[there] = array[there], array[place]
        else:
            with np.errstate(all="ignore"):
                array[place] = np.float64(rng.choice(NUMBERS)).astype(dtype)
    return contents | {key: repacked(array)}


def decompressed(chunk: bytes) -> bytes:
    """What is in a chunk, if it isn't too much; with another length than it says, numcodecs crashes."""
    if int.from_bytes(chunk[4:8], "little") > RESIGNABLE or int.from_bytes(chunk[12:16], "little") != len(chunk) - 4:
        raise ValueError("a bomb")
    return bytes(blosc.decompress(chunk[:-4]))


def repacked(array: Array) -> bytes:
    """The chunk of an array."""
    held = array.view(np.uint8) if array.dtype == bool else array
    return with_array({}, "a", held)["a"]


def large(rng: Rng, contents: Contents) -> Contents:
    """Nothing, in a large shape, up to more than a reader allows."""
    shape = (1, 1, rng.choice((1 << 18, 1 << 20, RESIGNABLE, 1 << 26, 1 << 28)))
    root = json.loads(contents["zarr.json"])
    root["attributes"]["sega_vectors"].update(shape=list(shape), nnz=0, dtype="float32", preview=None, kind="vector")
    made = {"zarr.json": as_json(Rng(0), root)}
    for one in vector_arrays(VectorHeader.from_json(root["attributes"]["sega_vectors"])):
        made |= one.encode(np.zeros(one.shape, one.data_type))
    return made


# ------------------------------------------------------------------------------------------- independent readers


def by_zarr(data: bytes) -> tuple[Facts, dict[str, Array]]:
    """The facts and the arrays of a file, as zipfile and zarr-python read them; only what was accepted is given it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        store = MemoryStore({name: Buffer.from_bytes(archive.read(name)) for name in archive.namelist()})
        names = [name.removesuffix("/zarr.json") for name in archive.namelist() if name.endswith("/zarr.json")]
    arrays = {name: np.asarray(zarr.open_array(store, path=name, mode="r")[...]) for name in names}
    facts: Facts = dict(zarr.open_group(store, mode="r").attrs)["sega_vectors"]  # type: ignore[assignment]
    return facts, arrays


def by_hand(contents: Contents) -> tuple[Facts, dict[str, Array]]:
    """The same of a mutated file, if it can be read at all; cheap, so that hashes can be set right in any of them."""
    facts = json.loads(contents["zarr.json"])["attributes"]["sega_vectors"]
    held = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}[facts["dtype"]]
    arrays: dict[str, Array] = {"values": np.zeros(0, held)}
    for key, chunk in contents.items():
        name = key.split("/")[0]
        if "/c/" in key and name != "preview":
            arrays[name] = np.frombuffer(decompressed(chunk), DTYPES.get(name, held))
    steps, *sample = shape = facts["shape"]
    if facts["kind"] == "vector":
        arrays["support"] = np.moveaxis(arrays["support"].reshape(*sample, steps), -1, 0)
    else:
        arrays["noise"] = arrays["noise"].reshape(shape)
    return facts, arrays


def content_of(facts: Facts, arrays: dict[str, Array]) -> str:
    """The content hash, as `docs/format.md` has it."""
    head = {"dtype": facts["dtype"], "nnz": len(arrays["values"]), "shape": list(arrays["support"].shape)}
    text = json.dumps(head | {"version": "sega-content-1"}, sort_keys=True, separators=(",", ":")).encode()
    order = (*range(1, arrays["support"].ndim), 0)
    parts = [text, b"\n", np.packbits(arrays["support"].transpose(order).ravel()).tobytes()]
    parts += [arrays[name].tobytes() for name in ("values", "timesteps", "sigmas")]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def noise_hash_of(facts: Facts, array: Array) -> str:
    """A noise's hash, as `docs/format.md` has it."""
    head = {"dtype": facts["dtype"], "shape": list(array.shape), "version": "sega-noise-1"}
    text = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(text + b"\n" + array.tobytes()).hexdigest()


def resigned(contents: Contents) -> Contents:
    """The hashes in the root set right, where the file can still be read."""
    try:
        facts, arrays = by_hand(contents)
        if facts["kind"] == "noise":
            facts["sha256"] = noise_hash_of(facts, arrays["noise"])
        else:
            facts["content"] = content_of(facts, arrays)
            facts["recipe"] = recipe(Concept.from_json(facts["concept"]), Provenance.from_json(facts["provenance"]))
    except UNREADABLE:
        return contents
    root = {"zarr_format": 3, "node_type": "group", "attributes": {"sega_vectors": facts}}
    return contents | {"zarr.json": as_json(Rng(0), root)}


# ------------------------------------------------------------------------------------------------------- targets


def check_vector(path: Path) -> None:
    """Reads a vector; what is accepted is what zarr reads."""
    data = path.read_bytes()
    for source in (data, path):
        v = read_vector(source)
        facts, arrays = by_zarr(data)
        for name in ("support", "values", "timesteps", "sigmas"):
            assert getattr(v, name).tobytes() == arrays[name].tobytes(), name
            assert getattr(v, name).shape == arrays[name].shape, name
        assert v.content == facts["content"] == content_of(facts, arrays)
        assert v.concept.to_json() == facts["concept"]
        assert json.loads(json.dumps(v.provenance.to_json())) == facts["provenance"]
        preview = v.preview.before + v.preview.after if v.preview else None
        assert preview == (arrays["preview"].tobytes() if facts["preview"] else None)
        v.dense(), v.counts(), v.energy(), repr(v)
        assert read_vector(write_vector(v)) == v


def check_noise(path: Path) -> None:
    """Reads a noise; what is accepted is what zarr reads."""
    data = path.read_bytes()
    for source in (data, path):
        one = read_noise(source)
        facts, arrays = by_zarr(data)
        assert one.array.tobytes() == arrays["noise"].tobytes()
        assert one.sha256 == facts["sha256"] == noise_hash_of(facts, arrays["noise"])
        write_noise(one)


def check_bundle(path: Path) -> None:
    """Reads a bundle; what is accepted is what zipfile and zarr find in it."""
    parcels = list(bundle.read(path))
    with zipfile.ZipFile(path) as archive:
        inside = {name.split("/")[-1]: archive.read(name) for name in archive.namelist()}
    ids = [parcel.vector.id for parcel in parcels]
    assert ids == sorted(name.removesuffix(".zarr.zip") for name in inside if name.count(".") == 3)
    for parcel in parcels:
        facts, arrays = by_zarr(inside[f"{parcel.vector.id}.zarr.zip"])
        assert parcel.vector.content == content_of(facts, arrays)
        if parcel.noise is not None:
            facts, arrays = by_zarr(inside[f"{parcel.vector.provenance.noise.sha256}.zarr.zip"])
            assert parcel.noise.sha256 == noise_hash_of(facts, arrays["noise"])
        if said := inside.get(f"{parcel.vector.id}.json"):
            same_annotation(parcel.annotation, said)


def check_annotation(path: Path) -> None:
    """Reads an annotation; what is accepted is what json reads."""
    same_annotation(read_annotation(path), path.read_bytes())


def same_annotation(said: Annotation, data: bytes) -> None:
    """Compares an annotation with its text."""
    found = json.loads(data)
    assert (said.name, said.rating, said.notes) == (found["name"], found["rating"], found["notes"])
    assert said.tags == tuple(sorted(set(found["tags"])))
    assert (said.recommended and said.recommended.to_json()) == found.get("recommended")
    assert all(text.isprintable() for text in (said.name or "", *said.tags))


# -------------------------------------------------------------------------------------------------------- corpus

GOOD_VECTORS = [write_vector(v) for v in VECTORS]
GOOD_VECTORS += [(GOLDEN / f"format1-vector-{name}.zarr.zip").read_bytes() for name in ("float16", "video")]
GOOD_NOISES = [write_noise(one) for one in NOISES]
PARCELS = [Parcel(vector(), noise(), SAID), Parcel(vector("smile"), noise())]
BUNDLE = {name: data for parcel in PARCELS for name, data in parcel.files()}


def entries(data: bytes) -> Contents:
    """The entries of a good file."""
    return {name: bytes(content) for name, content in unpack(data).items()}


def packed(contents: Contents) -> bytes:
    """A canonical zip, or nothing for names that it can't have."""
    return pack({name: data for name, data in contents.items() if name.isascii()})


def mutate_file(rng: Rng, good: list[bytes]) -> bytes:
    """A vector or noise changed in one to three places."""
    data, other = rng.choice(good), rng.choice(good)
    if not rng.randrange(4):
        return mutate_bytes(rng, data, other)
    contents = entries(data)
    changes = rng.choice((1, 1, 1, 2, 3))
    if not rng.randrange(200):
        contents, changes = large(rng, entries(GOOD_VECTORS[0])), rng.randrange(2)
    for _ in range(changes):
        try:
            contents = mutate_contents(rng, contents, entries(other))
        except UNREADABLE:  # changed beyond another change
            break
    if not contents:
        return b""
    if rng.randrange(3):
        contents = resigned(contents)
    whole = packed(contents)
    return whole if rng.randrange(20) else mutate_bytes(rng, whole, other)


def mutate_bundle(rng: Rng) -> bytes:
    """A bundle with changed bytes, entries, or a changed file in it under the name that is due to it."""
    files = dict(BUNDLE)
    name = rng.choice(list(files))
    match rng.randrange(5):
        case 0:
            return mutate_bytes(rng, packed(files), GOOD_VECTORS[0])
        case 1:
            del files[name]
        case 2:
            files[name] = rng.choice(list(files.values()))
        case 3:
            place = rng.randrange(len(name))
            files[name[:place] + rng.choice("/.0a\0") + name[place + rng.randrange(2) :]] = files[name]
        case _:
            if name.endswith(".json"):
                files[name] = mutate_said(rng)
            else:
                changed = mutate_file(rng, [files[name]])
                files[due_name(changed) or name] = changed
    return packed(files)


def due_name(data: bytes) -> str | None:
    """What a file is called in a bundle, by what it says of itself."""
    try:
        facts = json.loads(entries(data)["zarr.json"])["attributes"]["sega_vectors"]
        if facts["kind"] == "noise":
            return f"noise/{facts['sha256'][:2]}/{facts['sha256']}.zarr.zip"
        return f"vectors/{facts['recipe'][:2]}/{facts['recipe']}.{facts['content']}.zarr.zip"
    except UNREADABLE:
        return None


def mutate_said(rng: Rng) -> bytes:
    """A changed annotation."""
    data = rng.choice((SAID, RECOMMENDING)).to_bytes()
    if rng.randrange(2):
        return mutate_bytes(rng, data, data)
    return as_json(rng, mutate_json(rng, json.loads(data)))


def forget_peak() -> None:
    """Lets Linux count the largest resident set from here on: what mutates may take more than what reads."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """The largest resident set of this process since then, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def run(count: int, seed: int, first: int, folder: Path) -> dict[str, Any]:
    """Mutates and reads, and tells what happened."""
    targets: list[tuple[str, Callable[[Rng], bytes], Callable[[Path], None]]] = [
        ("vector", lambda rng: mutate_file(rng, GOOD_VECTORS), check_vector),
        ("noise", lambda rng: mutate_file(rng, GOOD_NOISES), check_noise),
        ("bundle", mutate_bundle, check_bundle),
        ("annotation", lambda rng: mutate_said(rng), check_annotation),
    ]
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    longest = largest = 0.0
    for number in range(first, first + count):
        rng = Rng(f"{seed} {number}")
        name, mutate, check = rng.choices(targets, (5, 2, 3, 2))[0]
        path = folder / "file"
        path.write_bytes(mutate(rng))
        forget_peak()
        start = time.process_time()
        try:
            check(path)
            outcomes[f"{name} accepted"] += 1
        except VectorFileError:
            outcomes[f"{name} refused"] += 1
        except Exception:
            failures.append(f"run {number} of seed {seed}, a {name}: {traceback.format_exc()[-1500:]}")
        longest = max(longest, time.process_time() - start)
        largest = max(largest, peak())
    return {
        "runs": count,
        "failures": failures,
        "outcomes": dict(sorted(outcomes.items())),
        "longest_seconds": longest,
        "resident_mebibytes": largest,
    }


def main(count: int, seed: int = 0, first: int = 0) -> None:
    """Prints what `run` tells."""
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps(run(count, seed, first, Path(folder)), indent=1) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
