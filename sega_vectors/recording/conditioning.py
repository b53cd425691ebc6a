"""Where a pipeline's text enters its denoiser, learnt by comparing calls with different prompts.

The leaves of the denoiser's arguments that differ between prompts are the text conditioning, whatever they are
called; the rows that differ are the conditional ones, and rows that are the same whatever the prompt are the
unconditional ones. So neither a table of argument names nor the order of the rows has to be known, and what else the
call carries (time ids, image embeddings) stays its own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sega_store import PipelineError
from sega_vectors.pipeline.denoiser import DenoiserCall

_SAME_ROW = 1e-3  # relative; unconditional rows may be padded to another length, and so be rounded otherwise


@dataclass(frozen=True)
class Conditioning:
    """How the text of a pipeline reaches its denoiser.

    Attributes:
        rows: Rows of the pipeline's own call.
        conditional: The B rows that know the prompt.
        unconditional: The B rows that don't; empty if the call has none.
        concepts: For each concept, the leaves that carry its text, by their place in the call.
        empty: The same for the empty text, where it was watched.
        stackable: Whether the rows of a text can stand beside the pipeline's own in one call.
    """

    rows: int
    conditional: tuple[int, ...]
    unconditional: tuple[int, ...]
    concepts: tuple[Mapping[int, Any], ...]
    empty: Mapping[int, Any] | None
    stackable: bool

    @classmethod
    def learn(
        cls,
        own: DenoiserCall,
        concepts: Sequence[DenoiserCall],
        empty: DenoiserCall | None,
        num_samples: int,
        not_text: Collection[int] = (),
    ) -> "Conditioning":
        """Compare a call with those watched with other texts as prompts.

        Args:
            own: The pipeline's own first call.
            concepts: Calls watched with each concept as the prompt.
            empty: The call watched with the empty prompt, if it was.
            num_samples: B.
            not_text: Places of leaves that differ for another reason than the text.

        Raises:
            PipelineError: The prompt doesn't reach the denoiser, or reaches it in a way that this scheme can't follow.
        """
        others = [*concepts] if empty is None else [empty, *concepts]
        if any(len(other.leaves) != len(own.leaves) for other in others):
            raise PipelineError(
                "the denoiser's arguments must have one structure for all prompts, met"
                f" {[len(call.leaves) for call in (own, *others)]} leaves: record prompt and concepts one at a time"
            )
        places = [
            place
            for place, leaf in enumerate(own.leaves)
            if place not in not_text and any(_differ(leaf, other.leaves[place]) for other in others)
        ]
        rows = own.rows
        if rows == num_samples:
            conditional = set(range(rows))
        else:
            by_place = [set().union(*(_differing_rows(own, other, place) for other in others)) for place in places]
            conditional = set[int]().union(*by_place)
            # a leaf may know the prompt's length in every row, as AudioLDM 2's does
            if len(conditional) != num_samples:
                conditional = conditional.intersection(*filter(None, by_place))
        unconditional = tuple(row for row in range(rows) if row not in conditional)
        if not places or len(conditional) != num_samples or len(unconditional) not in (0, num_samples):
            raise PipelineError(
                f"a denoiser call must hold one conditional row a picture, and one or no unconditional row: met"
                f" {len(conditional) if places else 0} and {len(unconditional)} for {num_samples} pictures. If the"
                " prompt does not reach the denoiser, check that the text encoder tells prompts apart"
            )
        return cls(
            rows=rows,
            conditional=tuple(sorted(conditional)),
            unconditional=unconditional,
            concepts=tuple({place: concept.leaves[place] for place in places} for concept in concepts),
            empty=None if empty is None else {place: empty.leaves[place] for place in places},
            stackable=not own.listed
            and all(_same_rows(own.leaves[p], other.leaves[p], rows) for other in others for p in places),
        )

    @property
    def grouped(self) -> bool:
        """Whether the rows of each kind are one after the other."""
        kinds = self.conditional, self.unconditional
        return all(rows == tuple(range(rows[0], rows[0] + len(rows))) for rows in kinds if rows)


def differing_leaves(one: DenoiserCall, other: DenoiserCall) -> set[int]:
    """The places of the leaves that differ between two calls."""
    return {p for p, (a, b) in enumerate(zip(one.leaves, other.leaves, strict=True)) if _differ(a, b)}


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape != other.shape or not torch.equal(one, other)
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return True
    plain = bool | int | float | str | None
    return isinstance(one, plain) and isinstance(other, plain) and one != other


def _same_rows(one: Any, other: Any, rows: int) -> bool:
    both = isinstance(one, Tensor) and isinstance(other, Tensor)
    return both and one.ndim > 0 and one.shape == other.shape and one.shape[0] == rows


def _differing_rows(own: DenoiserCall, other: DenoiserCall, place: int) -> set[int]:
    one, two = own.leaves[place], other.leaves[place]
    if own.listed:
        row = own.row_of(place)
        return set() if row is None else {row}
    if not isinstance(one, Tensor) or not isinstance(two, Tensor) or one.shape[:1] != two.shape[:1]:
        return set()
    if one.ndim == 0 or one.shape[0] != own.rows or one.ndim != two.ndim:
        return set()
    common = tuple(slice(min(a, b)) for a, b in zip(one.shape, two.shape, strict=True))
    one, two = (leaf[common].reshape(own.rows, -1).cpu().double() for leaf in (one, two))
    scale = torch.maximum(one.abs().amax(1), two.abs().amax(1))
    return set(((one - two).abs().amax(1) > _SAME_ROW * scale).nonzero().flatten().tolist())
