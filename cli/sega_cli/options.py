"""Options and parameter types that several commands share."""

import functools
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sega_cli.printing.report import Report

if TYPE_CHECKING:
    from sega_store import Library

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic in the newest click only

Command = Callable[..., object]
Decorator = Callable[[Command], Command]
Place = Path | str
T = TypeVar("T")

DTYPES = ("auto", "float32", "float16", "bfloat16")
_ENDINGS_OF_FILES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".html", ".json", ".zip", ".safetensors", ".npz")
_MOST_SEEDS = 1_000_000  # a slip such as 0..99999999999 must not fill the memory


class Text(ParamType):
    """A text that may contain spaces; an environment variable holds one text per line."""

    name = "text"
    envvar_list_splitter = "\n"


class Seeds(ParamType):
    """Seeds as `7`, `1,2,5` or `0..9` (both ends included), or a mixture, parsed into a tuple without repeats."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Parse a text; a tuple is returned as it is, as click requires of every type."""
        if isinstance(value, tuple):
            return value
        seeds: dict[int, None] = {}
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*([0-9]+)(?:\.\.([0-9]+))?\s*", part, re.ASCII)
            if match is None:
                self.fail(f"{value!r} is not a list of seeds: write 7, 1,2,5 or 0..9.", param, ctx)
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                self.fail(f"the range {part.strip()!r} runs backwards: write {last}..{first}.", param, ctx)
            if last >= 2**63:
                self.fail(f"a seed must be below 2^63, met {last}.", param, ctx)
            if last - first + len(seeds) >= _MOST_SEEDS:
                self.fail(f"{value!r} holds more than {_MOST_SEEDS:,} seeds: ask for fewer at a time.", param, ctx)
            seeds.update(dict.fromkeys(range(first, last + 1)))
        return tuple(seeds)


@dataclass(frozen=True)
class ScaledRef:
    """A REF and the scale that the command line gave it."""

    ref: str
    scale: float = 1.0


class Ref(ParamType):
    """A REF with an optional scale: `glasses`, `glasses:1.5`, `3fa9:-1`."""

    name = "ref"
    envvar_list_splitter = "\n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ScaledRef:
        """Parse a text; what follows the last colon is a scale if it is a number, else part of the REF."""
        if isinstance(value, ScaledRef):
            return value
        ref, colon, tail = str(value).rpartition(":")
        try:
            scale = float(tail) if colon else 1.0
        except ValueError:
            return ScaledRef(value)
        if not colon:
            return ScaledRef(value)
        if not math.isfinite(scale):
            self.fail(f"the scale of {ref!r} must be a finite number, met {tail}.", param, ctx)
        return ScaledRef(ref, scale)


class Digits(ParamType):
    """The first digits of a hash, one at least: none would be those of every hash."""

    name = "digits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a text."""
        if not re.fullmatch("[0-9a-fA-F]{1,64}", value):
            self.fail(
                f"{value!r} isn't how a hash begins: give hexadecimal digits, as sega-vec show prints it.", param, ctx
            )
        return str(value)


class Assignment(ParamType):
    """An argument's name and value as `key=value`, parsed into a tuple of two texts."""

    name = "key=value"
    envvar_list_splitter = "\n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Parse a text; a tuple is returned as it is, as click requires of every type."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key.strip():
            self.fail(f"{value!r} names no argument and value: write key=value.", param, ctx)
        return key.strip(), text


class FilePath(click.Path):
    """A path in which `~` is the home folder, also where no shell has seen it: after `=`, and in the environment."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Expand, then check what was asked for."""
        from sega_store.files.regular_file import user_path

        return Path(os.fsdecode(super().convert(user_path(value), param, ctx)))


PATH = FilePath()


class Model(ParamType):
    """A model's name, or the path of its folder or file."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Expand what is a path in the home folder."""
        return str(FilePath().convert(value, param, ctx)) if str(value).startswith("~") else str(value)


class Folder(FilePath):
    """The path of a folder; a new one must not be called as a file is."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check a path."""
        path = super().convert(value, param, ctx)
        if path.suffix.lower() in _ENDINGS_OF_FILES and not path.exists():
            self.fail(
                f"this is the path of a folder, met {value}, which ends as a file does: name a folder.", param, ctx
            )
        return path


class LibraryPlace(Folder):
    """A library's folder, or the URL of one in an object store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A text with `://` in it is a URL, any other a path."""
        return value if "://" in str(value) else super().convert(value, param, ctx)


FOLDER = Folder()


def open_library(place: Place) -> "Library":
    """The library at a place."""
    from sega_store import Library

    return Library(place)


