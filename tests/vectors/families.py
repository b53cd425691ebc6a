"""A table of model families, each as a tiny real pipeline with random weights, and how it calls its denoiser.

No sample is square, so that no axis can be taken for another.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import (
    AudioLDM2Pipeline,
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AutoencoderDC,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    DDIMScheduler,
    DDPMScheduler,
    DDPMWuerstchenScheduler,
    DPMSolverMultistepScheduler,
    EDMDPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    FluxPipeline,
    FluxTransformer2DModel,
    IFPipeline,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
    StableCascadePriorPipeline,
    StableCascadeUNet,
    StableDiffusion3Pipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from torch import Tensor
from transformers import (
    ClapFeatureExtractor,
    Qwen3ForCausalLM,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    UMT5Config,
    UMT5EncoderModel,
)

from . import components, tiny
from .components import HIDDEN, drawn

HEIGHT, WIDTH = 8, 12  # of the latents

Combination = Callable[[Tensor, Tensor, float], Tensor]


def towards(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance, in the form of most pipelines."""
    return unconditional + scale * (conditional - unconditional)


def beyond(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance that starts from the conditional prediction."""
    return conditional + scale * (conditional - unconditional)


def renormalised(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Guidance with the norm that the conditional prediction has along the last axis."""
    guided = towards(unconditional, conditional, scale)
    norms: Tensor = conditional.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True)
    return guided * norms


def as_stepped(pipe: Any, stepped: Tensor) -> Tensor:
    """Nothing to unpack."""
    return stepped


def unpack_image(pipe: Any, stepped: Tensor) -> Tensor:
    """Flux's and Qwen-Image's tokens of 2x2 latents, shape (B, H/2*W/2, C*4), as (B, C, H, W)."""
    side = pipe.vae_scale_factor
    unpacked: Tensor = pipe._unpack_latents(stepped, HEIGHT * side, WIDTH * side, side)
    return unpacked if unpacked.ndim == 4 else unpacked.squeeze(2)  # Qwen-Image adds an axis of frames


def unpack_patches(pipe: Any, stepped: Tensor) -> Tensor:
    """Flux 2's tokens, shape (B, H/2*W/2, C*4), as the latents that it draws: patches, (B, C*4, H/2, W/2)."""
    grid = stepped.mT.reshape(len(stepped), -1, HEIGHT // 2, WIDTH // 2)
    unpacked: Tensor = pipe._unpack_latents_with_ids(stepped, pipe._prepare_latent_ids(grid))
    return unpacked


@dataclass(frozen=True)
class Family:
    """A tiny pipeline of a family, and the facts of its denoising loop.

    Attributes:
        name: The row's name.
        build: Makes the pipeline.
        arguments: What to call the pipeline with: `prompt` and the scale of guidance included, `generator` not.
        sample_shape: The shape of one sample without the batch, unpacked: (C, H, W), (C, F, H, W) or (C, L).
        cfg: Whether the unconditional prediction is a row of the same denoiser call, a second call, or isn't made.
        first: Which prediction comes first, of the rows or of the calls.
        scale: The argument that is the scale of classifier-free guidance.
        combine: How the loop combines the unconditional and the conditional prediction at that scale.
        sign: The sign with which the combination reaches `scheduler.step`.
        stepped_shape: The shape of one sample as `scheduler.step` gets it.
        output_channels: The channels of the model output that `scheduler.step` gets: the sample's, then perhaps a
            variance.
        unpack: From what `scheduler.step` gets to `sample_shape`, by the pipeline's own methods.
        latents_shape: The shape of one sample of the argument `latents`; None where the pipeline has no such argument.
        padded: Whether texts of all lengths give conditioning of one length.
        denoisers: The components that predict, in the order in which they take over.
        sample_argument: The keyword with which the denoiser gets its sample; None for the first positional argument.
        lists: Whether the denoiser gets and gives lists of one tensor a sample.
        step_by_keyword: Whether `scheduler.step` gets model output, timestep and sample by keyword.
    """

    name: str
    build: Callable[[], Any]
    arguments: Mapping[str, Any]
    sample_shape: tuple[int, ...]
    cfg: Literal["one call", "two calls", "none"] = "one call"
    first: Literal["unconditional", "conditional"] = "unconditional"
    scale: str = "guidance_scale"
    combine: Combination = towards
    sign: Literal[1, -1] = 1
    stepped_shape: tuple[int, ...] = ()
    output_channels: int = 0
    unpack: Callable[[Any, Tensor], Tensor] = as_stepped
    latents_shape: tuple[int, ...] | None = ()
    padded: bool = True
    denoisers: tuple[str, ...] = ("transformer",)
    sample_argument: str | None = "hidden_states"
    lists: bool = False
    step_by_keyword: bool = False

    def __post_init__(self) -> None:
        """Fill in the shapes that are the sample's own."""
        object.__setattr__(self, "stepped_shape", self.stepped_shape or self.sample_shape)
        object.__setattr__(self, "output_channels", self.output_channels or self.stepped_shape[0])
        if self.latents_shape == ():
            object.__setattr__(self, "latents_shape", self.stepped_shape)

    @property
    def packed(self) -> bool:
        """Whether the loop's samples are tokens, not pictures."""
        return self.unpack is not as_stepped

    def __str__(self) -> str:
        return self.name


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _dynamic_flow() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)


