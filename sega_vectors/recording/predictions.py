"""The denoiser's predictions for the concepts, beside the pipeline's own calls.

Where a pipeline makes one denoiser call a step with both halves of classifier-free guidance, a row for each concept and
sample is appended to it and taken off again: one call a step, (2 + k) / 2 of a plain run's work (`AppendedRows`).
Elsewhere (a call for each half, no classifier-free guidance, texts whose tokens vary in number) a call of the step is
repeated with the concepts' conditioning in the prompt's place, when the scheduler is about to step (`RepeatedCalls`):
once for all of them where their rows can stand in one call, else once for each. Predictions are copied: a compiled
denoiser writes the next one over them (`mode="reduce-overhead"`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from sega_store import PipelineError
from sega_vectors.pipeline.denoiser import DenoiserCall, hooked, predictions, with_rows
from sega_vectors.recording.conditioning import Conditioning
from sega_vectors.recording.processors import copied, foreign_processors, has_foreign_parts, replaced_processors

_T = TypeVar("_T")
_OUT_OF_MEMORY = MemoryError, torch.OutOfMemoryError


@dataclass(frozen=True)
class StepPredictions:
    """The denoiser's predictions of one step, each of B rows, as the denoiser gives them.

    Attributes:
        base: Without a text: what concepts are compared with.
        concepts: One a concept.
    """

    base: Tensor
    concepts: list[Tensor]


@dataclass(frozen=True)
class _OwnCall:
    """A call of the pipeline's own, and what the denoiser answered for its rows."""

    denoiser: nn.Module
    call: DenoiserCall
    prediction: Tensor


class _Strategy(Protocol):
    """A way to get the concepts' predictions."""

    def grown(self, denoiser: nn.Module, call: DenoiserCall) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments for the first call of a step; None for its own."""

    def shrunk(self, call: DenoiserCall, output: Any) -> Any:
        """What the pipeline gets instead of the output; None for the output as it is."""

    def own(self, calls: Sequence[_OwnCall]) -> list[Tensor]:
        """What the pipeline makes its guidance from: with classifier-free guidance, both halves."""

    def of_step(self, calls: Sequence[_OwnCall]) -> StepPredictions:
        """The predictions of a step, after the pipeline's own calls."""


