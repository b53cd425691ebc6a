"""The denoisers of a pipeline, and calls of them by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor, nn

from sega_store import PipelineError
from sega_vectors.pipeline.denoiser import (
    DenoiserCall,
    execution_device,
    find_denoiser,
    find_denoisers,
    hooked,
    predictions,
    with_rows,
)
from tests.vectors.tiny import stable_diffusion

SAMPLE, TEXT = torch.zeros(2, 4, 3, 3), torch.ones(2, 5, 6)


def pipeline(**components: Any) -> Any:
    """Something with the components of a pipeline."""
    return SimpleNamespace(components=components, **components)


class Doubling(nn.Module):
    """Twice its input, and what is added."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, sample: Tensor, added: float = 0.0) -> tuple[Tensor]:
        return (self.weight.detach() * sample + added,)


def test_denoisers_are_found_by_their_names_in_the_order_of_use() -> None:
    high, low = Doubling(), Doubling()
    assert find_denoisers(pipeline(vae=Doubling(), transformer_2=low, transformer=high)) == [high, low]
    assert find_denoiser(pipeline(transformer_2=low, transformer=high)) is high
    assert find_denoisers(pipeline(transformer=low, transformer_2=None)) == [low]
    pipe = stable_diffusion()
    assert find_denoisers(pipe) == [pipe.unet]


def test_without_a_denoiser_or_its_weights_a_pipeline_is_refused() -> None:
    with pytest.raises(PipelineError, match=r"named unet, transformer, .* has text_encoder, vae: use a pipeline"):
        find_denoisers(pipeline(vae=Doubling(), text_encoder=Doubling()))
    with pytest.raises(PipelineError, match=r"met some on the meta device: use enable_model_cpu_offload"):
        find_denoisers(pipeline(unet=Doubling().to("meta")))


def test_it_runs_where_it_is_or_where_offloading_brings_it() -> None:
    denoiser = Doubling()
    assert execution_device(denoiser) == torch.device("cpu")
    denoiser._hf_hook = SimpleNamespace(execution_device="cuda:1")  # type: ignore[assignment]
    assert execution_device(denoiser) == torch.device("cuda:1")
    denoiser._hf_hook = SimpleNamespace(execution_device=None)  # type: ignore[assignment]
    assert execution_device(denoiser) == torch.device("cpu")


def test_a_call_is_taken_apart_and_put_together() -> None:
    call = DenoiserCall.of((SAMPLE, 7), {"texts": [TEXT, None], "scale": 0.5})
    assert [type(leaf) for leaf in call.leaves] == [Tensor, int, Tensor, type(None), float]
    assert (call.rows, call.listed) == (2, False)
    assert call.samples is SAMPLE
    assert [call.row_of(place) for place in range(5)] == [None] * 5
    args, kwargs = call.with_leaves({1: 9, 4: 0.25})
    assert args[0] is SAMPLE
    assert kwargs["texts"][0] is TEXT
    assert (args[1], kwargs["texts"][1], kwargs["scale"]) == (9, None, 0.25)
    assert call.leaves[1] == 7, "the call itself stays"


def test_the_sample_may_be_given_by_its_name() -> None:
    assert DenoiserCall.of((), {"hidden_states": SAMPLE, "timestep": 7}).sample is SAMPLE


def test_rows_of_lists_are_their_elements() -> None:
    one, two = torch.zeros(4, 3, 3), torch.ones(4, 3, 3)
    call = DenoiserCall.of(([one, two],), {"texts": [TEXT[0], TEXT[1]], "scale": 0.5})
    assert (call.rows, call.listed) == (2, True)
    assert call.samples.tolist() == torch.stack([one, two]).tolist()
    assert [call.row_of(place) for place in range(5)] == [0, 1, 0, 1, None]


def test_leaves_beside_the_lists_of_rows_are_of_no_single_row() -> None:
    one, two = torch.zeros(4, 3, 3), torch.ones(4, 3, 3)
    call = DenoiserCall.of(([one, two], torch.tensor([7, 7])), {"sizes": [1, 2, 3]})
    assert [call.row_of(place) for place in range(6)] == [0, 1, None, None, None, None]


@pytest.mark.parametrize(
    "output", [SAMPLE, (SAMPLE,), [SAMPLE], UNet2DConditionOutput(sample=SAMPLE), ([SAMPLE[0], SAMPLE[1]],)]
)
def test_predictions_are_rows_whatever_holds_them(output: Any) -> None:
    assert predictions(output).tolist() == SAMPLE.tolist()


def test_only_tensors_of_as_many_rows_are_changed() -> None:
    kept = torch.zeros(3, 2)
    tree = (SAMPLE, [TEXT, kept, torch.tensor(2.0)], {"a": TEXT, "b": "two"}, UNet2DConditionOutput(sample=SAMPLE), 2)
    changed = with_rows(tree, 2, lambda rows: rows[:1])
    assert changed[0].shape == (1, 4, 3, 3)
    assert [part.shape for part in changed[1]] == [(1, 5, 6), (3, 2), ()]
    assert changed[1][1] is kept
    assert (changed[2]["a"].shape, changed[2]["b"], changed[4]) == ((1, 5, 6), "two", 2)
    assert isinstance(changed[3], UNet2DConditionOutput)
    assert changed[3].sample.shape == (1, 4, 3, 3)
    assert SAMPLE.shape[0] == 2, "what was given stays"


@pytest.mark.parametrize("compiled", [False, True])
def test_hooks_see_and_change_arguments_and_output_until_the_block_ends(compiled: bool) -> None:
    denoiser, sample = Doubling(), torch.ones(1)
    if compiled:
        denoiser.compile(backend="eager")
    seen: list[tuple[Any, ...]] = []

    def before(module: nn.Module, args: Any, kwargs: Any) -> Any:
        seen.append((module, *args, *kwargs.values()))
        return (args[0] + 1,), {"added": 10.0}

    def after(output: Any) -> Any:
        seen.append(output)
        return (-output[0],)

    assert denoiser(sample, added=3.0)[0].item() == 5
    with hooked([denoiser], before, after):
        assert denoiser(sample, added=3.0)[0].item() == -14
    assert seen == [(denoiser, sample, 3.0), (torch.tensor([14.0]),)]
    assert denoiser(sample, added=3.0)[0].item() == 5


@pytest.mark.parametrize("compiled", [False, True])
def test_hooks_that_return_nothing_change_nothing(compiled: bool) -> None:
    denoiser, calls = Doubling(), list[str]()
    if compiled:
        denoiser.compile(backend="eager")
    with hooked([denoiser], lambda *_: calls.append("before"), lambda _: calls.append("after")):
        assert denoiser(torch.ones(1))[0].item() == 2
    with hooked([denoiser], lambda *_: None):
        assert denoiser(torch.ones(1))[0].item() == 2
    assert calls == ["before", "after"]


def test_a_fault_leaves_no_hook() -> None:
    denoiser = Doubling()
    with pytest.raises(RuntimeError, match="in the middle"), hooked([denoiser], lambda *_: None, lambda _: None):
        raise RuntimeError("in the middle")
    assert not denoiser._forward_pre_hooks
    assert not denoiser._forward_hooks