def stable_diffusion_3() -> StableDiffusion3Pipeline:
    torch.manual_seed(0)
    return _quiet(
        StableDiffusion3Pipeline(
            transformer=drawn(
                SD3Transformer2DModel(
                    sample_size=16,
                    patch_size=2,
                    in_channels=4,
                    out_channels=4,
                    num_layers=2,
                    attention_head_dim=8,
                    num_attention_heads=4,
                    joint_attention_dim=HIDDEN,
                    caption_projection_dim=32,
                    pooled_projection_dim=32,
                    pos_embed_max_size=16,
                )
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=tiny.autoencoder(),
            text_encoder=components.clip_with_projection(hidden_size=16, projection_dim=16),
            tokenizer=tiny.tokenizer(),
            text_encoder_2=components.clip_with_projection(hidden_size=16, projection_dim=16),
            tokenizer_2=tiny.tokenizer(),
            text_encoder_3=components.t5(),
            tokenizer_3=components.t5_tokenizer(),
        )
    )


def flux(guidance_embeds: bool = True) -> FluxPipeline:
    torch.manual_seed(0)
    return _quiet(
        FluxPipeline(
            transformer=drawn(
                FluxTransformer2DModel(
                    in_channels=16,
                    num_layers=1,
                    num_single_layers=1,
                    attention_head_dim=16,
                    num_attention_heads=2,
                    joint_attention_dim=HIDDEN,
                    pooled_projection_dim=32,
                    guidance_embeds=guidance_embeds,
                    axes_dims_rope=(4, 4, 8),
                )
            ),
            scheduler=_dynamic_flow(),
            vae=tiny.autoencoder(),
            text_encoder=components.clip(),
            tokenizer=tiny.tokenizer(),
            text_encoder_2=components.t5(),
            tokenizer_2=components.t5_tokenizer(),
        )
    )


def qwen_image() -> QwenImagePipeline:
    torch.manual_seed(0)
    pipe = QwenImagePipeline(
        transformer=drawn(
            QwenImageTransformer2DModel(
                in_channels=16,
                out_channels=4,
                num_layers=2,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=HIDDEN,
                axes_dims_rope=(4, 4, 8),
            )
        ),
        scheduler=_dynamic_flow(),
        vae=AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 1],
            num_res_blocks=1,
            temperal_downsample=[False],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ).eval(),
        text_encoder=components.qwen2_5_vl(),
        tokenizer=components.qwen_tokenizer(),
    )
    instruction = pipe.prompt_template_encode.split("{}")[0]
    pipe.prompt_template_encode_start_idx = len(pipe.tokenizer(instruction).input_ids)  # the real tokenizer's is 34
    return _quiet(pipe)