def default_library() -> Path:
    """The library in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("sega-vectors", appauthor=False) / "library"


library_option = click.option(
    "--library",
    type=LibraryPlace(),
    envvar="SEGA_VEC_LIBRARY",
    default=default_library,
    show_default="in your data folder",
    help="The library: a folder, or a URL such as s3://bucket/name.",
)


def reporting(command: Command) -> Command:
    """Give a command `--json` and `--quiet`, and pass it one `report` made of them."""

    @click.option("-q", "--quiet", is_flag=True, help="Print ids or paths only, and no progress bars.")
    @click.option("--json", is_flag=True, help="Print one JSON document.")
    @functools.wraps(command)
    def wrapper(json: bool, quiet: bool, **arguments: Any) -> object:
        return command(report=Report(json, quiet), **arguments)

    return wrapper


def on_library(command: Command) -> Command:
    """Give a command `--library` and what `reporting` gives."""
    return library_option(reporting(command))


def grouped(name: str, *options: Decorator, **renamed: str) -> Decorator:
    """A decorator that gives a command several options and passes the used ones to it as one mapping.

    Args:
        name: The name of the argument that takes the mapping.
        options: The options, as click's `option` makes them.
        renamed: The keys of options that have another name in the mapping.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapper(**arguments: Any) -> object:
            group = {key: arguments.pop(key) for key in names}
            used = {renamed.get(key, key): value for key, value in group.items() if value not in (None, ())}
            return command(**{name: used}, **arguments)

        return with_options(wrapper)

    def with_options(command: Command) -> Command:
        return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)

    names = [parameter.name for parameter in click.command(with_options(lambda: None)).params]
    return decorate


def device_options(command: Command) -> Command:
    """`--device` and `--dtype`."""
    dtype = click.option("--dtype", type=click.Choice(DTYPES), default="auto", help="The model's precision.")
    device = click.option("--device", default="auto", help="The model's device: cpu, cuda, cuda:1, mps.")
    return device(dtype(command))


def pipeline_options(model: str | None) -> Decorator:
    """`--device`, `--dtype` and `--model`, whose default is `model`; if it is None, the vectors' own, and `--yes`."""
    option = click.option(
        "--model",
        type=Model(),
        default=model,
        show_default=model or "the one that the vectors were recorded with",
        help="'embedded', a folder in diffusers' format, a .safetensors file, or an id on the Hugging Face Hub"
        " (safetensors only).",
    )
    yes = click.option("-y", "--yes", is_flag=True, help="Fetch the vectors' own model from the Hub without asking.")
    return lambda command: option(device_options(command if model else yes(command)))


def run_options(default: str, *more: Decorator) -> Decorator:
    """`--steps`, `--guidance-scale` and `--negative-prompt` as the mapping `run` of the pipeline's own arguments.

    Their help texts say that they default to `default`. `more` are options for other arguments.
    """
    return grouped(
        "run",
        click.option(
            "--steps",
            type=click.IntRange(min=1),
            help=f"num_inference_steps.  [default: {default}]",
        ),
        click.option("--guidance-scale", type=float, help=f"s_g of classifier-free guidance.  [default: {default}]"),
        click.option("--negative-prompt", type=Text(), help=f"What to guide away from.  [default: {default}]"),
        *more,
        steps="num_inference_steps",
    )


def call_options(default: str) -> Decorator:
    """`run_options` with those of the picture's size, `--image` and `--strength`; and `--arg` as the tuple `arg`."""
    side = click.IntRange(min=1)
    run = run_options(
        default,
        click.option("--height", type=side, help=f"The pictures' height, in pixels.  [default: {default}]"),
        click.option("--width", type=side, help=f"The pictures' width, in pixels.  [default: {default}]"),
        click.option(
            "--image",
            type=FilePath(exists=True, dir_okay=False),
            help="A picture to start from, image to image.",
        ),
        click.option(
            "--strength",
            type=click.FloatRange(0, 1, min_open=True),
            help=f"How much of --image is replaced, in (0, 1].  [default: {default}]",
        ),
    )
    arg = click.option(
        "--arg",
        type=Assignment(),
        multiple=True,
        help="Another argument of the pipeline's call, such as clip_skip=1; the value is JSON or text.",
    )
    return lambda command: run(arg(command))


def loading_options(command: Command) -> Command:
    """`--scheduler`, `--lora` and `--variant` as the mapping `loading`."""
    return grouped(
        "loading",
        click.option("--scheduler", metavar="NAME", help="A scheduler of diffusers.  [default: the model's]"),
        click.option(
            "--lora",
            type=Ref(),
            metavar="PATH_OR_ID[:WEIGHT]",
            multiple=True,
            help="A LoRA to load (safetensors only); may be repeated.",
        ),
        click.option("--variant", metavar="NAME", help="Which of the model's weights, such as fp16."),
        lora="loras",
    )(command)


def spread(values: Sequence[T], count: int, option: str, of: str) -> list[T | None]:
    """One value per concept or vector: a value given once applies to all; if none is given, all are None.

    Args:
        option: The option's name, for the message.
        of: What the values belong to, in the plural, for the message.
    """
    if len(values) <= 1:
        return [values[0] if values else None] * count
    if len(values) != count:
        raise click.UsageError(
            f"{option} is given {len(values)} times for {count} {of}: give it once for all,"
            f" or {count} times in their order."
        )
    return list(values)
