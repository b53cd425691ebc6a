"""LivePreview at latents."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sega_cli.browse.jobs import live_preview
from sega_cli.browse.jobs.live_preview import LivePreview
from tests.vectors.tiny import stable_diffusion


@pytest.fixture(scope="module")
def pipe() -> Any:
    return stable_diffusion()


def test_a_look_is_what_the_pipeline_would_decode(pipe: Any) -> None:
    torch.manual_seed(0)
    latents = pipe("a man", num_inference_steps=2, output_type="latent").images
    seen = LivePreview(pipe).encode(torch.cat([latents, torch.zeros_like(latents)]))
    assert seen is not None
    decoded = pipe.image_processor.postprocess(pipe.vae.decode(latents / pipe.vae.config.scaling_factor)[0].detach())[0]
    buffer = io.BytesIO()
    decoded.save(buffer, "WEBP", quality=85, method=1)
    assert seen == buffer.getvalue()


def test_looks_take_a_share_of_the_time(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(live_preview, "time", SimpleNamespace(monotonic=lambda: now))
    latents = torch.zeros(1, 4, 16, 16)
    seen = LivePreview(pipe)
    assert seen.encode(latents)
    assert seen.encode(latents) is None
    now += 0.1
    assert seen.encode(latents)


def test_where_there_is_nothing_to_decode_there_is_no_look(pipe: Any) -> None:
    latents = torch.zeros(1, 4, 16, 16)
    assert LivePreview(SimpleNamespace()).encode(latents) is None
    assert LivePreview(SimpleNamespace(vae="unknown")).encode(latents) is None
    assert LivePreview(pipe).encode(torch.zeros(1, 64, 16)) is None, "packed into tokens"
    assert LivePreview(pipe).encode(torch.zeros(1, 4, 16)) is None, "packed, by chance into as many tokens as channels"
    assert LivePreview(pipe).encode(torch.zeros(1, 16, 16, 16)) is None, "of another model"
