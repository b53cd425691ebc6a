"""Making a study's pictures: in batches, in several processes if wanted, each kept as soon as it is made.

A picture is a PNG under the key of its run, with a text chunk that holds the run and the ids of the vectors that it
recorded. The vectors are in the library. Both appear whole or not at all, so an interrupted study goes on with what is
missing.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import cache, lru_cache
from io import BytesIO
from itertools import chain
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sega_store import GuidanceVector, InitialNoise, Library, PipelineError, UnknownRefError
from sega_store.analysis.noise_space import nearest, slerp
from sega_store.places.disk import publish
from sega_store.records.algebra import moved
from sega_vectors.applier import Applier
from sega_vectors.judging.trials import draw_noises
from sega_vectors.latents.noise import stacked
from sega_vectors.pipeline.call import check_arguments
from sega_vectors.pipeline.loading import load_pipeline, quiet
from sega_vectors.recorder import Recorder
from sega_vectors.study.derive import WAYS
from sega_vectors.study.runs import Nearest, Noise, Recorded, Run, Source, batches, with_needs

_KEYWORD = "sega_vectors_study"


class Archive:
    """The pictures of a study on disk.

    Attributes:
        folder: Where they are.
        setting: What all runs share; part of every key.
    """

    def __init__(self, folder: Path, setting: Mapping[str, Any]) -> None:
        self.folder = folder
        self.setting = dict(setting)

    def path(self, run: Run) -> Path:
        """Where a run's picture is, or will be."""
        key = run.key(self.setting)
        return self.folder / key[:2] / f"{key}.png"

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """The runs that were not made yet, and the recordings that they need, in the order to make them."""
        return [run for run in with_needs(runs) if not self.path(run).exists()]

    def picture(self, run: Run) -> Image.Image:
        """A run's picture."""
        with Image.open(self.path(run)) as image:
            image.load()
            return image

    def vectors(self, run: Run) -> list[str]:
        """The ids of the vectors that a run recorded, one for each concept."""
        with Image.open(self.path(run)) as image:
            ids: list[str] = json.loads(image.info[_KEYWORD])["vectors"]
            return ids

    def vector(self, recorded: Recorded, library: Library) -> GuidanceVector:
        """The vector of a recording that was made.

        Raises:
            UnknownRefError: It isn't in the library.
        """
        identity = self.vectors(recorded.run)[0]
        try:
            return library[identity]
        except UnknownRefError as error:
            raise UnknownRefError(
                f"the vectors of a study's pictures must be in its library; {library.where} lacks {identity}: name the"
                f" library that the study began with, or delete {self.path(recorded.run)} to record it again"
            ) from error

    def keep(self, run: Run, image: Image.Image, vectors: Sequence[str]) -> None:
        """Write a picture, whole or not at all."""
        facts = {"setting": self.setting, "run": asdict(run), "vectors": list(vectors)}
        chunks = PngInfo()
        chunks.add_text(_KEYWORD, json.dumps(facts))
        buffer = BytesIO()
        image.save(buffer, "PNG", pnginfo=chunks)
        publish(self.path(run), buffer.getvalue())


