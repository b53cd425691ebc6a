"""The arguments of the calls that a command makes: its options, and `--arg key=value` by the pipeline's signature."""

import inspect
import json
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

_PLAIN = (bool, int, float, str, list, tuple, dict)
_OPTIONS = {
    "prompt": "the command's prompts",
    "negative_prompt": "--negative-prompt",
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance-scale",
    "height": "--height",
    "width": "--width",
    "image": "--image",
    "strength": "--strength",
    "generator": "--seed",
    "latents": "--seed",
    "num_images_per_prompt": "--seed",
}


def call_arguments(
    pipe: "DiffusionPipeline",
    defaults: Mapping[str, Any],
    run: Mapping[str, Any],
    arg: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The arguments of a call beside its prompt and noise.

    Args:
        pipe: The pipeline that is called; with an image in `run`, one that starts from it (`image_to_image`).
        defaults: What holds where nothing else is given.
        run: What options give, `image` as the path of a file.
        arg: The names and texts of further arguments.

    Raises:
        InvalidInputError: The pipeline doesn't take one of them, or not such a value.
    """
    from sega_store import InvalidInputError
    from sega_vectors.pipeline.call import check_arguments

    if "strength" in run and "image" not in run:
        raise InvalidInputError("--strength says how much of a picture is replaced, met none: give it with --image")
    arguments = {**defaults, **run, **{name: _argument(pipe, name, text) for name, text in arg}}
    if "image" in run:
        arguments = _with_picture(pipe, arguments)
    check_arguments(pipe, arguments)
    return arguments


def image_to_image(pipe: "DiffusionPipeline") -> "DiffusionPipeline":
    """A pipeline of the same components that starts from an image.

    Raises:
        InvalidInputError: There is none.
    """
    from diffusers import AutoPipelineForImage2Image

    from sega_store import InvalidInputError

    try:
        made = AutoPipelineForImage2Image.from_pipe(pipe)
    except ValueError:
        made = None
    if made is None or "strength" not in inspect.signature(type(made).__call__).parameters:
        raise InvalidInputError(
            f"--image needs a model that starts from one, diffusers has no such pipeline for {type(pipe).__name__}:"
            " leave it out"
        )
    made._progress_bar_config = getattr(pipe, "_progress_bar_config", {})
    return made


def _with_picture(pipe: "DiffusionPipeline", arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the picture in the file that `image` names, in the size of the run.

    A pipeline without arguments for the size has that of the picture.
    """
    from PIL import Image, UnidentifiedImageError

    from sega_store import InvalidInputError

    try:
        with Image.open(arguments["image"]) as opened:
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InvalidInputError(f"--image must be a picture: {error}") from error
    factor = _factor(pipe)
    width, height = (
        arguments.get(name) or max(factor, side // factor * factor)
        for name, side in zip(("width", "height"), picture.size, strict=True)
    )
    taken = inspect.signature(type(pipe).__call__).parameters
    size = {"height": height, "width": width}
    others = {name: value for name, value in arguments.items() if name not in size}
    size = {name: side for name, side in size.items() if name in taken}
    return {**others, **size, "image": picture.resize((width, height))}


def _factor(pipe: "DiffusionPipeline") -> int:
    """What a picture's sides must be multiples of."""
    processor = getattr(pipe, "image_processor", None)
    return int(getattr(getattr(processor, "config", None), "vae_scale_factor", None) or pipe.vae_scale_factor)


def _argument(pipe: "DiffusionPipeline", name: str, text: str) -> Any:
    """The value of an argument, as the pipeline's signature has it."""
    from sega_store import InvalidInputError
    from sega_vectors.pipeline.call import check_arguments, recorded_arguments

    if option := _OPTIONS.get(name):
        raise InvalidInputError(f"--arg is for arguments without an option of their own, met {name}: use {option}")
    check_arguments(pipe, [name])
    kind = _annotation(pipe, name)
    try:
        recorded_arguments(pipe, {name: None})
        plain = _plain(kind)
    except InvalidInputError:
        plain = set()
    if not plain:
        raise InvalidInputError(
            f"--arg takes plain arguments that a recording repeats, {name} of {type(pipe).__name__} isn't one: leave it"
            " out, or use Recorder and Applier in Python"
        )
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    try:
        return _converted(kind, value, text)
    except ValueError:
        kinds = ", ".join(one.__name__ for one in _PLAIN if one in plain)
        raise InvalidInputError(
            f"{name} of {type(pipe).__name__} must be {kinds}{_inner(kind)}, met {text[:100]!r}: write --arg"
            f" {name}=VALUE with such a value, as JSON"
        ) from None


def _annotation(pipe: "DiffusionPipeline", name: str) -> Any:
    """What the signature says of an argument; of one without an annotation, the class of its default."""
    function = type(pipe).__call__
    default = inspect.signature(function).parameters[name].default
    kind = inspect.unwrap(function).__annotations__.get(name)
    if isinstance(kind, str):
        kind = get_type_hints(inspect.unwrap(function)).get(name)
    if kind is None:
        return type(default)
    return Union[kind, type(None)] if default is None else kind  # noqa: UP007  # built at run time


def _choices(kind: Any) -> tuple[Any, ...]:
    """The members of a union, else the one annotation."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _plain(kind: Any) -> set[Any]:
    """The classes that JSON has among what an annotation allows."""
    choices = {get_origin(choice) or choice for choice in _choices(kind)}
    return set(_PLAIN) if Any in choices else choices & set(_PLAIN)


def _inner(kind: Any) -> str:
    """What an annotation says of the elements of a list or tuple."""
    said = [str(choice) for choice in _choices(kind) if get_origin(choice) in (list, tuple)]
    return f" ({', '.join(said)})" if said else ""


def _converted(kind: Any, value: Any, text: str | None = None) -> Any:
    """A JSON value as an annotation has it.

    Args:
        kind: The annotation.
        value: The value.
        text: What was written, if it is the whole value: `1` may be meant as a text.

    Raises:
        ValueError: It allows none such.
    """
    choices = {get_origin(choice) or choice: get_args(choice) for choice in _choices(kind)}
    if Any in choices or (value is None and type(None) in choices):
        return value
    if type(value) in choices and not isinstance(value, list):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and float in choices:
        return float(value)
    if isinstance(value, list):
        for made in (list, tuple):
            if made in choices:
                return made(_elements(choices[made], value))
    if text is not None and str in choices:
        return text
    raise ValueError(value)


def _elements(kinds: tuple[Any, ...], values: list[Any]) -> list[Any]:
    """The elements of a list or tuple as its annotation has them: of one kind, or each of its own."""
    kinds = tuple(kind for kind in kinds if kind is not Ellipsis)
    if len(kinds) > 1 and len(kinds) != len(values):
        raise ValueError(values)
    each = kinds if len(kinds) > 1 else (kinds or (Any,)) * len(values)
    return [_converted(kind, value) for kind, value in zip(each, values, strict=True)]