def z_image() -> ZImagePipeline:
    torch.manual_seed(0)
    return _quiet(
        ZImagePipeline(
            transformer=drawn(
                ZImageTransformer2DModel(
                    in_channels=4,
                    dim=32,
                    n_layers=2,
                    n_refiner_layers=1,
                    n_heads=2,
                    n_kv_heads=2,
                    cap_feat_dim=HIDDEN,
                    axes_dims=[8, 4, 4],
                    axes_lens=[256, 32, 32],
                )
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=tiny.autoencoder(),
            text_encoder=components.qwen3(),
            tokenizer=components.qwen_tokenizer(),
        )
    )


def pixart(pipeline: Any) -> Any:
    torch.manual_seed(0)
    return _quiet(
        pipeline(
            transformer=drawn(
                PixArtTransformer2DModel(
                    num_attention_heads=2,
                    attention_head_dim=16,
                    in_channels=4,
                    out_channels=8,  # the second half is the variance, which the pipeline drops
                    num_layers=2,
                    cross_attention_dim=32,
                    sample_size=8,
                    patch_size=2,
                    caption_channels=HIDDEN,
                )
            ),
            scheduler=DPMSolverMultistepScheduler(),
            vae=tiny.autoencoder(),
            text_encoder=components.t5(),
            tokenizer=components.t5_tokenizer(),
        )
    )


def deepfloyd_if() -> IFPipeline:
    torch.manual_seed(0)
    return _quiet(
        IFPipeline(
            unet=drawn(
                UNet2DConditionModel(
                    sample_size=16,
                    in_channels=3,
                    out_channels=6,  # the second half is the variance, which the scheduler takes
                    layers_per_block=1,
                    block_out_channels=(8, 16),
                    down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
                    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
                    up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
                    attention_head_dim=8,
                    norm_num_groups=4,
                    encoder_hid_dim=HIDDEN,
                    cross_attention_dim=32,
                    addition_embed_type="text",
                    addition_embed_type_num_heads=2,
                    cross_attention_norm="group_norm",
                    resnet_time_scale_shift="scale_shift",
                    time_embedding_act_fn="gelu",
                    act_fn="gelu",
                    only_cross_attention=False,
                )
            ),
            scheduler=DDPMScheduler(
                beta_schedule="squaredcos_cap_v2",
                thresholding=True,
                dynamic_thresholding_ratio=0.95,
                sample_max_value=1.5,
                variance_type="learned_range",
            ),
            text_encoder=components.t5(),
            tokenizer=components.t5_tokenizer(),
            safety_checker=None,
            feature_extractor=None,
            watermarker=None,
            requires_safety_checker=False,
        )
    )


def sana() -> SanaPipeline:
    torch.manual_seed(0)
    return _quiet(
        SanaPipeline(
            transformer=drawn(
                SanaTransformer2DModel(
                    in_channels=4,
                    out_channels=4,
                    num_attention_heads=2,
                    attention_head_dim=16,
                    num_layers=2,
                    num_cross_attention_heads=2,
                    cross_attention_head_dim=16,
                    cross_attention_dim=32,
                    caption_channels=HIDDEN,
                    sample_size=8,
                )
            ),
            scheduler=DPMSolverMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
            ),
            vae=AutoencoderDC(
                latent_channels=4,
                encoder_block_types="ResBlock",
                decoder_block_types="ResBlock",
                encoder_block_out_channels=(8, 8, 8),
                decoder_block_out_channels=(8, 8, 8),
                encoder_layers_per_block=(1, 1, 1),
                decoder_layers_per_block=(1, 1, 1),
                encoder_qkv_multiscales=((), (), ()),
                decoder_qkv_multiscales=((), (), ()),
                downsample_block_type="conv",
                upsample_block_type="interpolate",
            ).eval(),
            text_encoder=components.gemma2(),
            tokenizer=components.gemma_tokenizer(),
        )
    )


