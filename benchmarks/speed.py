"""Recording and applying against a plain run, and against diffusers' own SEGA pipeline."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    SemanticStableDiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from benchmarks.timing import Row, ratio, side_by_side
from sega_vectors import Applier, Concept, Recorder, load_pipeline
from sega_vectors.pipeline.loading import best_device

TEXTS = ["glasses", "hat", "beard", "smile"]


_SIZE = {"height": 256, "width": 256}

Contenders = dict[str, Callable[[], object]]


def contenders(pipe: Any, call: Mapping[str, Any], applied: Sequence[int], recorded: Sequence[int]) -> Contenders:
    """Runs of one pipeline: plain, applying and recording, all from one noise, without decoding."""
    pipe.set_progress_bar_config(disable=True)
    call = {"prompt": "a portrait of a man", "output_type": "latent", **call}
    concepts = [Concept(text, edit_warmup_steps=min(1, call["num_inference_steps"] - 1)) for text in TEXTS]
    recorder = Recorder(pipe, concepts)
    recorder(**call)
    noise = recorder.noises[0]
    latents = torch.from_numpy(noise.array.copy())[None].to(pipe.device, pipe.dtype)

    def apply(count: int) -> Callable[[], object]:
        vectors = (recorder.vectors * count)[:count]
        return lambda: Applier(pipe, vectors, noise=noise)(**call)

    def record(count: int) -> Callable[[], object]:
        return lambda: Recorder(pipe, concepts[:count])(**call, latents=latents)

    def apply_to(calls: int, prompts: int) -> Callable[[], object]:
        """Several calls of several prompts each."""
        applier, given = Applier(pipe, recorder.vectors[:1], noise=noise), [call["prompt"]] * prompts
        return lambda: [applier(**{**call, "prompt": given}) for _ in range(calls)]

    return {
        "plain": lambda: pipe(**call, latents=latents),
        "8 prompts": apply_to(1, 8),
        "8 calls": apply_to(8, 1),
        **{f"apply {count}": apply(count) for count in applied},
        **{f"record {count}": record(count) for count in recorded},
    }


def in_order(contenders: Contenders, names: str) -> Contenders:
    """The contenders that a text names, separated by commas, in its order."""
    return {name: contenders[name] for name in names.split(", ")}


def reference(pipe: Any, call: Mapping[str, Any]) -> Contenders:
    """diffusers' own SEGA pipeline over the components of a Stable Diffusion pipeline."""
    components = {name: part for name, part in pipe.components.items() if name != "image_encoder"}
    sega = SemanticStableDiffusionPipeline(**components, requires_safety_checker=False)
    sega.set_progress_bar_config(disable=True)

    def run(count: int) -> Callable[[], object]:
        return lambda: sega(
            **{"prompt": "a portrait of a man", "output_type": "latent", **call},
            generator=torch.Generator().manual_seed(0),
            editing_prompt=TEXTS[:count],
            edit_guidance_scale=5.0,
            edit_threshold=0.95,
            edit_warmup_steps=1,
        )

    return {f"SEGA {count}": run(count) for count in (1, 4)}


def embedded(rounds: int) -> list[Row]:
    """The embedded model: small, so that a run is bound by the cost of a call rather than of a row.

    With the pipelines' own number of steps, with the 20 that its card recommends, and with few: fixed costs weigh more
    there.
    """
    pipe = load_pipeline("embedded")
    rows = []
    for steps, limit in ((50, 1.03), (20, 1.03), (4, 1.05), (1, 1.05)):
        call, what = {"num_inference_steps": steps}, f"embedded model, {steps} steps"
        every = {**contenders(pipe, call, [1, 16], [1, 4]), **reference(pipe, call)}
        order = (
            "apply 16, plain, apply 1" if steps == 1 else "SEGA 1, record 1, apply 16, apply 1, plain, SEGA 4, record 4"
        )
        seconds = side_by_side(in_order(every, order), rounds)
        rows += [Row(f"{what}: apply {n} / plain run", ratio(seconds, f"apply {n}", "plain"), limit) for n in (1, 16)]
        if steps == 4:
            batches = side_by_side(in_order(every, "8 calls, 8 prompts"), rounds)
            rows.append(
                Row(f"{what}: apply to 8 prompts in a call / in 8", ratio(batches, "8 prompts", "8 calls"), 0.8)
            )
        rows += (
            []
            if steps == 1
            else [
                Row(f"{what}: record {n} / diffusers' SEGA", ratio(seconds, f"record {n}", f"SEGA {n}"), 1.01)
                for n in (1, 4)
            ]
        )
    return rows


