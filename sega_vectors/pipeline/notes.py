"""What a user should know of a run that went through: nothing that a run does without a word is left unsaid."""

from collections.abc import Iterator, Sequence
from typing import Any

from sega_store import Concept
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.prompts import cuts


def text_notes(call: PipelineCall, concepts: Sequence[str] = (), sample: int | None = None) -> list[str]:
    """The texts that text encoders cut, those of one sample if it is given, and the text encoders that aren't there."""
    pipe = call.pipe
    missing = [name for name, part in pipe.components.items() if name.startswith("text_encoder") and part is None]
    notes = [f"{name} is missing: the pipeline goes without it" for name in missing]
    texts = [("prompt", text) for text in _texts(call, "prompt", sample)]
    texts += [("negative prompt", text) for text in _texts(call, "negative_prompt", sample)]
    texts += [("concept", text) for text in concepts]
    for kind, text in dict.fromkeys(texts):
        notes += [f"the {kind} {text[:40]!r} was cut: {cut}" for cut in cuts(pipe, text, call.arguments) if cut]
    return notes


def result_notes(result: Any, sample: int | None = None) -> list[str]:
    """The pictures that a safety checker blanked; of one sample, if it is given."""
    flags = getattr(result, "nsfw_content_detected", None) or ()
    blanked = [i for i, flag in enumerate(flags) if flag and sample in (None, i)]
    return [f"picture {i + 1} was blanked by the safety checker" for i in blanked]


def cooldown_note(concept: Concept, num_steps: int) -> str | None:
    """Whether a cool-down comes too late to have an effect."""
    cooldown = concept.edit_cooldown_steps
    if cooldown is None or cooldown < num_steps:
        return None
    return f"edit_cooldown_steps {cooldown} of {concept.text!r} has no effect in a run of {num_steps} steps"


def _texts(call: PipelineCall, name: str, sample: int | None) -> Iterator[str]:
    """The texts in an argument: one, or a list of them."""
    value = call.arguments.get(name) if sample is None else call.text(name, sample)
    yield from [value] if isinstance(value, str) else (text for text in value or () if isinstance(text, str))