class Laboratory:
    """Makes runs with one pipeline."""

    def __init__(self, pipe: DiffusionPipeline, archive: Archive, library: Library) -> None:
        self.pipe = pipe
        self.archive = archive
        self.library = library
        self.arguments: dict[str, Any] = dict(archive.setting["arguments"])
        self._recorded = lru_cache(maxsize=512)(lambda recorded: archive.vector(recorded, library))
        self._drawn = lru_cache(maxsize=512)(lambda seed: draw_noises(pipe, [seed], self.arguments)[0])

    def make(self, batch: Sequence[Run]) -> int:
        """Make runs that share a call, and keep them; returns their number."""
        if batch[0].fresh:
            return self._record(batch)
        noises = [self.noise(run.noise) for run in batch]
        applied = {(noise.sha256, use): noise for run, noise in zip(batch, noises, strict=True) for use in run.applied}
        vectors = [self.vector(use.source, noise) for (_, use), noise in applied.items()]
        edits = [dict(use.edits) for _, use in applied]
        columns: dict[str, Any] = {name: [edit.get(name) for edit in edits] for edit in edits for name in edit}
        applier = Applier(self.pipe, vectors, noise=noises, **columns)
        for run, image in zip(batch, self._images(applier, batch), strict=True):
            self.archive.keep(run, image, ())
        return len(batch)

    def _record(self, batch: Sequence[Run]) -> int:
        recorder = Recorder(self.pipe, batch[0].fresh, guide=batch[0].guide)
        if batch[0].noise.stored is None:
            start: dict[str, Any] = {"generator": [torch.Generator().manual_seed(run.noise.seed) for run in batch]}
        else:
            start = {"latents": stacked([self.noise(run.noise) for run in batch])}
        images = self._images(recorder, batch, **start)
        count = len(batch[0].fresh)
        for i, (run, image) in enumerate(zip(batch, images, strict=True)):
            left = slice(i * count, (i + 1) * count)
            pairs = zip(recorder.vectors[left], recorder.noises[left], strict=True)
            self.archive.keep(run, image, [self.library.add(vector, noise) for vector, noise in pairs])
        return len(batch)

    def _images(self, call: Callable[..., Any], batch: Sequence[Run], **start: Any) -> list[Image.Image]:
        result = call(prompt=[run.prompt for run in batch], **self.arguments, **start)
        if not hasattr(result, "images"):
            raise PipelineError(
                f"a study judges pictures, and {type(self.pipe).__name__} gives a"
                f" {type(result).__name__}: take a text-to-image pipeline"
            )
        images: list[Image.Image] = result.images
        return images

    def noise(self, noise: Noise) -> InitialNoise:
        """The noise that a run starts from."""
        drawn = self._drawn(noise.seed)
        return drawn if noise.stored is None else slerp(drawn, self._drawn(noise.stored), noise.share)

    def vector(self, source: Source, noise: InitialNoise) -> GuidanceVector:
        """A vector, moved to a noise that it was not recorded from."""
        if isinstance(source, Nearest):
            stored = [self._drawn(parent.seed) for parent in source.parents]
            source = source.parents[nearest(noise, stored, source.low_pass)]
        if isinstance(source, Recorded):
            vector = self._recorded(source)
        else:
            vector = WAYS[source.how]([self._recorded(parent) for parent in source.parents], source.amount or 0.0)
        return vector if vector.provenance.noise.sha256 == noise.sha256 else moved(vector, noise.facts)


def make_all(
    archive: Archive,
    library: Library,
    runs: Iterable[Run],
    *,
    device: str = "auto",
    batch_size: int = 8,
    jobs: int = 1,
    progress: Callable[[int], object] = lambda made: None,
) -> None:
    """Make all runs that are missing.

    Args:
        archive: Where the pictures go; its setting names the model and its dtype.
        library: Where the vectors go.
        runs: The runs.
        device: As `load_pipeline` takes it.
        batch_size: Pictures per call of the pipeline.
        jobs: Processes; each loads the model, and with several each computes with one thread.
        progress: Called with the number of pictures after each call.

    Raises:
        PipelineError: The model can't be loaded, or a process was ended from outside.
    """
    missing = archive.missing(runs)
    stages = [[run for run in missing if not run.applied], [run for run in missing if run.applied]]
    todo = [batches(stage, batch_size) for stage in stages]
    place = str(library.where), archive.folder, archive.setting, device
    if jobs == 1 or sum(map(len, todo)) < 2:
        laboratory = cache(lambda: _open(*place))  # only if there is something to make
        for batch in chain(*todo):
            progress(laboratory().make(batch))
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, place) as pool:
        for stage in todo:  # vectors are recorded before they are applied
            futures = [pool.submit(_make, batch) for batch in stage]
            try:
                for future in as_completed(futures):
                    progress(future.result())
            except BrokenProcessPool as error:
                raise PipelineError(
                    f"each of the {jobs} jobs holds a model and {batch_size} pictures a call in memory, and one of"
                    " them was ended from outside: ask for fewer jobs or a smaller batch; what was made is kept"
                ) from error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _open(library: str, folder: Path, setting: Mapping[str, Any], device: str) -> Laboratory:
    pipe = load_pipeline(setting["model"], device, setting["dtype"])
    check_arguments(pipe, setting["arguments"])
    pipe.set_progress_bar_config(disable=True)
    return Laboratory(pipe, Archive(folder, setting), Library(library))


# A worker's. Its first task opens it, since errors of that reach the parent, and errors of the worker's start don't.
_laboratory: Callable[[], Laboratory]


def _start_worker(*place: Any) -> None:
    global _laboratory
    _laboratory = cache(lambda: _open(*place))
    Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    quiet()


def _end_with_parent() -> None:
    """End with the parent: otherwise a pool's workers outlive a parent that is killed, and wait for ever."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make(batch: Sequence[Run]) -> int:
    return _laboratory().make(batch)
