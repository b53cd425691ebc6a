"""The size of a vector file against the other formats that people would use."""

import io

import numpy as np
import scipy.sparse
import torch
from safetensors.numpy import save

from benchmarks.timing import Row
from sega_store import write_vector
from sega_vectors import Concept, Recorder, load_pipeline


def sizes() -> list[Row]:
    """A vector of 50 x 4 x 64 x 64, float32, λ 0.95: the embedded model's, run at four times its size."""
    pipe = load_pipeline("embedded", device="cpu")
    pipe.set_progress_bar_config(disable=True)
    recorder = Recorder(pipe, [Concept("glasses", edit_threshold=0.95, keep_threshold=0.95)])
    size = 64 * pipe.vae_scale_factor
    recorder(
        prompt="a portrait of a man",
        height=size,
        width=size,
        num_inference_steps=50,
        output_type="latent",
        generator=torch.Generator().manual_seed(0),
    )
    vector = recorder.vectors[0]
    dense = vector.dense()
    if dense.shape != (50, 4, 64, 64):
        raise RuntimeError(f"expected a vector of 50 x 4 x 64 x 64, met {dense.shape}")
    ours = len(write_vector(vector))
    npz = io.BytesIO()
    scipy.sparse.save_npz(npz, scipy.sparse.csr_array(dense.reshape(50, -1)))
    safetensors = len(save({"sem_guidance": np.ascontiguousarray(dense)}))
    return [
        Row(f"vector file of 50x4x64x64 ({ours:,} bytes) / scipy save_npz", ours / len(npz.getvalue()), 0.82),
        Row(f"vector file of 50x4x64x64 ({ours:,} bytes) / dense safetensors", ours / safetensors, 0.045),
    ]