def lumina2() -> Lumina2Pipeline:
    torch.manual_seed(0)
    return _quiet(
        Lumina2Pipeline(
            transformer=drawn(
                Lumina2Transformer2DModel(
                    sample_size=8,
                    in_channels=4,
                    hidden_size=32,
                    num_layers=2,
                    num_refiner_layers=1,
                    num_attention_heads=2,
                    num_kv_heads=2,
                    multiple_of=16,
                    axes_dim_rope=(8, 4, 4),
                    axes_lens=(300, 32, 32),
                    cap_feat_dim=HIDDEN,
                )
            ),
            scheduler=_dynamic_flow(),
            vae=tiny.autoencoder(),
            text_encoder=components.gemma2(),
            tokenizer=components.gemma_tokenizer(),
        )
    )


def wan(two_denoisers: bool = False) -> WanPipeline:
    torch.manual_seed(0)

    def denoiser() -> Any:
        return drawn(
            WanTransformer3DModel(
                in_channels=4,
                out_channels=4,
                num_attention_heads=2,
                attention_head_dim=12,
                text_dim=HIDDEN,
                freq_dim=16,
                ffn_dim=32,
                num_layers=2,
                rope_max_seq_len=32,
            )
        )

    return _quiet(
        WanPipeline(
            transformer=denoiser(),
            transformer_2=denoiser() if two_denoisers else None,
            boundary_ratio=0.875 if two_denoisers else None,
            scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
            vae=components.video_autoencoder(),
            text_encoder=components.t5(UMT5EncoderModel, UMT5Config),
            tokenizer=components.t5_tokenizer(),
        )
    )


def stable_cascade() -> StableCascadePriorPipeline:
    torch.manual_seed(0)
    return _quiet(
        StableCascadePriorPipeline(
            prior=drawn(
                StableCascadeUNet(
                    in_channels=4,
                    out_channels=4,
                    timestep_ratio_embedding_dim=16,
                    conditioning_dim=16,
                    block_out_channels=(16, 16),
                    num_attention_heads=(2, 2),
                    down_num_layers_per_block=(1, 1),
                    up_num_layers_per_block=(1, 1),
                    clip_text_in_channels=32,
                    clip_text_pooled_in_channels=32,
                    clip_image_in_channels=16,
                    dropout=(0.0, 0.0),
                    switch_level=(False,),
                )
            ),
            scheduler=DDPMWuerstchenScheduler(),
            text_encoder=components.clip_with_projection(projection_dim=32),
            tokenizer=tiny.tokenizer(),
        )
    )


def _flux2_transformer(guidance_embeds: bool) -> Flux2Transformer2DModel:
    return drawn(
        Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=2 * HIDDEN,  # two layers of the text encoder side by side
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=guidance_embeds,
        )
    )


def _flux2_autoencoder() -> AutoencoderKLFlux2:
    return AutoencoderKLFlux2(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
    ).eval()


def flux2() -> Flux2Pipeline:
    torch.manual_seed(0)
    pipe = Flux2Pipeline(
        transformer=_flux2_transformer(guidance_embeds=True),
        scheduler=_dynamic_flow(),
        vae=_flux2_autoencoder(),
        text_encoder=components.mistral3(),
        tokenizer=components.mistral_tokenizer(),
    )
    pipe.system_message = "Draw."
    return _quiet(pipe)


def flux2_klein() -> Flux2KleinPipeline:
    torch.manual_seed(0)
    return _quiet(
        Flux2KleinPipeline(
            transformer=_flux2_transformer(guidance_embeds=False),
            scheduler=_dynamic_flow(),
            vae=_flux2_autoencoder(),
            text_encoder=components.qwen3(Qwen3ForCausalLM),
            tokenizer=components.qwen_tokenizer(),
        )
    )


