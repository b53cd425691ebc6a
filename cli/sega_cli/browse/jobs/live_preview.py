"""A live preview of a picture while it is made: the sampler's estimate of x_0, decoded by the model's own VAE."""

import time
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from torch import Tensor

from sega_cli.generating.picture import encode_webp

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

_SHARE = 5  # previews take at most one part in so many of the time
_LEAST_SECONDS = 0.08  # between two previews: nobody could see more of them


class LivePreview:
    """Pictures of a run's latents, as often as their price allows.

    There are none for pipelines without an `AutoencoderKL`, for latents packed into tokens, or for a VAE that overflows
    in the pipeline's precision.
    """

    def __init__(self, pipe: "DiffusionPipeline") -> None:
        self._vae = getattr(pipe, "vae", None)
        self._next = 0.0

    @torch.no_grad()
    def encode(self, latents: Tensor) -> bytes | None:
        """The first sample as WebP; None if it is too early for another, or there can be none.

        Args:
            latents: Shape (B, C, H, W).
        """
        now, vae = time.monotonic(), self._vae
        if now < self._next or not isinstance(vae, AutoencoderKL):
            return None
        overflows = vae.config.force_upcast and vae.dtype == torch.float16
        if latents.ndim != 4 or latents.shape[1] != vae.config.latent_channels or overflows:
            return None
        scaled = latents[:1].to(vae.dtype) / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
        (image,) = VaeImageProcessor().postprocess(vae.decode(scaled).sample)
        data = encode_webp(image, quality=85, method=1)
        cost = time.monotonic() - now
        self._next = now + max(cost * _SHARE, _LEAST_SECONDS)
        return data
