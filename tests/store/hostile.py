"""What a stranger may send: hostile files of every format, by name, each with a part of what must be said of it.

Most are good files with one thing wrong and every checksum right, so that only the check in question can refuse them.
"""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc
from numcodecs.zstd import Zstd

from sega_store import write_vector
from sega_store.exchange.bundle import MAX_BUNDLE_ENTRIES
from sega_store.exchange.parcel import Parcel
from sega_store.files.header import VectorHeader, parse_root
from sega_store.files.vector_file import vector_arrays
from sega_store.files.zip_container import MAX_ENTRIES, pack, unpack
from sega_store.places.layout import VECTORS
from sega_store.records.annotation import Annotation

from .samples import PREVIEW, Array, noise, vector

Contents = dict[str, bytes]
Bytes = Callable[[], bytes]
Change = Callable[[Path], object]

VECTOR = vector().with_preview(PREVIEW)
NOISE = noise()
PARCEL = Parcel(VECTOR, NOISE, Annotation("mine"))
FILES = dict(PARCEL.files())
NOISE_NAME, VECTOR_NAME, SAID_NAME = FILES
OTHER = dict(Parcel(vector("smile"), noise(3)).files())

# ---------------------------------------------------------------------------------------------------- containers


def entries(data: bytes) -> Contents:
    """The entries of a good file."""
    return {name: bytes(content) for name, content in unpack(data).items()}


def by_zipfile(
    contents: Mapping[str, bytes], change: Callable[[zipfile.ZipFile], object] = lambda archive: None
) -> bytes:
    """A zip as another program makes it, with something more."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        change(archive)
    return buffer.getvalue()


def symlink(good: bytes) -> bytes:
    """The last entry is called a symbolic link."""
    regular, link = (struct.pack("<I", mode << 16) for mode in (0o100644, 0o120777))
    start = good.rindex(regular)
    return good[:start] + link + good[start + len(link) :]


def overlapping(good: bytes) -> bytes:
    """The directory's last entry is there twice, for the same bytes."""
    data = bytearray(good)
    end = data.rindex(b"PK\x05\x06")
    last = data[data.rindex(b"PK\x01\x02") : end]
    data[end:end] = last
    count, size = struct.unpack_from("<HI", data, len(data) - 12)
    struct.pack_into("<2HI", data, len(data) - 14, count + 1, count + 1, size + len(last))
    return bytes(data)


def declaring(contents: Contents, size: int) -> bytes:
    """The first entry's header promises a size that isn't there."""
    data = bytearray(pack(contents))
    struct.pack_into("<2I", data, 18, size, size)
    return bytes(data)