def audioldm2() -> AudioLDM2Pipeline:
    torch.manual_seed(0)
    return _quiet(
        AudioLDM2Pipeline(
            unet=drawn(
                AudioLDM2UNet2DConditionModel(
                    sample_size=8,
                    in_channels=4,
                    out_channels=4,
                    layers_per_block=1,
                    block_out_channels=(8, 16),
                    norm_num_groups=4,
                    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                    cross_attention_dim=([None, 16, HIDDEN], [None, 16, HIDDEN]),  # itself, GPT-2's, T5's
                    attention_head_dim=4,
                )
            ),
            scheduler=DDIMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                clip_sample=False,
                set_alpha_to_one=False,
            ),
            vae=tiny.autoencoder(image_channels=1),
            text_encoder=components.clap(),
            tokenizer=components.roberta_tokenizer(),
            text_encoder_2=components.t5(),
            tokenizer_2=components.t5_tokenizer(),
            projection_model=drawn(
                AudioLDM2ProjectionModel(text_encoder_dim=16, text_encoder_1_dim=HIDDEN, langauge_model_dim=16)
            ),
            language_model=components.gpt2(),
            feature_extractor=ClapFeatureExtractor(),
            vocoder=SpeechT5HifiGan(
                SpeechT5HifiGanConfig(
                    model_in_dim=2 * WIDTH,
                    upsample_initial_channel=8,
                    upsample_rates=[2, 2],
                    upsample_kernel_sizes=[4, 4],
                    resblock_kernel_sizes=[3],
                    resblock_dilation_sizes=[[1]],
                    normalize_before=False,
                )
            ).eval(),
        )
    )


def stable_audio() -> StableAudioPipeline:
    torch.manual_seed(0)
    return _quiet(
        StableAudioPipeline(
            transformer=drawn(
                StableAudioDiTModel(
                    sample_size=24,
                    in_channels=4,
                    out_channels=4,
                    num_layers=2,
                    attention_head_dim=8,
                    num_attention_heads=2,
                    num_key_value_attention_heads=2,
                    cross_attention_dim=HIDDEN,
                    time_proj_dim=16,
                    global_states_input_dim=2 * HIDDEN,
                    cross_attention_input_dim=HIDDEN,
                )
            ),
            scheduler=EDMDPMSolverMultistepScheduler(sigma_min=0.3, sigma_max=500, prediction_type="v_prediction"),
            vae=components.sound_autoencoder(),
            text_encoder=components.t5(),
            tokenizer=components.t5_tokenizer(),
            projection_model=drawn(
                StableAudioProjectionModel(text_encoder_dim=HIDDEN, conditioning_dim=HIDDEN, min_value=0, max_value=512)
            ),
        )
    )


def _arguments(**changes: Any) -> Mapping[str, Any]:
    return {
        "prompt": "a photograph of a face",
        "num_inference_steps": 3,
        "height": 2 * HEIGHT,
        "width": 2 * WIDTH,
        "output_type": "latent",
        **changes,
    }


def _sounds(**changes: Any) -> Mapping[str, Any]:
    return {"prompt": "rain on a roof", "num_inference_steps": 3, "output_type": "latent", **changes}


