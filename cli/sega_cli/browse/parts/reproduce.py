"""How to record a vector again and apply it, as a command line and as Python.

The lines are meant to be pasted into a terminal, and their texts may be a stranger's. So unprintable characters, which
a terminal would obey, are written as escapes.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sega_cli.generating.defaults import defaults_of
from sega_cli.generating.setup import AS_RECORDED
from sega_store import Concept, GuidanceVector
from sega_store.records.edit_parameters import BY_NAME, OF_CONCEPT, OF_RUN

_MOST_COLUMNS = 80
MOST_CHARACTERS = 20_000  # of lines that are shown
EXAMPLE_PROMPT = "a pencil drawing of a queen"
_EDIT = [parameter.name for parameter in OF_CONCEPT]


@dataclass(frozen=True)
class Recipe:
    """How to do something again.

    Attributes:
        command: A command line; None if there is none.
        python: Lines of Python; None if there are none.
        remarks: What else a reader should know.
    """

    command: str | None
    python: str | None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if max(len(self.command or ""), len(self.python or "")) > MOST_CHARACTERS:
            object.__setattr__(self, "command", None)
            object.__setattr__(self, "python", None)
            remark = "Its texts are too long for lines to paste: sega-vec show --json prints them whole."
            object.__setattr__(self, "remarks", (*self.remarks, remark))


def record_again(vector: GuidanceVector, library: str) -> Recipe:
    """How to record a vector again, into the library at a place."""
    facts, run = vector.provenance, vector.provenance.run
    if facts.derived_from:
        of = ", ".join(content[:12] for content in facts.derived_from)
        return Recipe(None, None, (f"Computed from recorded vectors, of the content {of}.",))
    concepts = [vector.concept, *run.companions]
    remarks = [f"Recorded with {facts.scheduler.name}; load the pipeline with the same scheduler."]
    mixed = len({concept.edit_cooldown_steps is None for concept in concepts}) > 1
    if mixed:
        remarks.append("Only some of its concepts have a cool-down, which the command line can't express.")
    if facts.noise.seed is None:
        remarks.append("The seed of its initial noise isn't known, so it starts from the noise itself.")
    if hashed := sorted(run.arguments.keys() - _plain_arguments(run.arguments).keys()):
        remarks.append(f"The call's other arguments: {', '.join(hashed)}. They are known by their hash alone.")
    if run.arguments:
        remarks.append("The Python lines leave out the call's other arguments: give them to the recorder.")
    possible = facts.noise.seed is not None and facts.noise.device == "cpu" and not hashed
    command = _record_command(vector, concepts, library) if possible and not mixed else None
    return Recipe(command, _record_python(vector, concepts), tuple(remarks))


def apply_it(vector: GuidanceVector, ref: str, library: str) -> Recipe:
    """How to apply a vector, by its REF in the library at a place, to another prompt."""
    facts, run = vector.provenance, vector.provenance.run
    scale = defaults_of(facts.model.id).apply_scale
    recorded = vector.concept.edit_guidance_scale
    factor = (
        "" if scale is None or not recorded or scale == recorded or run.guide is False else f":{scale / recorded:g}"
    )
    command = shell("sega-vec", "apply", f"{ref}{factor}", "--to-prompt", EXAMPLE_PROMPT, "--library", library)
    edit = [f"edit_guidance_scale={scale!r}"] if factor else []
    python = "\n".join(
        [
            "from sega_vectors import Applier, Library, load_pipeline",
            "",
            f"library = Library({library!r})",
            _load(vector),
            _spread("applier = Applier", ["pipe", f"[library[{ref!r}]]", f"noise=library.noise({ref!r})", *edit]),
            f"result = {_call('applier', EXAMPLE_PROMPT, _arguments(vector))}",
            'result.images[0].save("queen.png")',
        ]
    )
    return Recipe(command, python)


def _record_command(vector: GuidanceVector, concepts: Sequence[Concept], library: str) -> str:
    facts, run = vector.provenance, vector.provenance.run
    words: list[str] = ["sega-vec", "record"]
    for concept in concepts:
        words += ["--concept", concept.text]
    words += ["--seed", str(facts.noise.seed), "--steps", str(run.num_inference_steps)]
    if run.guidance_scale is not None:
        words += ["--guidance-scale", repr(run.guidance_scale)]
    if run.negative_prompt is not None:
        words += ["--negative-prompt", run.negative_prompt]
    for name, value in sorted(run.arguments.items()):
        size = name in ("height", "width")
        words += [f"--{name}", str(value)] if size else ["--arg", f"{name}={json.dumps(value)}"]
    for name in _EDIT:
        values = [getattr(concept, name) for concept in concepts]
        if values[0] is None:
            continue
        for value in values if len(set(values)) > 1 else values[:1]:
            words += [BY_NAME[name].option, str(value).lower() if isinstance(value, bool) else repr(value)]
    for parameter in OF_RUN:
        words += [parameter.option, repr(getattr(run, parameter.name))]
    words += [] if run.guide else ["--no-guide"]
    words += ["--model", facts.model.id, "--dtype", facts.model.dtype, "--library", library, "--", run.prompt]
    return shell(*words)


def _record_python(vector: GuidanceVector, concepts: Sequence[Concept]) -> str:
    facts, run = vector.provenance, vector.provenance.run
    arguments = _arguments(vector)
    if facts.noise.seed is not None and facts.noise.device != "unknown":
        arguments["generator"] = f"torch.Generator({facts.noise.device!r}).manual_seed({facts.noise.seed})"
    lines = ["import torch", "", "from sega_vectors import Concept, Recorder, load_pipeline", "", _load(vector)]
    lines += ["concepts = [", *(f"    {_concept(concept)}," for concept in concepts), "]"]
    momentum = [f"{name}={getattr(run, name)!r}" for name in (*(parameter.name for parameter in OF_RUN), "guide")]
    lines += [_spread("recorder = Recorder", ["pipe", "concepts", *momentum])]
    lines += [_call("recorder", run.prompt, arguments), "vector = recorder.vectors[0]"]
    return "\n".join(lines)


def _plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments whose values are kept, not their hashes or classes."""
    return {
        name: value
        for name, value in arguments.items()
        if not any(mark in json.dumps(value) for mark in ("sha256:", "object:"))
    }


