"""Texts that a pipeline's text encoders cut: each takes a number of tokens, and diffusers drops what comes after."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusers import DiffusionPipeline

from sega_store import InvalidInputError
from sega_vectors.pipeline.turns import tokenizing


@dataclass(frozen=True)
class Cut:
    """What one text encoder doesn't get of a text.

    Attributes:
        tokenizer: The name of its tokenizer among the pipeline's components.
        limit: How many tokens it takes.
        count: How many the text has.
        lost: The end of the text that is dropped.
    """

    tokenizer: str
    limit: int
    count: int
    lost: str

    def __str__(self) -> str:
        return f"{self.tokenizer} takes {self.limit} of {self.count} tokens, {self.lost!r} is lost"


def cuts(pipe: DiffusionPipeline, text: str, arguments: Mapping[str, Any] | None = None) -> list[Cut | None]:
    """What each of the pipeline's tokenizers cuts of a text; None where it takes all of it.

    Args:
        pipe: The pipeline. Its textual inversions are expanded.
        text: The text.
        arguments: The call's; `max_sequence_length` limits it too.
    """
    default = inspect.signature(type(pipe).__call__).parameters.get("max_sequence_length")
    asked = (arguments or {}).get("max_sequence_length") or (default.default if default else None)
    tokenizers = {n: c for n, c in pipe.components.items() if n.startswith("tokenizer") and c is not None}
    with tokenizing(pipe):
        return [_cut(pipe, name, tokenizer, text, asked) for name, tokenizer in tokenizers.items()]


def check_concept(pipe: DiffusionPipeline, text: str) -> None:
    """Check that a text encoder of the pipeline gets the whole concept.

    Raises:
        InvalidInputError: All of them would cut it; the message says what.
    """
    found = cuts(pipe, text)
    if found and all(found):
        raise InvalidInputError(
            f"a concept must fit a text encoder, {text[:40]!r}... fits none: {'; '.join(map(str, found))}. Shorten it"
        )


def _cut(pipe: DiffusionPipeline, name: str, tokenizer: Any, text: str, asked: Any) -> Cut | None:
    if hasattr(pipe, "maybe_convert_prompt"):
        text = pipe.maybe_convert_prompt(text, tokenizer)
    ids = tokenizer(text, truncation=False, verbose=False).input_ids
    limit = min(tokenizer.model_max_length, asked) if isinstance(asked, int) else tokenizer.model_max_length
    if len(ids) <= limit:
        return None
    ends = [i for i in ids[-1:] if i in tokenizer.all_special_ids]
    return Cut(name, limit, len(ids), tokenizer.decode(ids[limit - len(ends) : len(ids) - len(ends)]))