class Predictions:
    """The hooks on the denoisers for one recorded call.

    Args:
        learn: Makes the conditioning from the pipeline's own first call.
        pipe: The pipeline whose calls are followed; None: whoever calls the denoisers in this thread.
    """

    def __init__(self, learn: Callable[[DenoiserCall], Conditioning], pipe: DiffusionPipeline | None = None) -> None:
        self._pipe, self._learn = pipe, learn
        self._rows = 0
        self._strategy: _Strategy | None = None
        self._calls: list[_OwnCall] = []
        self._denoisers: Sequence[nn.Module] = ()
        self._pending: tuple[nn.Module, DenoiserCall] | None = None
        self._asking = False

    @contextmanager
    def attached(self, denoisers: Sequence[nn.Module]) -> Iterator[None]:
        """Follow these denoisers until the block ends."""
        self._denoisers = denoisers
        with hooked(denoisers, self._before, self._after, self._pipe):
            yield

    def refusal(self, error: Exception) -> PipelineError | None:
        """What to say of an error from within a call that had rows for the concepts; None for other errors, and where
        the call fails without those rows too."""
        if self._pending is None or not isinstance(self._strategy, AppendedRows) or isinstance(error, _OUT_OF_MEMORY):
            return None
        denoiser, call = self._pending
        args, kwargs = call.with_leaves({})
        try:
            with torch.no_grad():
                denoiser(*args, **kwargs)
        except Exception:  # whatever it is, it isn't the rows
            return None
        return PipelineError(
            f"a recorded call has rows for its concepts beside its own {self._rows}, and the denoiser failed on it:"
            f" {error}. If an adapter, hook or processor needs its own number of rows, take it out to record"
        )

    @property
    def own(self) -> list[Tensor]:
        """What the pipeline makes the guidance of this step from, each of B rows.

        Raises:
            PipelineError: There was no call in this step, or one of another kind than in the first.
        """
        return self._of_calls(lambda strategy: strategy.own(self._calls))

    def of_step(self) -> StepPredictions:
        """The predictions of the step whose denoiser calls are done; the next step's calls may follow.

        Raises:
            PipelineError: There was no call, or one of another kind than in the first step.
        """
        self._asking = True
        try:
            return self._of_calls(lambda strategy: strategy.of_step(self._calls))
        finally:
            self._asking = False
            self._calls = []

    def _of_calls(self, answer: Callable[[_Strategy], _T]) -> _T:
        if self._strategy is None:
            raise PipelineError("a recorded run starts with a denoiser call, met none: cannot record it")
        if not self._calls:
            raise PipelineError(
                "each scheduler step must follow a denoiser call like the first step's, met one without: a run that"
                " changes its number of rows, as with classifier-free guidance at some of the steps, can't be recorded"
            )
        return answer(self._strategy)

    def _before(
        self, denoiser: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The pre-hook of the denoiser."""
        if self._asking:
            return None
        call = DenoiserCall.of(args, kwargs)
        if self._strategy is None:
            known = self._learn(call)
            del self._learn  # frees what was watched
            self._rows = known.rows
            foreign = any(map(has_foreign_parts, self._denoisers))
            stacks = known.stackable and not foreign
            appends = stacks and known.unconditional
            self._strategy = AppendedRows(known) if appends else RepeatedCalls(known, stacks)
        if call.rows != self._rows:  # such as skip-layer guidance's
            return None
        self._pending = denoiser, call
        return None if self._calls else self._strategy.grown(denoiser, call)

    def _after(self, output: Any) -> Any:
        """The hook of the denoiser: what the pipeline gets."""
        if self._pending is None or self._strategy is None:
            return None
        (denoiser, call), self._pending = self._pending, None
        result = None if self._calls else self._strategy.shrunk(call, output)
        own = predictions(output).clone() if result is None else predictions(result)
        self._calls.append(_OwnCall(denoiser, call, own))
        return result


class AppendedRows:
    """A row for each concept and sample, appended to the pipeline's own call and taken off its output."""

    def __init__(self, conditioning: Conditioning) -> None:
        self._known = conditioning
        self._appended: list[Tensor] = []

    def grown(self, _denoiser: nn.Module, call: DenoiserCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call with the concepts' rows; what isn't text they share with the unconditional rows."""
        known, concepts = self._known, self._known.concepts

        def grown(place: int, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or leaf.ndim == 0 or leaf.shape[0] != call.rows:
                return leaf
            if place in concepts[0]:
                return torch.cat([leaf, *[_rows(text[place], known.conditional).to(leaf.dtype) for text in concepts]])
            return torch.cat([leaf, *[_rows(leaf, known.unconditional)] * len(concepts)])

        return call.with_leaves({place: grown(place, leaf) for place, leaf in enumerate(call.leaves)})

    def shrunk(self, call: DenoiserCall, output: Any) -> Any:
        """The output without the concepts' rows."""
        prediction = predictions(output)
        self._appended = list(torch.split(prediction[call.rows :].clone(), len(self._known.unconditional)))
        return with_rows(output, prediction.shape[0], lambda rows: rows[: call.rows].clone())  # so the others may go

    def own(self, calls: Sequence[_OwnCall]) -> list[Tensor]:
        """Both halves."""
        return _halves(calls[0], self._known)

    def of_step(self, calls: Sequence[_OwnCall]) -> StepPredictions:
        """The unconditional rows, and the appended ones."""
        appended, self._appended = self._appended, []
        return StepPredictions(_rows(calls[0].prediction, self._known.unconditional), appended)


class RepeatedCalls:
    """A call of the step, made again with the concepts' texts in the prompt's place.

    Args:
        conditioning: Where the texts enter.
        stacks: Whether several texts may share a call; where the denoiser fails on that, they take turns from then on.
    """

    def __init__(self, conditioning: Conditioning, stacks: bool) -> None:
        self._known = conditioning
        self._stacks = stacks
        self._processors: dict[nn.Module, Any] = {}

    def grown(self, denoiser: nn.Module, call: DenoiserCall) -> None:
        """The pipeline's own call."""
        self._processors = copied(foreign_processors(denoiser))

    def shrunk(self, call: DenoiserCall, output: Any) -> None:
        """The output as it is."""

    def own(self, calls: Sequence[_OwnCall]) -> list[Tensor]:
        """The two halves, from one call or two; the one prediction where there is no classifier-free guidance."""
        if self._known.unconditional:
            return _halves(calls[0], self._known)
        return [one.prediction for one in calls[:2]]

    def of_step(self, calls: Sequence[_OwnCall]) -> StepPredictions:
        """The unconditional prediction, the pipeline's own or asked for with the empty text, and the concepts'.

        Raises:
            PipelineError: The pipeline left out classifier-free guidance, which it used at the first step.
        """
        known = self._known
        if known.unconditional:
            return StepPredictions(_rows(calls[0].prediction, known.unconditional), self._ask(calls[0], known.concepts))
        if len(calls) > 1:
            return StepPredictions(calls[-1].prediction, self._ask(calls[-1], known.concepts))
        if known.empty is None:
            raise PipelineError("a run must use classifier-free guidance at every step or at none: cannot record it")
        base, *concepts = self._ask(calls[0], [known.empty, *known.concepts])
        return StepPredictions(base, concepts)

    def _ask(self, one: _OwnCall, texts: Sequence[Mapping[int, Any]]) -> list[Tensor]:
        """The predictions for other texts."""
        if self._stacks:
            try:
                return list(torch.split(self._asked(one, _stacked(one.call, texts)), one.call.rows))
            except Exception:  # memory lacks, or a part of the denoiser wants its own number of rows
                self._stacks = False
        return [_rows(self._asked(one, text), self._known.conditional) for text in texts]

    def _asked(self, one: _OwnCall, leaves: Mapping[int, Any]) -> Tensor:
        """The prediction of the call with other leaves."""
        args, kwargs = one.call.with_leaves(leaves)
        with replaced_processors(copied(self._processors)):
            return predictions(one.denoiser(*args, **kwargs)).clone()


def _stacked(call: DenoiserCall, texts: Sequence[Mapping[int, Any]]) -> dict[int, Tensor]:
    """The leaves of a call that has the rows of another one for each text, whatever else a row says repeated."""
    return {
        place: torch.cat([text.get(place, leaf).to(leaf.dtype) for text in texts])
        for place, leaf in enumerate(call.leaves)
        if isinstance(leaf, Tensor) and leaf.ndim and leaf.shape[0] == call.rows
    }


def _halves(one: _OwnCall, known: Conditioning) -> list[Tensor]:
    return [_rows(one.prediction, known.unconditional), _rows(one.prediction, known.conditional)]


def _rows(tensor: Tensor, rows: tuple[int, ...]) -> Tensor:
    """Some rows, without an index that would have to be uploaded: they are one after the other or evenly spread."""
    if len(rows) == tensor.shape[0]:
        return tensor
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    if rows != tuple(range(rows[0], rows[-1] + 1, step)):
        return torch.stack([tensor[row] for row in rows])
    return tensor[rows[0] : rows[-1] + 1 : step]
