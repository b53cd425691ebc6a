"""Tryouts: a vector is applied to prompts, and a judge says how often its concept appears."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from sega_cli.generating.call_arguments import call_arguments
from sega_cli.generating.defaults import defaults_of
from sega_cli.generating.setup import model_name, open_pipeline, recorded_call, recorded_model
from sega_cli.options import Text, grouped
from sega_cli.printing.report import Report

if TYPE_CHECKING:
    from sega_store import GuidanceVector, InitialNoise
    from sega_vectors.judging.trials import Trials

# `--to-prompt` and `--judge` as the mapping `tryout`.
tryout_options = grouped(
    "tryout",
    click.option("--to-prompt", type=Text(), multiple=True, help="A prompt to try on.  [default: some for embedded]"),
    click.option("--judge", help="'embedded', or clip:MODEL.  [default: embedded for the embedded model]"),
)


@dataclass(frozen=True)
class Tryout:
    """The model, judge and prompts that a vector is tried with; the judge is None if there is none for the model."""

    model: str
    judge: str | None
    prompts: Sequence[str]

    @classmethod
    def of(
        cls, vector: "GuidanceVector", model: str | None, to_prompt: Sequence[str] = (), judge: str | None = None
    ) -> "Tryout":
        """From the command line, or else the model's defaults, of which the recording's own prompt is left out."""
        recorded = vector.provenance
        model = model_name(model or recorded.model.id)
        defaults = defaults_of(model)
        prompts = to_prompt or [prompt for prompt in defaults.prompts if prompt != recorded.run.prompt]
        return cls(model, judge or defaults.judge, prompts)

    def open(
        self,
        vector: "GuidanceVector",
        noise: "InitialNoise",
        device: str,
        dtype: str,
        report: Report,
        *,
        fetch: bool,
    ) -> "Trials":
        """Load the judge and the model.

        Args:
            vector: The vector to try, in calls like that of its recording.
            noise: The noise to start from.
            device: Where the model runs.
            dtype: The model's dtype.
            report: Says whether to draw progress bars.
            fetch: Whether the model may be fetched from the Hub without asking.
        """
        if self.judge is None or not self.prompts:
            raise click.UsageError(
                f"only the embedded model has a judge and prompts of its own, met {self.model}: give --judge clip:MODEL"
                " and --to-prompt."
            )
        recorded_model(self.model, fetch)
        from sega_vectors.judging.judges import load_judge
        from sega_vectors.judging.trials import Trials

        judge = load_judge(self.judge, [vector.concept.text], device)
        pipe = open_pipeline(self.model, device, dtype, report)
        pipe.set_progress_bar_config(disable=True)  # one bar for all runs
        arguments = call_arguments(pipe, recorded_call(pipe, vector.provenance.run), {})
        return Trials(pipe, judge, vector.concept.text, self.prompts, [noise], arguments)


def success(shown: int, of: int) -> dict[str, Any]:
    """A rate as JSON, with its 95% interval."""
    from sega_vectors.judging.rates import wilson

    return {"shown": shown, "of": of, "rate": shown / of, "interval": wilson(shown, of)}


def describe_success(shown: int, of: int) -> str:
    """A rate in words, with its 95% interval."""
    low, high = success(shown, of)["interval"]
    return f"{shown}/{of} pictures ({shown / of:.2f}, 95% {low:.2f}-{high:.2f})"