def containers(contents: Contents) -> dict[str, tuple[Bytes, str]]:
    """What is no canonical zip of the given entries, or has others."""
    good = pack(contents)
    first = next(iter(contents))
    directory = good.index(b"PK\x01\x02")

    def and_more(name: str) -> Bytes:
        return lambda: pack({**contents, name: contents[first]})

    more = "entries|named"
    return {
        "empty": (lambda: b"", "zip"),
        "two letters": (lambda: b"PK", "zip"),
        "no zip": (lambda: b"not a zip", "zip"),
        "no entries": (lambda: pack({}), "zip|no vector"),
        "prefix": (lambda: b"junk" + good, "zip"),
        "trailing junk": (lambda: good + b"junk", "directory"),
        "two zips": (lambda: good + good, "directory"),
        "an entry twice": (lambda: good[: len(contents[first]) + 30 + len(first)] + good, "twice"),
        "a directory entry twice": (lambda: overlapping(good), "directory"),
        "a comment": (lambda: good[:-2] + b"\5\0hello", "directory"),
        "cut off": (lambda: good[:-30], "directory"),
        "no directory": (lambda: good[:directory], "directory"),
        "made by another program": (lambda: by_zipfile(contents), "plain STORED|directory"),
        "deflate bomb": (
            lambda: by_zipfile({}, lambda a: a.writestr(first, bytes(100 << 20), zipfile.ZIP_DEFLATED)),
            "plain STORED|longer",
        ),
        "symlink": (lambda: symlink(good), "directory"),
        "folder": (lambda: by_zipfile({}, lambda a: a.mkdir(first.split("/")[0])), "STORED|named|entry"),
        "promises 1 GiB": (lambda: declaring(contents, 1 << 30), "plain STORED|cut off|longer"),
        "promises 4 GiB": (lambda: declaring(contents, (1 << 32) - 1), "more than|longer"),
        "traversal": (and_more("../../etc/passwd"), more),
        "traversal below": (and_more(f"vectors/../{first}"), more),
        "absolute": (and_more(f"/{first}"), more),
        "backslashes": (and_more("..\\..\\evil"), more),
        "a drive": (and_more(f"C:{first}"), more),
        "a line break": (and_more(f"{first}\n"), more),
        "a null": (and_more(f"{first}\0"), more),
        "an escape": (and_more("\x1b[2J"), more),
        "HTML": (and_more("<script>alert(1)</script>"), more),
        "a catalogue": (and_more("catalogue.sqlite"), more),
        "a long name": (and_more("a" * 60_000), "its entry 'a+' isn't named as a file|it has the entries"),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------- vectors


def rechecked(chunk: bytes) -> bytes:
    """A chunk with its crc32c."""
    return chunk + int(google_crc32c.value(chunk)).to_bytes(4, "little")


def canonical(document: Any) -> bytes:
    """JSON as the format has it, but perhaps with NaN."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def with_facts(contents: Contents, **facts: Any) -> Contents:
    """Other facts in the root."""
    root = json.loads(contents["zarr.json"])
    root["attributes"]["sega_vectors"] |= facts
    return contents | {"zarr.json": canonical(root)}


def with_blosc(contents: Contents, name: str, **configuration: Any) -> Contents:
    """Another configuration of an array's compressor in its metadata."""
    document = json.loads(contents[f"{name}/zarr.json"])
    document["codecs"][-2]["configuration"] |= configuration
    return contents | {f"{name}/zarr.json": canonical(document)}


def as_format_1(contents: Contents) -> Contents:
    """A vector's file in format 1, but for its chunks, which nobody can tell apart."""
    for name, shuffle in (("support", "bitshuffle"), ("values", "shuffle")):
        contents = with_blosc(contents, name, clevel=5, shuffle=shuffle, blocksize=0)
    return with_facts(contents, format=1)


def with_preview(contents: Contents, **lengths: Any) -> Contents:
    """Other facts about the pictures."""
    root = json.loads(contents["zarr.json"])
    return with_facts(contents, preview=root["attributes"]["sega_vectors"]["preview"] | lengths)


def with_arguments(contents: Contents, arguments: Any) -> Contents:
    """Other arguments of the run."""
    facts = json.loads(contents["zarr.json"])["attributes"]["sega_vectors"]["provenance"]
    facts["run"]["arguments"] = arguments
    return with_facts(contents, provenance=facts)


def with_array(contents: Contents, key: str, array: Array) -> Contents:
    """Another chunk."""
    shuffle = blosc.BITSHUFFLE if array.dtype == np.uint8 else blosc.SHUFFLE
    blosc.use_threads = False
    return contents | {key: rechecked(blosc.compress(array, b"zstd", 5, shuffle))}


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0junk"  # a zstd frame that decoders pass over
EMPTY = b"\x28\xb5\x2f\xfd\x20\0\x01\0\0"  # a zstd frame of nothing


def blosc_chunk(data: bytes, parts: list[bytes], starts: list[int]) -> bytes:
    """A Blosc chunk of 4-byte elements in blocks of 64 bytes, each one part; starts count from the offsets' end."""
    blocks = -(-len(data) // 64)
    body = b"".join(parts)
    first = 16 + 4 * blocks
    header = struct.pack("<4B3I", 2, 1, 4 << 5 | 0x10, 4, len(data), 64, first + len(body))
    return header + struct.pack(f"<{blocks}I", *(first + start for start in starts)) + body


def blocked(contents: Contents, key: str, array: Array, fault: str = "") -> Contents:
    """The same array in a chunk made by hand, which Blosc reads whatever the fault."""
    data = array.tobytes()
    frames = [Zstd(5).encode(data[start : start + 64]) for start in range(0, len(data), 64)]
    if fault == "appended":
        frames[0] += EMPTY
    if fault == "skippable":
        frames[0] += SKIPPABLE
    if fault == "skippable first":
        frames[0] = SKIPPABLE + frames[0]
    if fault == "empty block":  # after a header of 6 bytes: magic, descriptor, size
        frames[0] = frames[0][:6] + bytes(3) + frames[0][6:]
    parts = [struct.pack("<I", len(frame)) + frame for frame in frames]
    if fault == "gap":
        parts[0] += b"junk"
    starts = [sum(map(len, parts[:number])) for number in range(len(parts))]
    if fault == "order":
        parts.reverse()
        starts = [sum(map(len, parts[: len(parts) - 1 - number])) for number in range(len(parts))]
    if fault == "junk first":
        parts.insert(0, b"junk")
        starts = [start + 4 for start in starts]
    if fault == "trailing":
        parts.append(b"junk")
    chunk = blosc_chunk(data, parts, starts)
    if blosc.decompress(chunk) != data:
        raise ValueError(f"Blosc reads something else in a chunk with the fault {fault!r}.")
    return contents | {key: rechecked(chunk)}


FAULTS = {
    "bytes after the last block": "trailing",
    "bytes before the first block": "junk first",
    "bytes between two blocks": "gap",
    "blocks in another order": "order",
    "a zstd frame behind another": "appended",
    "a skippable frame behind another": "skippable",
    "a skippable frame before another": "skippable first",
    "an empty zstd block before the last": "empty block",
}


def with_value(contents: Contents, value: float) -> Contents:
    """One value changed."""
    values = VECTOR.values.copy()
    values[3] = value
    return with_array(contents, "values/c/0", values)


def with_zeros(contents: Contents) -> Contents:
    """256 MiB of zeros for the values, in 33 kB."""
    return with_array(contents, "values/c/0", np.zeros(1 << 26, np.float32))


def with_support(contents: Contents, change: Callable[[Array], object]) -> Contents:
    """Another support."""
    support = np.moveaxis(VECTOR.support, 0, -1).copy().view(np.uint8)
    change(support)
    return with_array(contents, "support/c/0/0/0/0", support)


def with_blosc_header(contents: Contents, offset: int, value: int) -> Contents:
    """Another number in the Blosc header of the values."""
    chunk = bytearray(contents["values/c/0"][:-4])
    struct.pack_into("<I", chunk, offset, value)
    return contents | {"values/c/0": rechecked(bytes(chunk))}


def without(contents: Contents, *keys: str) -> Contents:
    """Without some entries."""
    return {name: content for name, content in contents.items() if name not in keys}


def only(contents: Contents, *keys: str) -> Contents:
    """Some entries alone."""
    return {name: contents[name] for name in keys}


def two_of_true(support: Array) -> None:
    """Booleans of 2, which numpy would take."""
    support[support == 1] = 2


def bomb(size: int) -> Contents:
    """A vector of nothing but false, right in all but its hash: 8,000 times larger than its file."""
    data = with_facts(entries(write_vector(vector(shape=(1, 1, 8), kept=0))), shape=[1, 1, size])
    support = vector_arrays(parse_root(data["zarr.json"], VectorHeader))[0]
    return with_array(data, "support/c/0/0/0", np.zeros(size, np.uint8)) | {"support/zarr.json": support.metadata()}


Contented = Callable[[Contents], Contents]


def with_fault(fault: str) -> Contented:
    """The values in a faulty chunk."""
    return lambda contents: blocked(contents, "values/c/0", VECTOR.values, fault)


def noise_with_fault(fault: str) -> Bytes:
    """The noise in a faulty chunk."""
    return lambda: pack(blocked(entries(FILES[NOISE_NAME]), "noise/c/0/0/0", NOISE.array, fault))


_INSIDE: dict[str, tuple[Contented, str]] = {
    "missing chunk": (lambda c: without(c, "values/c/0"), "entries"),
    "missing support": (lambda c: without(c, "support/c/0/0/0/0"), "entries"),
    "missing preview": (lambda c: without(c, "preview/c/0"), "entries"),
    "missing array": (lambda c: without(c, "sigmas/zarr.json", "sigmas/c/0"), "entries"),
    "missing root": (lambda c: without(c, "zarr.json"), "first entry"),
    "order": (lambda c: dict(reversed(c.items())), "first entry"),
    "too many entries": (lambda c: c | {str(n): b"" for n in range(MAX_ENTRIES)}, "more than"),
    "3.6 PiB": (lambda c: with_facts(c, shape=[1 << 12, 1 << 20, 1 << 20]), "elements"),
    "4 GiB": (lambda c: with_facts(c, shape=[1 << 12, 1 << 10, 1 << 10]), r"4,295,032,965 bytes .* of 1,073,741,824\."),
    "1 GiB and one": (lambda c: bomb((1 << 30) - 15), "the budget of"),
    "1 GiB of nothing": (lambda c: bomb((1 << 30) - 16), "bomb"),
    "steps without end": (lambda c: with_facts(c, shape=[(1 << 16) + 1, 2, 16]), "more than 65536 steps"),
    "64 MiB of nothing": (lambda c: bomb(1 << 26), "bomb"),
    "many dimensions": (lambda c: with_facts(c, shape=[1] * 1000), "dimensions"),
    "negative shape": (lambda c: with_facts(c, shape=[-1, 2, 2]), "dimensions"),
    "other shape": (lambda c: with_facts(c, shape=[3, 2, 16]), "entries"),
    "transposed shape": (lambda c: with_facts(c, shape=[2, 3, 4, 4]), "isn't the one"),
    "float shape": (lambda c: with_facts(c, shape=[3.0, 2, 4, 4]), "int"),
    "nnz": (lambda c: with_facts(c, nnz=VECTOR.nnz + 1), "isn't the one"),
    "dtype": (lambda c: with_facts(c, dtype="float16"), "isn't the one"),
    "unknown dtype": (lambda c: with_facts(c, dtype="object"), "dtype"),
    "newer format": (lambda c: with_facts(c, format=3), "upgrade"),
    "format 1, codecs of 2": (lambda c: with_facts(c, format=1), "support/zarr.json isn't the one"),
    "format 1, values of 2": (lambda c: as_format_1(c) | only(c, "values/zarr.json"), "values/zarr.json isn't the one"),
    "format 2, codecs of 1": (lambda c: with_facts(as_format_1(c), format=2), "support/zarr.json isn't the one"),
    "another block": (lambda c: with_blosc(c, "values", blocksize=0), "values/zarr.json isn't the one"),
    "format 2, values of 1": (lambda c: c | only(as_format_1(c), "values/zarr.json"), "values/zarr.json isn't the one"),
    "kind": (lambda c: with_facts(c, kind="noise"), "a noise"),
    "more facts": (lambda c: with_facts(c, more=1), "keys"),
    "content": (lambda c: with_facts(c, content="0" * 64), "content hashes"),
    "recipe": (lambda c: with_facts(c, recipe="0" * 64), "recipe"),
    "lengths of the preview": (lambda c: with_preview(c, before=1 << 29), "bomb"),
    "a preview of HTML": (lambda c: with_preview(c, media_type="text/html"), "media_type"),
    "spaces in JSON": (lambda c: c | {"zarr.json": c["zarr.json"] + b" "}, "canonical"),
    "NaN in JSON": (lambda c: with_facts(c, nnz=float("nan")), "int"),
    "a key twice in JSON": (lambda c: c | {"zarr.json": b'{"attributes":{},' + c["zarr.json"][1:]}, "canonical"),
    "deep JSON": (lambda c: c | {"zarr.json": b"[" * 100_000}, "deeper"),
    "deep JSON in a long string": (lambda c: c | {"zarr.json": b'"' + b'\\"' * 500_000 + b"{" * 40}, "JSON"),
    "a huge number in JSON": (lambda c: c | {"zarr.json": b"9" * 1_000_000}, "JSON"),
    "megabytes of attributes": (lambda c: with_facts(c, more="x" * (2 << 20)), "limit"),
    "a megabyte of empty lists": (lambda c: with_arguments(c, {"x": [[]] * 300_000}), "recipe"),
    "no JSON": (lambda c: c | {"zarr.json": b"\x00"}, "JSON"),
    "no group": (lambda c: c | {"zarr.json": b"[]"}, "no file of sega-vectors"),
    "array metadata": (
        lambda c: c | {"values/zarr.json": c["values/zarr.json"].replace(b"zstd", b"zlib")},
        "isn't the one",
    ),
    "NaN": (lambda c: with_value(c, np.nan), "finite"),
    "infinity": (lambda c: with_value(c, np.inf), "finite"),
    "zero": (lambda c: with_value(c, 0), "zero"),
    "another value": (lambda c: with_value(c, 0.125), "content hashes"),
    "other steps": (lambda c: with_array(c, "timesteps/c/0", VECTOR.timesteps + 1), "content hashes"),
    "NaN for steps": (lambda c: with_array(c, "sigmas/c/0", VECTOR.sigmas * np.nan), "sigmas"),
    "population": (lambda c: with_support(c, lambda support: support.fill(1)), "support has 96 entries"),
    "booleans of 2": (lambda c: with_support(c, two_of_true), "other than 0 and 1"),
    "moved support": (lambda c: with_support(c, lambda support: support.ravel().sort()), "content hashes"),
    "zstd bomb": (lambda c: with_blosc_header(with_zeros(c), 4, VECTOR.values.nbytes), "decompressed"),
    "zstd bomb with its size": (with_zeros, "Blosc header"),
    "Blosc promises 1 GiB": (lambda c: with_blosc_header(c, 4, 1 << 30), "Blosc header"),
    "Blosc cut": (lambda c: with_blosc_header(c, 12, 20), "Blosc header"),
    "Blosc blocks": (lambda c: with_blosc_header(c, 8, 1 << 30), "decompressed"),
    "Blosc codec": (
        lambda c: c | {"values/c/0": rechecked(blosc.compress(VECTOR.values, b"lz4", 5, 1))},
        "Blosc header",
    ),
    "short chunk": (lambda c: c | {"values/c/0": rechecked(b"\x02")}, "too short"),
    "no chunk": (lambda c: c | {"values/c/0": b""}, "checksum"),
    **{name: (with_fault(fault), "belong to no block") for name, fault in FAULTS.items()},
}  # fmt: skip


def inside(change: Contented) -> Bytes:
    """A canonical zip with changed entries of a vector."""
    return lambda: pack(change(entries(FILES[VECTOR_NAME])))


HOSTILE_VECTORS: dict[str, tuple[Bytes, str]] = {
    **containers(entries(FILES[VECTOR_NAME])),
    **{name: (inside(change), message) for name, (change, message) in _INSIDE.items()},
    "a noise": (lambda: FILES[NOISE_NAME], "keys"),
}


def with_noise(array: Array) -> bytes:
    """A noise with other numbers under the same header."""
    contents = entries(FILES[NOISE_NAME])
    return pack(with_array(contents, "noise/c/0/0/0", array))


HOSTILE_NOISES: dict[str, tuple[Bytes, str]] = {
    **containers(entries(FILES[NOISE_NAME])),
    "a vector": (lambda: pack(as_format_1(entries(FILES[VECTOR_NAME]))), "keys"),
    "newer format": (lambda: pack(with_facts(entries(FILES[NOISE_NAME]), format=2)), "upgrade"),
    "other noise": (lambda: with_noise(NOISE.array + 1), "content hashes"),
    "NaN": (lambda: with_noise(NOISE.array * np.nan), "finite"),
    "1 PiB": (lambda: pack(with_facts(entries(FILES[NOISE_NAME]), shape=[1 << 25, 1 << 25])), "elements"),
    "1 GiB of nothing": (lambda: pack(with_facts(entries(FILES[NOISE_NAME]), shape=[1 << 14, 1 << 14])), "bomb"),
    "a huge seed": (lambda: pack(with_facts(entries(FILES[NOISE_NAME]), seed=-(10**30))), "seed"),
    "a seed of -1": (lambda: pack(with_facts(entries(FILES[NOISE_NAME]), seed=-1)), "seed must be .* at least 0"),
    "a seed of 2^64": (lambda: pack(with_facts(entries(FILES[NOISE_NAME]), seed=1 << 64)), "seed must be .* at most"),
    **{name: (noise_with_fault(fault), "belong to no block") for name, fault in FAULTS.items()},
}  # fmt: skip

HOSTILE_ANNOTATIONS: dict[str, bytes] = {
    "empty": b"",
    "a list": b"[]",
    "no format": b"{}",
    "another format": b'{"format":2,"name":null,"notes":"","rating":null,"tags":[]}',
    "no facts": b'{"format":1}',
    "large": b"x" * 70_000,
    "large notes": b'{"format":1,"name":null,"notes":"' + b"x" * 70_000 + b'","rating":null,"tags":[]}',
    "deep": b"[" * 30_000,
    "a name with an escape": b'{"format":1,"name":"\\u001b[2J","notes":"","rating":null,"tags":[]}',
    "a name that turns the line": '{"format":1,"name":"a\u202eb","notes":"","rating":null,"tags":[]}'.encode(),
    "a tag of two lines": b'{"format":1,"name":null,"notes":"","rating":null,"tags":["a\\nb"]}',
    "a rating of 6": b'{"format":1,"name":null,"notes":"","rating":6,"tags":[]}',
    "half a character": b'{"format":1,"name":null,"notes":"\\ud800","rating":null,"tags":[]}',
    "no UTF-8": b'{"format":1,"name":null,"notes":"\xff","rating":null,"tags":[]}',
}

# ------------------------------------------------------------------------------------------------------- bundles


def bundle_of(**changes: bytes) -> Bytes:
    """The good bundle with other bytes for `vector`, `noise` or `said`."""
    names = {"vector": VECTOR_NAME, "noise": NOISE_NAME, "said": SAID_NAME}
    return lambda: pack({**FILES, **{names[key]: data for key, data in changes.items()}})


def too_many() -> bytes:
    """One entry more than there may be."""
    names = (f"annotations/{n % 256:02x}/{n % 256:02x}{n:062x}.{'0' * 64}.json" for n in range(MAX_BUNDLE_ENTRIES + 1))
    return pack(dict.fromkeys(names, b""))


HOSTILE_BUNDLES: dict[str, tuple[Bytes, str]] = {
    **containers(FILES),
    "upper case": (lambda: pack({**FILES, VECTOR_NAME.replace(VECTOR.id, VECTOR.id.upper()): b""}), "named"),
    "another folder": (lambda: pack({**FILES, VECTOR_NAME.replace(f"{VECTORS}/", f"{VECTORS}/0"): b""}), "named"),
    "too many entries": (too_many, "more than"),
    "another's name": (bundle_of(vector=next(d for n, d in OTHER.items() if n.startswith(VECTORS))), "its hash"),
    "a noise as a vector": (bundle_of(vector=FILES[NOISE_NAME]), "keys"),
    "another's noise": (bundle_of(noise=next(iter(OTHER.values()))), "its hash"),
    "a damaged vector": (bundle_of(vector=FILES[VECTOR_NAME].replace(b"glasses", b"glosses")), "damaged"),
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------- folders


def instead(name: str, make: Change) -> Change:
    """Something else in the place of a library's file."""

    def change(path: Path) -> None:
        (path / name).unlink()
        make(path / name)

    return change


def holes(size: int, head: bytes = b"") -> Change:
    """A file of nothing, which takes no room on the stranger's disk."""

    def make(path: Path) -> None:
        path.write_bytes(head)
        with path.open("r+b") as file:
            file.truncate(size)

    return make


def fifo(path: Path) -> None:
    """A pipe, which blocks whoever opens it."""
    os.mkfifo(path)


HOSTILE_FOLDERS: dict[str, Change] = {
    "a link to a file": instead(VECTOR_NAME, lambda path: path.symlink_to("/etc/passwd")),
    "a link to a device": instead(VECTOR_NAME, lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": instead(VECTOR_NAME, lambda path: path.symlink_to(path.name)),
    "a link for a noise": instead(NOISE_NAME, lambda path: path.symlink_to("/dev/zero")),
    "a link for an annotation": instead(SAID_NAME, lambda path: path.symlink_to("/dev/zero")),
    "a pipe": instead(VECTOR_NAME, fifo),
    "a folder": instead(VECTOR_NAME, lambda path: path.mkdir()),
    "2 GiB of nothing": instead(VECTOR_NAME, holes(1 << 31)),
    "1 TiB of nothing": instead(VECTOR_NAME, holes(1 << 40)),
    "2 GiB behind a vector": instead(VECTOR_NAME, holes(1 << 31, FILES[VECTOR_NAME])),
    "2 GiB behind a noise": instead(NOISE_NAME, holes(1 << 31, FILES[NOISE_NAME])),
    "another's noise": instead(NOISE_NAME, lambda path: path.write_bytes(next(iter(OTHER.values())))),
}


def good_folder(path: Path) -> None:
    """The good folder, written without syncs."""
    for name, data in FILES.items():
        (path / name).parent.mkdir(parents=True)
        (path / name).write_bytes(data)


def make_all(folder: Path) -> dict[str, Path]:
    """Writes everything, a path each: vectors, noises and annotations in bundles and in libraries."""
    paths: dict[str, Path] = {}

    def path_of(kind: str, name: str, suffix: str = "") -> Path:
        paths[f"{kind}: {name}"] = folder / f"{len(paths)}{suffix}"
        return paths[f"{kind}: {name}"]

    files = {f"vector: {name}": (VECTOR_NAME, build()) for name, (build, _) in HOSTILE_VECTORS.items()}
    files |= {f"noise: {name}": (NOISE_NAME, build()) for name, (build, _) in HOSTILE_NOISES.items()}
    files |= {f"annotation: {name}": (SAID_NAME, data) for name, data in HOSTILE_ANNOTATIONS.items()}
    for name, (file, data) in files.items():
        path = path_of("folder", name)
        good_folder(path)
        (path / file).write_bytes(data)
        path_of("bundle", name, ".zip").write_bytes(pack(FILES | {file: data}))
    for name, change in HOSTILE_FOLDERS.items():
        path = path_of("folder", name)
        good_folder(path)
        change(path)
    for name, (build, _) in HOSTILE_BUNDLES.items():
        path_of("bundle", name, ".zip").write_bytes(build())
    return paths