def stable_diffusion_1_5(rounds: int, steps: int = 3) -> list[Row]:
    """Stable Diffusion 1.5's UNet and text encoder at their real size, with random weights.

    The cost of applying is far less than a machine's variation in a run of this length, so it takes more rounds.
    """
    pipe, call = _random_stable_diffusion(), {"num_inference_steps": steps}
    every = {**contenders(pipe, call, [1, 4], [1, 4]), **reference(pipe, call)}
    seconds = side_by_side(in_order(every, "apply 1, plain, apply 4"), 2 * rounds)
    rows = [Row(f"SD 1.5's UNet: apply {n} / plain run", ratio(seconds, f"apply {n}", "plain"), 1.02) for n in (1, 4)]
    seconds = side_by_side(in_order(every, "SEGA 1, record 1, plain, apply 4, SEGA 4, record 4"), rounds)
    for n in (1, 4):
        rows += [
            Row(
                f"SD 1.5's UNet: record {n} / ({2 + n}/2 x plain run)",
                ratio(seconds, f"record {n}", "plain") * 2 / (2 + n),
                1.03,
            ),
            Row(f"SD 1.5's UNet: record {n} / diffusers' SEGA", ratio(seconds, f"record {n}", f"SEGA {n}"), 1.01),
        ]
    what = "SD 1.5's UNet: apply 4 / diffusers' SEGA with the 4 concepts"
    return [*rows, Row(what, ratio(seconds, "apply 4", "SEGA 4"), 0.36)]


def stable_diffusion_xl(rounds: int) -> list[Row]:
    """SDXL's UNet at its real size, with random weights, at 256x256; the text encoders have two layers each."""
    return _against_plain("SDXL's UNet", _random_stable_diffusion_xl(), _SIZE, rounds)


def pixart(rounds: int) -> list[Row]:
    """PixArt-α's transformer (DiT-XL/2) at its real size, with random weights, at 256x256; T5 has one layer."""
    call = {**_SIZE, "use_resolution_binning": False, "clean_caption": False}
    return _against_plain("PixArt-α's transformer", _random_pixart(), call, rounds)


def _against_plain(model: str, pipe: Any, call: Mapping[str, Any], rounds: int) -> list[Row]:
    every = contenders(pipe, {"num_inference_steps": 2, **call}, [4], [1])
    # apart and in more rounds, as for Stable Diffusion 1.5
    applying = side_by_side(in_order(every, "plain, apply 4"), 2 * rounds)
    recording = side_by_side(in_order(every, "plain, record 1"), rounds)
    return [
        Row(f"{model}: apply 4 / plain run", ratio(applying, "apply 4", "plain"), 1.02),
        Row(f"{model}: record 1 / (3/2 x plain run)", ratio(recording, "record 1", "plain") * 2 / 3, 1.03),
    ]


def _random_stable_diffusion() -> Any:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, vocab_size=49408
    )
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=[32], norm_num_groups=8),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=_padded_tokenizer(),
        unet=unet.eval(),
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _placed(pipe)


def _random_stable_diffusion_xl() -> Any:
    torch.manual_seed(0)
    widths: list[dict[str, Any]] = [
        {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
        {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "projection_dim": 1280},
    ]
    one, two = (CLIPTextConfig(num_hidden_layers=2, vocab_size=49408, **width) for width in widths)
    pipe = StableDiffusionXLPipeline(
        vae=AutoencoderKL(block_out_channels=[32], norm_num_groups=8),
        text_encoder=CLIPTextModel(one).eval(),
        text_encoder_2=CLIPTextModelWithProjection(two).eval(),
        tokenizer=_padded_tokenizer(),
        tokenizer_2=_padded_tokenizer(),
        unet=UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        ).eval(),
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    return _placed(pipe)


def _random_pixart() -> Any:
    torch.manual_seed(0)
    pipe = PixArtAlphaPipeline(
        tokenizer=_padded_tokenizer(),
        text_encoder=T5EncoderModel(
            T5Config(vocab_size=4096, d_model=4096, d_kv=64, d_ff=1024, num_layers=1, num_heads=64)
        ).eval(),
        vae=AutoencoderKL(block_out_channels=[32], norm_num_groups=8),
        transformer=PixArtTransformer2DModel(sample_size=64, caption_channels=4096).eval(),
        scheduler=DPMSolverMultistepScheduler(),
    )
    return _placed(pipe)


def _placed(pipe: Any) -> Any:
    """The pipeline on the best device, with Stable Diffusion's 8 pixels a latent."""
    pipe.vae_scale_factor = 8
    return pipe.to(best_device(), torch.float16 if torch.cuda.is_available() else torch.float32)


def _padded_tokenizer() -> Any:
    """The embedded model's tokenizer, padding to Stable Diffusion's 77 tokens."""
    tokenizer = load_pipeline("embedded", device="cpu").tokenizer
    tokenizer.model_max_length = 77
    return tokenizer
