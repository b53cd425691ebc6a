"""One array of a file as Zarr v3 keeps it: its `zarr.json` and its one chunk.

The metadata are a function of name, shape and dtype, so a reader compares them with what it expects, byte by byte, and
never lets a file choose its codecs. Only codecs of the Zarr v3 specification are used::

    transpose (support only) -> bytes, little-endian -> blosc (zstd; not for preview) -> crc32c

An array without elements has the chunk shape 1 along its dimension of length 0, and no chunk.

References:
    Zarr core specification, version 3.0; https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html
    Blosc chunk format: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import google_crc32c
import numpy as np

from sega_store.errors import InvalidInputError
from sega_store.records.dtypes import Array
from sega_store.records.json_record import JSON, canonical_json

ALWAYS_BYTES = 1 << 25
MAX_EXPANSION = 1024
LEVEL = 5  # zstd's level 9; arrays that are worth more time have their own
MAX_BLOCK_BYTES = 1 << 20

_BLOSC_HEADER = struct.Struct("<4B3I")
_BLOSC_FORMAT, _ZSTD = 2, 4
_COPIED, _UNSPLIT = 0x02, 0x10  # flags: the data as they are; blocks that aren't split into the bytes of their elements
_MAX_SPLITS, _MIN_SPLIT_ELEMENTS = 16, 128
_ZSTD_MAGIC, _ZSTD_REPEATED = b"\x28\xb5\x2f\xfd", 1
MAX_BLOSC_BYTES = (1 << 31) - 1 - _BLOSC_HEADER.size


@dataclass(frozen=True)
class ArrayFormat:
    """How an array is kept.

    Attributes:
        name: Its name in the group.
        shape: Its shape.
        data_type: A Zarr data type with the same name in numpy.
        shuffle: Blosc's filter; None: the bytes aren't compressed.
        level: Blosc's level, 1 to 9.
        blocksize: Bytes that are filtered and compressed at once; 0: Blosc chooses.
        first_axis_last: Whether the chunk keeps the first axis as the last, running fastest.
    """

    name: str
    shape: tuple[int, ...]
    data_type: Literal["bool", "uint8", "uint16", "float16", "float32", "float64"]
    shuffle: Literal["shuffle", "bitshuffle"] | None = "shuffle"
    level: int = LEVEL
    blocksize: int = 0
    first_axis_last: bool = False

    def bitshuffled(self, level: int) -> "ArrayFormat":
        """The same array with the bits shuffled, in the largest blocks of a multiple of 8 elements, at most 1 MiB.

        Blosc shuffles the bits of no other block: in its own blocks, 40,999 values of a recording take 25% more bytes.
        """
        eight = 8 * np.dtype(self.data_type).itemsize
        blocksize = min(MAX_BLOCK_BYTES, self.nbytes // eight * eight)
        return replace(self, shuffle="bitshuffle", level=level, blocksize=blocksize)

    @property
    def nbytes(self) -> int:
        """The size of its elements."""
        return math.prod(self.shape) * np.dtype(self.data_type).itemsize

    @property
    def metadata_key(self) -> str:
        """The entry of its metadata."""
        return f"{self.name}/zarr.json"

    @property
    def chunk_key(self) -> str:
        """The entry of its chunk."""
        return "/".join([self.name, "c", *["0"] * len(self.shape)])

    @property
    def keys(self) -> list[str]:
        """Its entries, in their order."""
        return [self.metadata_key, self.chunk_key] if self.nbytes else [self.metadata_key]

    def metadata(self) -> bytes:
        """Its `zarr.json`."""
        one_byte = np.dtype(self.data_type).itemsize == 1
        codecs: list[JSON] = [{"name": "bytes"} if one_byte else _codec("bytes", endian="little")]
        if self.first_axis_last:
            codecs.insert(0, _codec("transpose", order=[*range(1, len(self.shape)), 0]))
        if self.shuffle is not None:
            how: dict[str, JSON] = {"cname": "zstd", "clevel": self.level, "shuffle": self.shuffle}
            size = np.dtype(self.data_type).itemsize
            codecs.append(_codec("blosc", typesize=size, blocksize=self.blocksize, **how))
        codecs.append({"name": "crc32c"})
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.data_type,
            "chunk_grid": _codec("regular", chunk_shape=[max(1, length) for length in self.shape]),
            "chunk_key_encoding": _codec("default", separator="/"),
            "fill_value": {"bool": False, "uint8": 0, "uint16": 0}.get(self.data_type, 0.0),
            "codecs": codecs,
        }
        return canonical_json(document)

    def encode(self, array: Array) -> dict[str, bytes]:
        """The entries of an array.

        Raises:
            InvalidInputError: It has more than 2 GiB, which Blosc can't hold in one chunk.
        """
        if not self.nbytes:
            return {self.metadata_key: self.metadata()}
        if self.first_axis_last:
            array = np.moveaxis(array, 0, -1)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        chunk = array.tobytes() if self.shuffle is None else self._compressed(array)
        return {self.metadata_key: self.metadata(), self.chunk_key: chunk + _checksum(chunk)}

    def decode(self, contents: dict[str, memoryview]) -> Array:
        """The array in a file's entries, none of which is trusted; read-only.

        Returns:
            The array; one of bool as `Support.bits`, in the order of the chunk, eight elements a byte.

        Raises:
            InvalidInputError: The metadata aren't the expected ones, or the chunk is damaged or of another size.
        """
        if contents[self.metadata_key] != self.metadata():
            raise InvalidInputError(f"{self.metadata_key} isn't the one of {self.data_type} of shape {self.shape}")
        if not self.nbytes:
            return np.zeros(self.shape, self.data_type)
        chunk, checksum = contents[self.chunk_key][:-4], contents[self.chunk_key][-4:]
        if checksum != _checksum(chunk):
            raise InvalidInputError(f"{self.chunk_key} has a wrong checksum")
        if self.shuffle is None and len(chunk) != self.nbytes:
            raise InvalidInputError(f"{self.chunk_key} has {len(chunk)} bytes, expected {self.nbytes}")
        blocks = [chunk] if self.shuffle is None else self._decompressed(chunk)
        if self.data_type == "bool":
            return np.concatenate([np.packbits(part) for part in self._in_eights(blocks)])
        data, end = np.empty(self.nbytes, np.uint8), 0
        for block in blocks:
            data[end : end + len(block)] = np.frombuffer(block, np.uint8)
            end += len(block)
        dtype = np.dtype(self.data_type)
        array = data.view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(self.shape)
        array.setflags(write=False)
        return array

    def _in_eights(self, blocks: Iterable[bytes | memoryview]) -> Iterator[Array]:
        """The same bytes of 0 and 1 in other parts: all but the last have a multiple of eight."""
        rest = b""
        for block in blocks:
            part = np.frombuffer(rest + bytes(block) if rest else block, np.uint8)
            if part.max() > 1:
                raise InvalidInputError(f"{self.chunk_key} has bytes other than 0 and 1")
            whole = len(part) & ~7
            rest = part[whole:].tobytes()
            yield part[:whole]
        yield np.frombuffer(rest, np.uint8)

    def _compressed(self, array: Array) -> bytes:
        if array.nbytes > MAX_BLOSC_BYTES:
            raise InvalidInputError(
                f"{self.name} has {array.nbytes} bytes, a file's array at most {MAX_BLOSC_BYTES}. "
                "Record fewer steps, or with a higher keep_threshold."
            )
        blosc = _blosc()
        shuffle = blosc.BITSHUFFLE if self.shuffle == "bitshuffle" else blosc.SHUFFLE
        elements = array.view(np.uint8) if array.dtype == bool else array
        return bytes(blosc.compress(elements, b"zstd", self.level, shuffle, self.blocksize))

    def _decompressed(self, chunk: memoryview) -> Iterator[bytes | memoryview]:
        """The chunk's blocks, one after the other; none is before the header promises exactly the expected size."""
        if self.nbytes > MAX_BLOSC_BYTES:
            raise InvalidInputError(f"{self.chunk_key} would have {self.nbytes} bytes, Blosc holds {MAX_BLOSC_BYTES}")
        if len(chunk) < _BLOSC_HEADER.size:
            raise InvalidInputError(f"{self.chunk_key} is too short for a Blosc chunk")
        version, _, flags, typesize, nbytes, _, cbytes = _BLOSC_HEADER.unpack(chunk[: _BLOSC_HEADER.size])
        met = {"format": version, "codec": flags >> 5, "typesize": typesize, "nbytes": nbytes, "cbytes": cbytes}
        size = np.dtype(self.data_type).itemsize
        due = {
            "format": _BLOSC_FORMAT, "codec": _ZSTD, "typesize": size, "nbytes": self.nbytes, "cbytes": len(chunk)
        }  # fmt: skip
        if met != due:
            raise InvalidInputError(f"{self.chunk_key} has the Blosc header {met}, expected {due}")
        for start, end, size, flags in self._blocks(chunk):
            if flags & _COPIED:
                yield chunk[start:end]
                continue
            header = _BLOSC_HEADER.pack(version, 1, flags, typesize, size, size, _BLOSC_HEADER.size + 4 + end - start)
            alone = b"".join([header, (_BLOSC_HEADER.size + 4).to_bytes(4, "little"), chunk[start:end]])
            try:
                yield _blosc().decompress(alone)
            except RuntimeError as error:
                raise InvalidInputError(f"{self.chunk_key} can't be decompressed: {error}") from None

    def _blocks(self, chunk: memoryview) -> Iterator[tuple[int, int, int, int]]:
        """The blocks of a Blosc chunk: where each starts and ends, its size decompressed, and its flags as a chunk's.

        Raises:
            InvalidInputError: The chunk isn't its header and its blocks, in order, and no more, which Blosc passes
                over; or a block is so large that it could take much memory.
        """
        _, _, flags, typesize, nbytes, blocksize, cbytes = _BLOSC_HEADER.unpack(chunk[: _BLOSC_HEADER.size])
        wrong = InvalidInputError(
            f"{self.chunk_key} can't be decompressed: blocks are out of place, or bytes belong to no block"
        )
        if not 0 < blocksize <= nbytes or (flags & _COPIED and cbytes != _BLOSC_HEADER.size + nbytes):
            raise wrong
        if flags & _COPIED:
            yield from (
                (_BLOSC_HEADER.size + start, min(_BLOSC_HEADER.size + start + MAX_BLOCK_BYTES, cbytes), 0, flags)
                for start in range(0, nbytes, MAX_BLOCK_BYTES)
            )
            return
        if blocksize > MAX_BLOCK_BYTES:
            raise InvalidInputError(
                f"{self.chunk_key} can't be decompressed: its blocks have {blocksize} bytes, at most {MAX_BLOCK_BYTES}"
                " are allowed"
            )
        blocks = -(-nbytes // blocksize)
        position = _BLOSC_HEADER.size + 4 * blocks
        if position > cbytes:
            raise wrong
        split = not flags & _UNSPLIT and typesize <= _MAX_SPLITS and blocksize // typesize >= _MIN_SPLIT_ELEMENTS
        for number in range(blocks):
            start, size = position, min(blocksize, nbytes - number * blocksize)
            parts = typesize if split and size == blocksize else 1
            if (start,) != struct.unpack_from("<I", chunk, _BLOSC_HEADER.size + 4 * number):
                raise wrong
            for _ in range(parts):
                length = int.from_bytes(chunk[position : position + 4], "little")
                position += 4 + length
                if position > cbytes:
                    raise wrong
                if length != size // parts and _zstd_end(chunk, position - length, position) != position:
                    raise wrong
            if number == blocks - 1 and position != cbytes:
                raise wrong
            yield start, position, size, flags if parts == typesize and split else flags | _UNSPLIT


def check_arrays(arrays: Iterable[ArrayFormat], contents: Mapping[str, bytes | memoryview]) -> None:
    """Refuses a bomb by its chunks, none of which is decompressed: each array is compared with its own chunk.

    Raises:
        InvalidInputError: The arrays that are larger than 1,024 times their chunks take more than 32 MiB together.
    """
    sparse = {
        one.name: one.nbytes for one in arrays if one.nbytes > MAX_EXPANSION * len(contents.get(one.chunk_key, b""))
    }
    if sum(sparse.values()) > ALWAYS_BYTES:
        raise InvalidInputError(
            f"{', '.join(sparse)} would take {sum(sparse.values())} bytes: arrays of more than {MAX_EXPANSION} times "
            f"their chunks may take {ALWAYS_BYTES} together. It is a bomb, or a vector with hardly an entry: keep more."
        )


def check_expansion(nbytes: int, stored: int) -> None:
    """Refuses a bomb: Blosc packs 31,000 equal bytes into one, so a file of 70 kB could ask for 2 GiB.

    No vector of the field comes near the limit: with one entry in a thousand kept it takes 245 times its file.

    Raises:
        InvalidInputError: The arrays' bytes are more than 32 MiB and than 1,024 times those of the file.
    """
    if nbytes > max(ALWAYS_BYTES, MAX_EXPANSION * stored):
        raise InvalidInputError(
            f"Arrays of {nbytes} bytes in a file of {stored}: above {ALWAYS_BYTES} bytes they may take at most "
            f"{MAX_EXPANSION} times the file. It is a bomb, or a vector with hardly an entry: keep more of them."
        )


def _zstd_end(data: bytes | memoryview, position: int, end: int) -> int:
    """Where a zstd frame ends; -1 if there is none, or one that is cut off or has empty blocks before its last.

    References:
        RFC 8878, Zstandard compression, sections 3.1.1.1 and 3.1.1.2
    """
    if end - position < 6 or data[position : position + 4] != _ZSTD_MAGIC:
        return -1
    descriptor = data[position + 4]
    single = descriptor >> 5 & 1
    position += 6 - single + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6]
    last = 0
    while not last:
        if position + 3 > end:
            return -1
        block = int.from_bytes(data[position : position + 3], "little")
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        if not last and not size:
            return -1
        position += 3 + (1 if kind == _ZSTD_REPEATED else size)
    return position + (4 if descriptor & 4 else 0)


def _codec(name: str, **configuration: JSON) -> JSON:
    return {"name": name, "configuration": configuration}


def _checksum(data: bytes | memoryview) -> bytes:
    crc = 0
    for start in range(0, len(data), MAX_BLOCK_BYTES):  # it takes no views
        crc = google_crc32c.extend(crc, bytes(data[start : start + MAX_BLOCK_BYTES]))
    return int(crc).to_bytes(4, "little")


def _blosc() -> Any:
    from numcodecs import blosc  # takes 50 ms, which a listing can do without

    blosc.use_threads = False  # threads would write blocks in the order in which they finish
    return blosc
