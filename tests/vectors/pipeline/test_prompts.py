"""Texts that a text encoder cuts."""

from typing import Any

import pytest
from diffusers import StableDiffusionPipeline

from sega_vectors import InvalidInputError
from sega_vectors.pipeline.prompts import check_concept, cuts
from tests.vectors.tiny import stable_diffusion, stable_diffusion_xl


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_what_fits_passes_and_what_is_cut_is_said(make: Any) -> None:
    pipe = make()
    assert not any(cuts(pipe, "x" * 30))
    check_concept(pipe, "x" * 30)
    cut = cuts(pipe, "x" * 30 + "yzz")[0]
    assert cut is not None
    assert (cut.tokenizer, cut.limit, cut.count, cut.lost) == ("tokenizer", 32, 35, "yzz")
    with pytest.raises(InvalidInputError, match=r"fits none: tokenizer takes 32 of 35 tokens, 'yzz' is lost.*Shorten"):
        check_concept(pipe, "x" * 30 + "yzz")


def test_a_concept_that_one_encoder_takes_whole_is_fine() -> None:
    pipe = stable_diffusion_xl()
    longer = type(pipe.tokenizer).from_pretrained(pipe.tokenizer.name_or_path)
    longer.model_max_length = 77
    pipe.tokenizer_2 = longer
    assert [cut and cut.tokenizer for cut in cuts(pipe, "x" * 40)] == ["tokenizer", None]
    check_concept(pipe, "x" * 40)


def test_a_textual_inversion_counts_its_tokens_after_expansion() -> None:
    pipe = stable_diffusion()
    tokens = ["<style>", *(f"<style>_{i}" for i in range(1, 40))]
    pipe.tokenizer = type(pipe.tokenizer).from_pretrained(pipe.tokenizer.name_or_path)
    pipe.tokenizer.add_tokens(tokens)
    cut = cuts(pipe, "a <style>")[0]
    assert cut is not None
    assert cut.count == 2 + 1 + 40
    with pytest.raises(InvalidInputError, match="fits none"):
        check_concept(pipe, "a <style>")
    assert not any(cuts(pipe, "a man"))


class Shorter(StableDiffusionPipeline):  # type: ignore[misc]
    def __call__(self, prompt: str, max_sequence_length: int = 16) -> None:
        """Takes fewer tokens than its tokenizer."""


@pytest.mark.parametrize(
    ("pipeline", "arguments", "limit"),
    [
        (StableDiffusionPipeline, None, 32),
        (StableDiffusionPipeline, {"max_sequence_length": 20}, 20),
        (StableDiffusionPipeline, {"max_sequence_length": 64}, 32),
        (Shorter, None, 16),
        (Shorter, {"max_sequence_length": None}, 16),
        (Shorter, {"max_sequence_length": 20}, 20),
    ],
)
def test_a_call_may_take_fewer_tokens_than_the_tokenizer(pipeline: Any, arguments: Any, limit: int) -> None:
    pipe = stable_diffusion(pipeline=pipeline)
    assert cuts(pipe, "x" * (limit - 2), arguments) == [None]
    (cut,) = cuts(pipe, "x" * (limit - 1) + "y", arguments)
    assert cut is not None
    assert (cut.limit, cut.count, cut.lost) == (limit, limit + 2, "xy")


def test_a_special_token_of_the_text_itself_is_lost_too() -> None:
    (cut,) = cuts(stable_diffusion(), "x" * 31 + "<|endoftext|>")
    assert cut is not None
    assert (cut.count, cut.lost.split()) == (34, ["x", "<|endoftext|>"])
