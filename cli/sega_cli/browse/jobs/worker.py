"""The process that generates: it loads a model, keeps it for the next order, and works on one order at a time.

It is a process of its own so that pages stay quick, and so that whatever kills it (a full memory, a driver's fault)
kills nothing else. It loads only models that are on this machine, since a model's name may be a stranger's.
"""

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from sega_cli.browse.jobs.messages import Cancel, Doing, Ended, Event, Kept, LivePicture, Made, Note, Start, Step
from sega_cli.browse.jobs.orders import ApplyOrder, RecordOrder
from sega_cli.options import Place
from sega_cli.printing.run_notes import RunNotes

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from torch import Tensor

    from sega_store import GuidanceVector


class CancelledError(Exception):
    """Somebody has cancelled the job."""


def main(connection: "Connection[Any, Any]", library: Place, device: str, dtype: str) -> None:
    """Works on what `Start` asks for until the other end is closed; the arguments are those of `Worker`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the server ends this one
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the Hub's library is imported
    worker = Worker(connection, library, device, dtype)
    try:
        while True:
            message = connection.recv()
            if isinstance(message, Start):
                connection.send(worker.work(message))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class Worker:
    """Works on orders that come by a connection to the server; the other arguments are those of `JobQueue`."""

    def __init__(self, connection: "Connection[Any, Any]", library: Place, device: str, dtype: str) -> None:
        self._connection = connection
        self._library = library
        self._device, self._dtype = device, dtype
        self._model: str | None = None
        self._pipe: DiffusionPipeline | None = None
        self._job = 0

    def work(self, start: Start) -> Ended:
        """Work on an order and tell how it ended, also after an error."""
        from sega_store import SegaError

        self._job = start.job
        try:
            self._send(Doing("starting"))
            if isinstance(start.order, ApplyOrder):
                self._apply(start.order)
            else:
                self._record(start.order)
        except CancelledError:
            return Ended("cancelled")
        except (BrokenPipeError, ConnectionResetError):
            raise
        except (SegaError, OSError) as error:
            return Ended("failed", str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            first = next(iter(str(error).splitlines()), "")
            return Ended(
                "failed",
                f"{type(error).__name__}: {first}\nThe full traceback is in the terminal where sega-vec browse runs.",
            )
        return Ended("done")

    def _apply(self, order: ApplyOrder) -> None:
        from sega_cli.generating.apply_run import ApplyRun
        from sega_cli.generating.call_arguments import call_arguments
        from sega_cli.generating.picture import encode_picture, picture_name
        from sega_cli.generating.setup import recorded_call
        from sega_store import Library

        store = Library(self._library)
        vectors = [store[identity] for identity in order.vectors]
        noise, recorded = store.noise(vectors[0].id), vectors[0].provenance
        pipe = self._pipeline(recorded.model.id)
        arguments = call_arguments(pipe, recorded_call(pipe, recorded.run), order.run)
        notes = RunNotes(lambda text: self._send(Note(text)))
        for index, shot in enumerate(order.shots):
            acting = vectors if shot.factor else []
            edits = _scaled(acting, order.edits, shot.factor)
            with self._followed(pipe, [index]):
                (made,) = ApplyRun(pipe, acting, edits, noise, arguments)([shot.prompt])
            png = encode_picture(made.image, made.facts)
            self._send(Made(index, png, picture_name(made.facts), made.denoiser_rows))
            for vector, found in zip(acting, made.compatibility, strict=True):
                notes.add(
                    sorted(f"{vector.concept.text}: {difference}" for difference in found.differences), shot.prompt
                )
            notes.add(made.notes, f"{shot.prompt}, {shot.caption}")

    def _record(self, order: RecordOrder) -> None:
        from sega_cli.generating import setup
        from sega_cli.generating.call_arguments import call_arguments
        from sega_cli.generating.defaults import defaults_of
        from sega_cli.generating.picture import encode_picture, picture_name
        from sega_cli.generating.record_run import RecordRun
        from sega_store import Library
        from sega_vectors import Recorder

        store = Library(self._library)
        noise = None if order.noise is None else store.noise(order.noise)
        pipe = self._pipeline(order.model)
        arguments = call_arguments(pipe, defaults_of(order.model).run, order.run)
        recorder = Recorder(pipe, order.concepts)
        with self._followed(pipe, [1, 0]):
            start = setup.Start(order.seed, noise)
            (made,) = RecordRun(recorder, store, order.prompt, arguments, before=True, preview=True)([start])
        for index, (image, facts) in enumerate(made.pictures()):
            rows = made.denoiser_rows if index else 0
            self._send(Made(index, encode_picture(image, facts), picture_name(facts), rows))
        RunNotes(lambda text: self._send(Note(text))).add(made.notes, order.prompt)
        self._send(Kept(tuple(made.ids), made.status == "recorded"))

    def _pipeline(self, model: str) -> "DiffusionPipeline":
        """The pipeline of a model, kept until another model is asked for."""
        from sega_cli.generating.setup import open_pipeline
        from sega_cli.printing.report import Report
        from sega_store import PipelineError

        if self._pipe is None or self._model != model:
            self._send(Doing("loading the model"))
            self._model = self._pipe = None
            try:
                self._pipe = open_pipeline(model, self._device, self._dtype, Report(quiet=True))
            except PipelineError as error:
                raise PipelineError(
                    f"{error}\nThe browser uses models that are on this machine only, and downloads none: load it once"
                    " with sega-vec record --model, or download it with the Hub's own command."
                ) from error
            self._model = model
        return self._pipe

    @contextmanager
    def _followed(self, pipe: "DiffusionPipeline", shots: Sequence[int]) -> Iterator[None]:
        """Report each step of the runs within the block; the runs make the shots in this order."""
        from sega_cli.browse.jobs.live_preview import LivePreview
        from sega_vectors.pipeline.scheduler_hooks import followed_steps

        live, coming = LivePreview(pipe), iter(shots)
        shot = -1

        def follow(step: int, count: int, denoised: "Tensor") -> None:
            nonlocal shot
            if step == 0:
                shot = next(coming, shot)
            self._heed()
            self._send(Step(shot, step + 1, count))
            picture = live.encode(denoised) if step + 1 < count else None
            if picture is not None:
                self._send(LivePicture(shot, picture))

        with followed_steps(pipe.scheduler, follow):
            yield

    def _heed(self) -> None:
        """End the job if it has been cancelled."""
        while self._connection.poll():
            message = self._connection.recv()
            if isinstance(message, Cancel) and message.job == self._job:
                raise CancelledError

    def _send(self, event: Event) -> None:
        self._connection.send(event)


def _scaled(
    vectors: "Sequence[GuidanceVector]", edits: Sequence[Mapping[str, Any]], factor: float
) -> list[Mapping[str, Any]]:
    """The edit parameters with the scale of each vector multiplied."""
    if factor == 1:
        return [edit for _, edit in zip(vectors, edits, strict=False)]
    return [
        {**edit, "edit_guidance_scale": factor * edit.get("edit_guidance_scale", vector.concept.edit_guidance_scale)}
        for vector, edit in zip(vectors, edits, strict=False)
    ]
