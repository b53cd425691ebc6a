"""What a denoiser computes before a text enters it: found where it is, and computed once for all rows of a sample."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sega_vectors import Concept, Recorder
from sega_vectors.pipeline.patching import replaced
from sega_vectors.pipeline.stem import Stem
from tests.vectors.tiny import stable_diffusion, stable_diffusion_xl

CALL: dict[str, Any] = {"num_inference_steps": 4, "output_type": "latent"}
CONCEPTS = [Concept("glasses", 4.0, 0.9, 1), Concept("a smile", 6.0, 0.95, 1)]
ONE, TWO = ["a king"], ["a king", "a drawing of a queen"]


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def rows_seen(denoiser: nn.Module, run: Callable[[], object]) -> dict[str, list[int]]:
    """How many rows each layer computes, call by call."""
    seen: dict[str, list[int]] = defaultdict(list)
    layers = {name: m for name, m in denoiser.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}

    def count(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def counted(x: Tensor, *args: Any) -> Any:
            seen[name].append(x.shape[0])
            return forward(x, *args)

        return counted

    for name, layer in layers.items():
        vars(layer)["forward"] = count(name, layer.forward)  # beneath all hooks
    try:
        run()
    finally:
        for layer in layers.values():
            del vars(layer)["forward"]
    return dict(seen)


@pytest.mark.parametrize("prompts", [ONE, TWO])
def test_what_comes_before_the_text_is_computed_once_from_the_second_step_on(prompts: list[str]) -> None:
    pipe, samples = stable_diffusion(), len(prompts)
    seen = rows_seen(pipe.unet, lambda: Recorder(pipe, CONCEPTS)(prompts, **CALL, generator=generators(samples)))
    once, all_rows = [4 * samples, samples, samples, samples], [4 * samples] * 4
    attention = "down_blocks.1.attentions.0"
    block = f"{attention}.transformer_blocks.0"
    before = ["conv_in", "down_blocks.0.resnets.0.conv2", f"{attention}.proj_in", f"{block}.attn2.to_q"]
    after = ["time_embedding.linear_1", f"{block}.attn2.to_k", f"{block}.attn2.to_out.0", "conv_out"]
    assert {layer: seen[layer] for layer in before} == dict.fromkeys(before, once)
    assert {layer: seen[layer] for layer in after} == dict.fromkeys(after, all_rows), "an embedding is too little"


def test_where_the_timestep_embedding_knows_the_text_nothing_is() -> None:
    pipe = stable_diffusion_xl()
    seen = rows_seen(pipe.unet, lambda: Recorder(pipe, CONCEPTS)(ONE, **CALL, generator=generators(1)))
    assert all(rows == [4] * 4 for rows in seen.values())


def test_whoever_looks_at_a_submodule_sees_all_rows() -> None:
    pipe, seen = stable_diffusion(), list[list[int]]()
    pipe.unet.down_blocks[0].register_forward_hook(
        lambda _module, _args, output: seen.append([len(x) for x in (output[0], *output[1])])
    )
    Recorder(pipe, CONCEPTS)(ONE, **CALL, generator=generators(1))
    assert seen == [[4, 4, 4]] * 4


@pytest.mark.parametrize("guide", [True, False])
@pytest.mark.parametrize("prompts", [ONE, TWO])
def test_vectors_and_pictures_are_those_of_all_rows(
    prompts: list[str], guide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = stable_diffusion()

    def record() -> tuple[Tensor, list[Tensor]]:
        recorder = Recorder(pipe, [Concept(c.text, 4.0, 0.9, 1, keep_threshold=0.0) for c in CONCEPTS], guide=guide)
        images = recorder(prompts, **CALL, generator=generators(len(prompts))).images
        return images, [torch.from_numpy(vector.dense()) for vector in recorder.vectors]

    images, vectors = record()
    monkeypatch.setattr(Stem, "begin", lambda self, rows: None)
    expected_images, expected_vectors = record()
    torch.testing.assert_close(images, expected_images, rtol=1e-5, atol=1e-5)
    for vector, expected in zip(vectors, expected_vectors, strict=True):
        torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-5)


class Block(nn.Module):
    """A layer, and what is done before or after it."""

    def __init__(self, change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer(self.change(x))
        return result


class Reader(nn.Module):
    """Where the text enters."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.of_text = nn.Linear(16, 16)
        self.in_place = in_place

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        read: Tensor = self.of_text(text)[:, None]
        return x.add_(read) if self.in_place else x + read