_LATENTS = (4, HEIGHT, WIDTH)
_PATCHES = (16, HEIGHT // 2, WIDTH // 2)
_TOKENS = (HEIGHT // 2 * WIDTH // 2, 16)

_ROWS = (
    Family(
        "sd", tiny.stable_diffusion, _arguments(guidance_scale=7.5), _LATENTS, denoisers=("unet",), sample_argument=None
    ),
    Family(
        "sdxl",
        tiny.stable_diffusion_xl,
        _arguments(guidance_scale=5.0),
        _LATENTS,
        denoisers=("unet",),
        sample_argument=None,
    ),
    Family("sd3", stable_diffusion_3, _arguments(guidance_scale=7.0, max_sequence_length=64), _LATENTS),
    Family(
        "flux",
        flux,
        _arguments(guidance_scale=3.5, max_sequence_length=64),
        _LATENTS,
        cfg="none",
        stepped_shape=_TOKENS,
        unpack=unpack_image,
    ),
    Family(
        "flux_cfg",
        lambda: flux(guidance_embeds=False),
        _arguments(true_cfg_scale=4.0, negative_prompt="", max_sequence_length=64),
        _LATENTS,
        cfg="two calls",
        first="conditional",
        scale="true_cfg_scale",
        stepped_shape=_TOKENS,
        unpack=unpack_image,
    ),
    Family(
        "qwen_image",
        qwen_image,
        _arguments(true_cfg_scale=4.0, negative_prompt=" "),
        _LATENTS,
        cfg="two calls",
        first="conditional",
        scale="true_cfg_scale",
        combine=renormalised,
        stepped_shape=_TOKENS,
        unpack=unpack_image,
        padded=False,
    ),
    Family(
        "z_image",
        z_image,
        _arguments(guidance_scale=4.0, max_sequence_length=128),
        _LATENTS,
        first="conditional",
        combine=beyond,
        sign=-1,
        padded=False,
        sample_argument=None,
        lists=True,
    ),
    Family(
        "pixart_alpha",
        lambda: pixart(PixArtAlphaPipeline),
        _arguments(guidance_scale=4.5, use_resolution_binning=False, clean_caption=False),
        _LATENTS,
        sample_argument=None,
    ),
    Family(
        "pixart_sigma",
        lambda: pixart(PixArtSigmaPipeline),
        _arguments(guidance_scale=4.5, use_resolution_binning=False, clean_caption=False),
        _LATENTS,
        sample_argument=None,
    ),
    Family(
        "if",
        deepfloyd_if,
        _arguments(guidance_scale=7.0, clean_caption=False, output_type="pt"),
        (3, 2 * HEIGHT, 2 * WIDTH),
        output_channels=6,
        latents_shape=None,
        denoisers=("unet",),
        sample_argument=None,
    ),
    Family(
        "sana",
        sana,
        _arguments(
            guidance_scale=4.5,
            height=32,
            width=64,
            use_resolution_binning=False,
            clean_caption=False,
            complex_human_instruction=[],
        ),
        (4, 8, 16),
        sample_argument=None,
    ),
    Family(
        "lumina2",
        lumina2,
        _arguments(guidance_scale=4.0, height=64, width=96, system_prompt="Draw", max_sequence_length=64),
        _LATENTS,
        cfg="two calls",
        first="conditional",
        combine=renormalised,
        sign=-1,
    ),
    Family(
        "wan",
        wan,
        _arguments(guidance_scale=5.0, height=32, width=48, num_frames=5, max_sequence_length=64),
        (4, 3, HEIGHT, WIDTH),
        cfg="two calls",
        first="conditional",
    ),
    Family(
        "wan22",
        lambda: wan(two_denoisers=True),
        _arguments(guidance_scale=5.0, height=32, width=48, num_frames=5, max_sequence_length=64),
        (4, 3, HEIGHT, WIDTH),
        cfg="two calls",
        first="conditional",
        denoisers=("transformer", "transformer_2"),
    ),
    Family(
        "stable_cascade",
        stable_cascade,
        _arguments(guidance_scale=4.0, height=336, width=504, output_type="pt"),
        _LATENTS,
        first="conditional",
        denoisers=("prior",),
        sample_argument="sample",
        step_by_keyword=True,
    ),
    Family(
        "flux2",
        flux2,
        _arguments(guidance_scale=4.0, max_sequence_length=128, text_encoder_out_layers=(1, 2)),
        _PATCHES,
        cfg="none",
        stepped_shape=_TOKENS,
        unpack=unpack_patches,
        latents_shape=_PATCHES,
    ),
    Family(
        "flux2_klein",
        flux2_klein,
        _arguments(guidance_scale=4.0, max_sequence_length=128, text_encoder_out_layers=(1, 2)),
        _PATCHES,
        cfg="two calls",
        first="conditional",
        stepped_shape=_TOKENS,
        unpack=unpack_patches,
        latents_shape=_PATCHES,
    ),
    Family(
        "audioldm2",
        audioldm2,
        _sounds(guidance_scale=3.5, audio_length_in_s=0.0041),
        _LATENTS,
        denoisers=("unet",),
        sample_argument=None,
        padded=False,
    ),
    Family(
        "stable_audio",
        stable_audio,
        _sounds(guidance_scale=7.0),
        (4, 24),
        sample_argument=None,
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ROWS}
