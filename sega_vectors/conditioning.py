"""Where a pipeline's text enters its denoiser, learnt by comparing watched calls with different prompts.

The leaves of the denoiser's arguments that differ between prompts are the text conditioning, whatever they are
called; the rows that differ are the conditional ones, and rows that are the same whatever the prompt are the
unconditional ones. So neither a table of argument names nor the order of the rows has to be known, and what else the
call carries (time ids, ControlNet residuals, image embeddings) stays its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from sega_store import PipelineError
from sega_vectors.denoiser import first_tensor, slice_rows
from sega_vectors.watch import Watched


@dataclass(frozen=True)
class Conditioning:
    """How to ask the denoiser for the concepts' predictions, in the pipeline's own call.

    Attributes:
        rows: Rows of the stock call.
        base: Index of the B rows whose other inputs the appended rows share: the unconditional rows, or the
            conditional ones where the pipeline guides without.
        unconditional: Whether the stock call has unconditional rows. Without them, the rows for the empty prompt are
            appended before the concepts', as the baseline.
        appended: For each conditioning leaf, by its place among the leaves, the values of the appended rows.
    """

    rows: int
    base: Tensor
    unconditional: bool
    appended: dict[int, Tensor]

    @classmethod
    def learn(cls, empty: Watched, concepts: Sequence[Watched], num_samples: int) -> "Conditioning":
        """Compare a call watched with the empty prompt to those watched with the concepts as prompts.

        Raises:
            PipelineError: The prompt reaches the denoiser in no way, or in one that this scheme can't follow.
        """
        differing = torch.zeros(empty.rows, dtype=torch.bool)
        places: list[int] = []
        for place, leaf in enumerate(empty.leaves):
            others = [concept.leaves[place] for concept in concepts]
            if not isinstance(leaf, Tensor) or leaf.ndim == 0 or leaf.shape[0] != empty.rows:
                continue
            if any(other.shape != leaf.shape for other in others):
                raise PipelineError(
                    "the conditioning must have one shape for all prompts, met"
                    f" {tuple(leaf.shape)} and {[tuple(o.shape) for o in others]}: pad prompts to one length"
                )
            changed = torch.stack([(other != leaf).flatten(1).any(1) for other in others]).any(0).cpu()
            if changed.any():
                places.append(place)
                differing |= changed
        conditional = differing.nonzero().flatten()
        unconditional = (~differing).nonzero().flatten()
        if len(conditional) != num_samples or len(unconditional) not in (0, num_samples):
            raise PipelineError(
                f"a denoiser call must hold one conditional row a picture, and one or no unconditional row: met"
                f" {len(conditional)} and {len(unconditional)} for {num_samples} pictures. If the prompt does not reach"
                " the denoiser, check that the text encoder tells prompts apart"
            )
        sources = concepts if len(unconditional) else [empty, *concepts]
        device = first_tensor(empty.leaves).device
        rows = conditional.to(device)
        return cls(
            rows=empty.rows,
            base=(unconditional if len(unconditional) else conditional).to(device),
            unconditional=bool(len(unconditional)),
            appended={p: torch.cat([source.leaves[p].index_select(0, rows) for source in sources]) for p in places},
        )

    @property
    def num_appended(self) -> int:
        """How many rows a denoiser call grows by."""
        return next(iter(self.appended.values())).shape[0]

    def append(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The denoiser's arguments with the rows of the concepts appended."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        copies = self.num_appended // len(self.base)

        def grown(place: int, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or leaf.ndim == 0 or leaf.shape[0] != self.rows:
                return leaf
            if place in self.appended:
                return torch.cat([leaf, self.appended[place].to(leaf.dtype)])
            return torch.cat([leaf, *[leaf.index_select(0, self.base)] * copies])

        result: tuple[tuple[Any, ...], dict[str, Any]] = pytree.tree_unflatten(
            [grown(place, leaf) for place, leaf in enumerate(leaves)], spec
        )
        return result

    def take(self, output: Any) -> tuple[Any, Tensor, list[Tensor]]:
        """Split the denoiser's output.

        Returns:
            The stock call's output; the unconditional prediction, shape (B, C, *S); each concept's, of the same shape.
        """
        prediction = first_tensor(output)
        total = self.rows + self.num_appended
        extra = list(torch.split(prediction[self.rows :], len(self.base)))
        base = prediction.index_select(0, self.base) if self.unconditional else extra.pop(0)
        return slice_rows(output, slice(self.rows), total), base, extra