class Denoiser(nn.Module):
    """A block, one that is tried, the text, and the tried one again if it is to be used twice."""

    def __init__(self, tried: nn.Module, twice: bool = False, in_place: bool = False) -> None:
        super().__init__()
        self.first, self.tried, self.reader, self.last = Block(), tried, Reader(in_place), Block()
        self.twice = twice

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        x = self.reader(self.tried(self.first(x)), text)
        result: Tensor = self.last(self.tried(x) if self.twice else x)
        return result


def call(denoiser: Denoiser, samples: int, stem: Stem | None, seed: int) -> Tensor:
    """A call with three texts."""
    generator = torch.Generator().manual_seed(seed)
    x, texts = torch.randn(samples, 3, 16, generator=generator), torch.randn(3 * samples, 16, generator=generator)
    if stem is not None:
        stem.begin(3 * samples)
    with torch.no_grad():
        output: Tensor = denoiser(x.repeat(3, 1, 1), texts)
    if stem is not None:
        stem.end()
    return output


def by_row(x: Tensor) -> Tensor:
    """Another thing for each row, as perturbed-attention guidance does."""
    return x * torch.arange(len(x))[:, None, None]


@pytest.mark.parametrize(
    ("denoiser", "rows"),
    [
        (Denoiser(Block()), [1]),
        (Denoiser(Block(), twice=True), [1, 3]),
        (Denoiser(Block(by_row)), [3]),
        (Denoiser(Block(Tensor.neg_)), [3]),
        (Denoiser(Block(), in_place=True), [3]),
        (Denoiser(nn.Sequential(Block(), nn.SiLU(), Block())), [1]),
        (Denoiser(nn.Linear(16, 16)), [1]),
    ],
    ids=[
        "before the text",
        "also after it",
        "by row",
        "writes into what it is given",
        "is written into",
        "of parts",
        "a single layer",
    ],
)
@pytest.mark.parametrize("samples", [1, 2])
def test_the_stem_is_what_one_row_of_each_sample_is_enough_for(
    denoiser: Denoiser, rows: list[int], samples: int
) -> None:
    seen, forward = list[int](), denoiser.tried.forward

    def counted(x: Tensor) -> Tensor:
        seen.append(len(x))
        output: Tensor = forward(x)
        return output

    expected = [call(denoiser, samples, None, seed) for seed in range(3)]
    stem = Stem(denoiser, samples)
    with replaced(denoiser.tried, "forward", counted):
        outputs = [call(denoiser, samples, stem, seed) for seed in range(3)]
        stem.close()
    torch.testing.assert_close(outputs, expected)
    assert seen == [3 * samples] * len(rows) + [r * samples for r in rows] * 2, "all in the first call"


def test_what_is_compiled_is_left_alone() -> None:
    denoiser = Denoiser(Block())
    denoiser.tried.compile(backend="eager")
    stem = Stem(denoiser, 2)
    stem.begin(6)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in denoiser.modules())


@pytest.mark.parametrize("failing", [1, 2, 5])
def test_nothing_is_left(failing: int) -> None:
    pipe, calls = stable_diffusion(), 0

    def fail(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise RuntimeError("a fault in the middle")

    handle = pipe.unet.mid_block.register_forward_pre_hook(fail)
    try:
        Recorder(pipe, CONCEPTS)(ONE, **CALL, generator=generators(1))
    except RuntimeError:
        assert failing <= 4
    handle.remove()
    modules = list(pipe.unet.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in modules)