def _load(vector: GuidanceVector) -> str:
    model = vector.provenance.model
    return f"pipe = load_pipeline({model.id!r}, dtype={model.dtype!r})"


def _arguments(vector: GuidanceVector) -> dict[str, str]:
    """The arguments of the recorded call, as Python code."""
    run = vector.provenance.run
    return {name: repr(value) for name in AS_RECORDED if (value := getattr(run, name)) is not None}


def _concept(concept: Concept) -> str:
    edits = {name: getattr(concept, name) for name in _EDIT}
    said = [f"{name}={value!r}" for name, value in edits.items() if value is not None]
    return _spread("Concept", [repr(concept.text), *said], "    ")


def _call(what: str, prompt: str, arguments: Mapping[str, str]) -> str:
    return _spread(what, [f"prompt={prompt!r}", *(f"{name}={code}" for name, code in arguments.items())])


def _spread(what: str, arguments: Sequence[str], indent: str = "") -> str:
    """A call on one line, or with one argument per line if that is too long."""
    line = f"{what}({', '.join(arguments)})"
    if len(line) <= _MOST_COLUMNS:
        return line
    return "\n".join([f"{what}(", *(f"{indent}    {argument}," for argument in arguments), f"{indent})"])


def shell(*words: str) -> str:
    """Words as a command line for bash, zsh or ksh, all of whose characters are printable."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    """A word as $'…', whose escapes make the UTF-8 bytes of unprintable characters."""

    def escaped(character: str) -> str:
        if character.isprintable():
            return f"\\{character}" if character in "\\'" else character
        return "".join(f"\\{byte:03o}" for byte in character.encode())

    return f"$'{''.join(map(escaped, word))}'"
