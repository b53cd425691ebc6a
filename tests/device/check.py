"""Record and apply families on the stand-in device, in a process of its own: `python -m tests.device.check sd flux`.

It prints what broke a rule, a line each, after the family's name.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from sega_vectors import Applier, Concept, Library, Recorder, SegaGuidance
from tests.device import standin
from tests.device.rules import Rules
from tests.vectors import modular
from tests.vectors.families import FAMILIES

STEPS = 4
CONCEPTS = ("glasses", "hat", "beard", "smile")


def _check(what: str, pipe: Any, run: Callable[[], object]) -> None:
    rules = Rules()
    step = pipe.scheduler.step

    def counted(*args: Any, **kwargs: Any) -> Any:
        out = step(*args, **kwargs)
        rules.step += 1
        return out

    with ExitStack() as stack:
        stack.enter_context(patch.object(pipe.scheduler, "step", counted))
        try:
            with rules:
                run()
        except Exception as fault:
            _say(f"{what}: raised {type(fault).__name__}: {str(fault)[:200]!r}")
    for line in sorted({f"{what}: {b.rule} at {b.place} by {b.operation}" for b in rules.broken(STEPS)}):
        _say(line)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # what was found stays readable where a run is cut off


def _seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _apply(pipe: Any, vectors: Any, noise: Any, call: Any) -> object:
    return Applier(pipe, vectors, noise=noise)(**call)


def classic(name: str) -> None:
    """A family's own pipeline: record 1 and 4 concepts, apply them with the noise and with a generator."""
    family = FAMILIES[name]
    pipe = family.build().to(standin.DEVICE)
    call = {**family.arguments, "num_inference_steps": STEPS}
    for k in (1, 4):
        recorder = Recorder(pipe, [Concept(text, edit_warmup_steps=1) for text in CONCEPTS[:k]])
        _check(f"{name} record {k}", pipe, partial(recorder, **call, generator=_seed()))
        if recorder.vectors:
            vectors, noise = recorder.vectors, recorder.noises[0]
            _check(f"{name} apply {k}", pipe, partial(_apply, pipe, vectors, noise, call))
            _check(
                f"{name} apply {k} seeded", pipe, partial(_apply, pipe, vectors, None, {**call, "generator": _seed()})
            )


def guider(name: str) -> None:
    """A family's modular pipeline with SegaGuidance."""
    pipe = modular.classic(name)
    call = {**FAMILIES[name].arguments, "num_inference_steps": STEPS, "height": 32, "width": 48}
    kept = {key: call[key] for key in ("prompt", "num_inference_steps", "height", "width")}
    for k in (1, 4):
        recorder = Recorder(pipe, [Concept(text, edit_warmup_steps=1) for text in CONCEPTS[:k]])
        recorder(**call, generator=_seed())
        library = Library(tempfile.mkdtemp())
        for vector in recorder.vectors:
            library.add(vector, recorder.noises[0])
        made = modular.assembled(name, pipe)
        made.to(standin.DEVICE)
        made.update_components(guider=SegaGuidance(library, list(library)))
        run = partial(made, **kept, **modular.ARGUMENTS[name], generator=_seed())
        _check(f"{name} guider {k}", made, run)
        pipe.to("cpu")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    standin.load()
    for argument in sys.argv[1:]:
        guider(argument.removeprefix("guider:")) if argument.startswith("guider:") else classic(argument)
    _say("done")
