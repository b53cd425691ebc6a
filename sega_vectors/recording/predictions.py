"""Asking the denoiser for the concepts' predictions, beside the pipeline's own calls.

Where a pipeline makes one denoiser call a step with both halves of classifier-free guidance, a row for each concept and
sample is appended to it and taken off again: one call a step, at most (2 + k) / 2 of a plain run's work, since what
comes before the text is computed once for all rows. Elsewhere (a call for each half, no classifier-free guidance, texts
whose tokens vary in number) the pipeline's last call of a step is repeated with each concept's conditioning in the
prompt's place, when the scheduler is about to step.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sega_store import PipelineError
from sega_vectors.pipeline.denoiser import DenoiserCall, hooked, predictions, with_rows
from sega_vectors.pipeline.stem import Stem
from sega_vectors.recording.conditioning import Conditioning


@dataclass(frozen=True)
class Asked:
    """The denoiser's predictions of one step, each of B rows, as the denoiser gives them.

    Attributes:
        base: Without a text, what concepts are compared with.
        concepts: One a concept.
        own: What the pipeline makes its guidance from: with classifier-free guidance, both halves.
    """

    base: Tensor
    concepts: list[Tensor]
    own: list[Tensor]


class Asking:
    """The hooks on the denoiser for one recorded call.

    Args:
        learn: Makes the conditioning from the pipeline's own first call.
    """

    def __init__(self, learn: Callable[[DenoiserCall], Conditioning]) -> None:
        self._learn: Callable[[DenoiserCall], Conditioning] | None = learn
        self._conditioning: Conditioning | None = None
        self._calls: list[tuple[nn.Module, DenoiserCall, Tensor]] = []
        self._pending: tuple[nn.Module, DenoiserCall] | None = None
        self._appended: list[Tensor] = []
        self._asking = False
        self._stems: dict[nn.Module, Stem] = {}

    @contextmanager
    def attached(self, denoisers: Sequence[nn.Module]) -> Iterator[None]:
        """Ask these denoisers until the block ends."""
        try:
            with hooked(denoisers, self._before, self._after):
                yield
        finally:
            for stem in self._stems.values():
                stem.close()

    def _before(
        self, denoiser: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The pre-hook of the denoiser."""
        if self._asking:
            return None
        call = DenoiserCall.of(args, kwargs)
        if self._learn is not None:
            self._conditioning, self._learn = self._learn(call), None  # what was watched may go
        if call.rows != self._known.rows:  # such as skip-layer guidance's
            return None
        self._pending = denoiser, call
        if not self._appends or self._calls:
            return None
        if self._known.grouped:
            if denoiser not in self._stems:
                self._stems[denoiser] = Stem(denoiser, len(self._known.unconditional))
            self._stems[denoiser].begin(call.rows + len(self._known.concepts) * len(self._known.unconditional))
        return self._grown(call)

    def _after(self, output: Any) -> Any:
        """The hook of the denoiser: what the pipeline gets."""
        if self._pending is None:
            return None
        (denoiser, call), self._pending = self._pending, None
        prediction = predictions(output)
        result = None
        if self._appends and not self._calls:
            if denoiser in self._stems:
                self._stems[denoiser].end()
            total = prediction.shape[0]
            self._appended = list(torch.split(prediction[call.rows :], len(self._known.unconditional)))
            result = with_rows(output, total, lambda rows: rows[: call.rows].clone())  # so that the others may go
            prediction = prediction[: call.rows]
        self._calls.append((denoiser, call, prediction))
        return result

    def take(self) -> Asked:
        """The predictions of the step whose denoiser calls are done.

        Raises:
            PipelineError: There was no call, or one of another kind than in the first step.
        """
        if not self._calls:
            raise PipelineError(
                "each scheduler step must follow a denoiser call like the first step's, met one without: a run that"
                " changes its number of rows, as with classifier-free guidance at some of the steps, can't be recorded"
            )
        known, calls, appended = self._known, self._calls, self._appended
        self._calls, self._appended = [], []
        denoiser, call, prediction = calls[-1]
        if known.unconditional:
            denoiser, call, prediction = calls[0]
            base, own = self._rows(prediction, known.unconditional), self._rows(prediction, known.conditional)
            return Asked(base, appended or self._ask_all(denoiser, call), [base, own])
        if len(calls) > 1:
            return Asked(prediction, self._ask_all(denoiser, call), [p for _, _, p in calls[:2]])
        if known.empty is None:
            raise PipelineError("a run must use classifier-free guidance at every step or at none: cannot record it")
        return Asked(self._ask(denoiser, call, known.empty), self._ask_all(denoiser, call), [prediction])

    @property
    def _known(self) -> Conditioning:
        if self._conditioning is None:
            raise PipelineError("a recorded run starts with a denoiser call, met none: cannot record it")
        return self._conditioning

    @property
    def _appends(self) -> bool:
        return self._known.stackable and bool(self._known.unconditional)

    def _grown(self, call: DenoiserCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call with the concepts' rows appended; what isn't text they share with the unconditional rows."""
        known, concepts = self._known, self._known.concepts

        def grown(place: int, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or leaf.ndim == 0 or leaf.shape[0] != call.rows:
                return leaf
            if place in concepts[0]:
                return torch.cat(
                    [leaf, *[self._rows(text[place], known.conditional).to(leaf.dtype) for text in concepts]]
                )
            return torch.cat([leaf, *[self._rows(leaf, known.unconditional)] * len(concepts)])

        return call.with_leaves({place: grown(place, leaf) for place, leaf in enumerate(call.leaves)})

    def _ask_all(self, denoiser: nn.Module, call: DenoiserCall) -> list[Tensor]:
        return [self._ask(denoiser, call, text) for text in self._known.concepts]

    def _ask(self, denoiser: nn.Module, call: DenoiserCall, text: Mapping[int, Any]) -> Tensor:
        """The prediction for another text, by a call of its own."""
        args, kwargs = call.with_leaves(text)
        self._asking = True
        try:
            return self._rows(predictions(denoiser(*args, **kwargs)), self._known.conditional)
        finally:
            self._asking = False

    def _rows(self, tensor: Tensor, rows: tuple[int, ...]) -> Tensor:
        """Some rows, without an index that would have to be uploaded: they are one after the other or evenly spread."""
        if len(rows) == tensor.shape[0]:
            return tensor
        step = rows[1] - rows[0] if len(rows) > 1 else 1
        if rows != tuple(range(rows[0], rows[-1] + 1, step)):
            return torch.stack([tensor[row] for row in rows])
        return tensor[rows[0] : rows[-1] + 1 : step]
