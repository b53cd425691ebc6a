"""`python -m benchmarks.schedules`: whether vectors transfer to other schedules; the table of docs/families.md.

Glasses are recorded with 50 steps of DDIM on one prompt of the embedded model, and applied at the same noise to another
prompt, half of them in another medium and half with another hair colour, with other samplers and numbers of steps.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

from sega_cli.generating.defaults import defaults_of
from sega_vectors import Applier, Concept, Recorder, load_pipeline
from sega_vectors.judging.embedded_judge import Judge, read_attributes
from sega_vectors.judging.rates import wilson

PAIRS, BATCH, FIRST_SEED = 64, 8, 90_000
RECORDED = (DDIMScheduler, 50)
APPLIED: list[tuple[Any, int]] = [
    (DDIMScheduler, 50),
    (DDIMScheduler, 20),
    (DDIMScheduler, 25),
    (DDIMScheduler, 30),
    (DDIMScheduler, 100),
    (DPMSolverMultistepScheduler, 50),
    (DPMSolverMultistepScheduler, 20),
    (EulerDiscreteScheduler, 50),
    (EulerDiscreteScheduler, 20),
    (UniPCMultistepScheduler, 20),
    (DEISMultistepScheduler, 20),
    (HeunDiscreteScheduler, 20),
]


def pairs() -> list[tuple[str, str]]:
    """Source and target prompts."""
    known = read_attributes()
    media, colours = known["medium"], known["hair colour"]

    def prompt(medium: int, colour: int) -> str:
        return f"a {media[medium % len(media)]} of a person with {colours[colour % len(colours)]}"

    return [(prompt(i // 2, i // 10), prompt(i // 2 + (i % 2 == 0), i // 10 + i % 2)) for i in range(PAIRS)]


def shown(judge: Judge, make: Callable[[slice], Sequence[Any]]) -> int:
    """How many of all pictures show glasses."""
    parts = [slice(start, start + BATCH) for start in range(0, PAIRS, BATCH)]
    return sum(int((judge(list(make(part)))["glasses"] > 0.5).sum()) for part in parts)


def main() -> None:
    """Print the table."""
    pipe, judge = load_pipeline("embedded"), Judge.load()
    pipe.set_progress_bar_config(disable=True)
    defaults = defaults_of("embedded")
    edit = {**defaults.edit, "edit_warmup_steps": 5}  # a tenth of the steps, as the default's 2 of 20
    call = {**defaults.run}
    sources, targets = zip(*pairs(), strict=True)
    vectors, noises = [], []

    def sample_with(scheduler: Any, steps: int) -> None:
        pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
        call["num_inference_steps"] = steps

    def generators(part: slice) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(FIRST_SEED + i) for i in range(PAIRS)[part]]

    sample_with(*RECORDED)
    for start in range(0, PAIRS, BATCH):
        recorder = Recorder(pipe, [Concept("glasses", **edit)])
        part = slice(start, start + BATCH)
        recorder(prompt=list(sources[part]), **call, generator=generators(part))
        vectors += recorder.vectors
        noises += recorder.noises

    def plain(part: slice) -> Sequence[Any]:
        return pipe(prompt=list(targets[part]), **call, generator=generators(part)).images  # type: ignore[no-any-return]

    def applied(part: slice) -> Sequence[Any]:
        applier = Applier(pipe, vectors[part], noise=noises[part], edit_guidance_scale=defaults.apply_scale)
        return applier(prompt=list(targets[part]), **call).images  # type: ignore[no-any-return]

    print("| applied with | steps | show glasses | of the same schedule's |\n|---|---|---|---|")
    same = 0
    for scheduler, steps in APPLIED:
        sample_with(scheduler, steps)
        if not same:
            print(f"| DDIM, without the vector | {steps} | {shown(judge, plain) / PAIRS:.2f} | |")
        with_it = shown(judge, applied)
        same = same or with_it
        low, high = wilson(with_it, PAIRS)
        print(
            f"| {scheduler.__name__.removesuffix('Scheduler')} | {steps} |"
            f" {with_it / PAIRS:.2f} [{low:.2f}, {high:.2f}] | {with_it / same:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
