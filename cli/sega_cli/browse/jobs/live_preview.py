"""A live preview of a picture while it is made: the sampler's estimate of x_0, decoded by the model's own VAE."""

import io
import time
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKL
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

_SHARE = 5  # previews take at most one part in so many of the time
_LEAST_SECONDS = 0.08  # between two previews: nobody could see more of them
_EDGE = 512  # pixels


class LivePreview:
    """Pictures of a run's latents, as often as their price allows.

    There are none for pipelines without an `AutoencoderKL`, for latents packed into tokens, or for a VAE that overflows
    in the pipeline's precision.
    """

    def __init__(self, pipe: "DiffusionPipeline") -> None:
        self._vae = getattr(pipe, "vae", None)
        self._next = 0.0

    def encode(self, latents: Tensor) -> bytes | None:
        """The first sample as WebP; None if it is too early for another, or there can be none.

        Args:
            latents: Shape (B, C, H, W).
        """
        now = time.monotonic()
        if now < self._next or not self._can(latents):
            return None
        data = self._encode(latents)
        cost = time.monotonic() - now
        self._next = now + max(cost * _SHARE, _LEAST_SECONDS)
        return data

    def _can(self, latents: Tensor) -> bool:
        vae = self._vae
        if not isinstance(vae, AutoencoderKL):
            return False
        overflows = vae.config.force_upcast and vae.dtype == torch.float16
        return latents.ndim == 4 and latents.shape[1] == vae.config.latent_channels and not overflows

    @torch.no_grad()
    def _encode(self, latents: Tensor) -> bytes:
        from PIL import Image

        config = self._vae.config  # type: ignore[union-attr]
        scaled = latents[:1].to(self._vae.dtype) / config.scaling_factor + (config.shift_factor or 0.0)  # type: ignore[union-attr]
        decoded = self._vae.decode(scaled).sample[0]  # type: ignore[union-attr]
        pixels = ((decoded.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        image = Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())
        image.thumbnail((_EDGE, _EDGE))
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=85, method=1)
        return buffer.getvalue()
