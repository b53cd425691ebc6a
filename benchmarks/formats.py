"""`python -m benchmarks.formats`: the vector file's formats 1 and 2 in bytes and time; the table of docs/library.md."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from benchmarks.timing import side_by_side
from sega_store import read_vector
from sega_store.files.header import ROOT_KEY, VectorHeader, root_json
from sega_store.files.vector_file import vector_arrays
from sega_store.files.zip_container import pack
from sega_store.records.dtypes import HELD_AS, narrow
from sega_vectors import Concept, GuidanceVector, Recorder, load_pipeline

ROUNDS = 21


def recorded(size: int, steps: int, threshold: float) -> GuidanceVector:
    """A vector of the embedded model, float32."""
    pipe = load_pipeline("embedded", device="cpu")
    pipe.set_progress_bar_config(disable=True)
    recorder = Recorder(pipe, [Concept("glasses", edit_threshold=threshold, keep_threshold=threshold)])
    recorder(
        prompt="a portrait of a man",
        height=size * pipe.vae_scale_factor,
        width=size * pipe.vae_scale_factor,
        num_inference_steps=steps,
        output_type="latent",
        generator=torch.Generator().manual_seed(0),
    )
    return recorder.vectors[0]


def rounded(v: GuidanceVector, dtype: str) -> GuidanceVector:
    """The vector in another dtype."""
    return GuidanceVector.from_dense(
        v.concept, narrow(v.dense(), dtype), v.timesteps, v.sigmas, v.provenance, dtype, v.preview
    )


def written(v: GuidanceVector, version: int) -> bytes:
    """The vector's file in a format, its hashes computed anew."""
    v = replace(v)
    header = replace(VectorHeader.of(v), format=version)
    contents = {ROOT_KEY: root_json(header)}
    for one, array in zip(vector_arrays(header), (v.support, v.values, v.timesteps, v.sigmas), strict=True):
        contents |= one.encode(array)
    return pack(contents)


def row(v: GuidanceVector) -> str:
    """Bytes, and the median milliseconds of processor time that writing and opening take."""
    files = {version: written(v, version) for version in VectorHeader.FORMATS}
    contenders: dict[str, Callable[[], object]] = {}
    for version, data in files.items():
        contenders |= {f"write {version}": partial(written, v, version), f"open {version}": partial(read_vector, data)}
    taken = side_by_side(contenders, ROUNDS, time.process_time)
    ms = {name: f"{statistics.median(seconds) * 1e3:.1f}" for name, seconds in taken.items()}
    old, new = (len(data) for data in files.values())
    return (
        f"| {'x'.join(map(str, v.shape))}, {v.dtype} | {old:,} | {new:,} | {new / old - 1:+.1%} "
        f"| {ms['write 1']} | {ms['write 2']} | {ms['open 1']} | {ms['open 2']} |"
    )


def main() -> None:
    """Print the table."""
    print("| vector | format 1, bytes | format 2 | | write 1, ms | write 2 | open 1, ms | open 2 |")
    print("|---|---|---|---|---|---|---|---|")
    for size, steps, threshold in ((16, 20, 0.8), (64, 50, 0.95)):
        v = recorded(size, steps, threshold)
        for dtype in HELD_AS:
            print(row(rounded(v, dtype)), flush=True)


if __name__ == "__main__":
    main()
