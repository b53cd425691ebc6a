"""Which dtype `auto` stands for, by what the weights are stored in."""

from pathlib import Path

import pytest
import torch

from sega_vectors.pipeline.loading import dtype_of
from sega_vectors.pipeline.precision import best_dtype
from tests.vectors.families import stable_diffusion_3
from tests.vectors.tiny import stable_diffusion

MAKERS = {"a U-Net": stable_diffusion, "a transformer": stable_diffusion_3}
STORED = [torch.float32, torch.float16, torch.bfloat16]
EXPECTED = {"a U-Net": ["float16", "float16", "bfloat16"], "a transformer": ["bfloat16", "float16", "bfloat16"]}


@pytest.mark.parametrize("kind", MAKERS)
def test_weights_stay_as_they_are_stored(kind: str, tmp_path: Path) -> None:
    found = []
    for dtype in STORED:
        folder = tmp_path / str(dtype)
        MAKERS[kind]().to(dtype).save_pretrained(folder)
        found.append(best_dtype(folder, folder))
        assert dtype_of(str(folder), "meta", "auto") == found[-1]
        assert dtype_of(str(folder), "cpu", "auto") == "float32"
        assert dtype_of(str(folder), "meta", "float32") == "float32"
    assert found == EXPECTED[kind]
    assert dtype_of("embedded", "meta", "auto") == "float32"


def test_the_variant_that_is_loaded_counts(tmp_path: Path) -> None:
    stable_diffusion().save_pretrained(tmp_path)
    stable_diffusion().to(torch.bfloat16).save_pretrained(tmp_path, variant="bf16")
    assert best_dtype(tmp_path, tmp_path) == "float16"
    assert best_dtype(tmp_path, tmp_path, "bf16") == "bfloat16"


def test_a_file_s_own_tensors_count(tmp_path: Path) -> None:
    stable_diffusion().to(torch.bfloat16).save_pretrained(tmp_path)
    file = next((tmp_path / "unet").glob("*.safetensors"))
    assert best_dtype(file, tmp_path) == "bfloat16"
