"""Pictures as PNG files that carry their whole provenance, so that any of them can be made again.

The provenance is JSON in a text chunk with the keyword `sega_vectors`:

    format      1
    command     what made the picture: `record`, `apply`
    model, scheduler, noise, versions      as in a vector's provenance
    run         prompt, negative_prompt, guidance_scale, num_inference_steps; other arguments under `arguments`
    vectors     the vectors that guided it: each with its id, its recorded concept and momentum, and under `edit` the
                parameters that differ from the recording
"""

import hashlib
import importlib.metadata
import io
import json
import re
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from sega_store import GuidanceVector, ModelFacts, NoiseFacts, Provenance, SchedulerFacts

KEYWORD = "sega_vectors"
_SMALL_EDGE = 512  # pixels
_RUN = ("prompt", "negative_prompt", "guidance_scale", "num_inference_steps")
_PACKAGES = ("sega-vectors", "diffusers", "torch", "transformers")


def prepare_folder(folder: Path) -> Path:
    """Create a folder and make sure that files can be written there, before minutes of work are spent on them.

    Raises:
        OSError: The folder can't be created or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder


def picture_facts(
    command: str,
    model: "ModelFacts",
    scheduler: "SchedulerFacts",
    noise: "NoiseFacts",
    run: Mapping[str, Any],
    vectors: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The provenance of a picture, as JSON; `run` are the call's arguments, `vectors` as at the top of this module."""
    known = {key: run[key] for key in _RUN if key in run}
    others = {key: value for key, value in run.items() if key not in _RUN}
    return {
        "format": 1,
        "command": command,
        "model": model.to_json(),
        "scheduler": scheduler.to_json(),
        "noise": noise.to_json(),
        "run": {**known, "arguments": others},
        "vectors": list(vectors),
        "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
    }


def recorded_facts(command: str, provenance: "Provenance", vectors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The provenance of the picture of a recorded run."""
    run = provenance.run
    call = {**{key: getattr(run, key) for key in _RUN}, **run.arguments}
    return picture_facts(command, provenance.model, provenance.scheduler, provenance.noise, call, vectors)


def vector_facts(vector: "GuidanceVector", edit: Mapping[str, Any]) -> dict[str, Any]:
    """A vector and the edit parameters that it acted with on a picture's run, as JSON."""
    run = vector.provenance.run
    momentum = {"edit_momentum_scale": run.edit_momentum_scale, "edit_mom_beta": run.edit_mom_beta}
    return {"id": vector.id, "concept": vector.concept.to_json(), **momentum, "edit": dict(edit)}


def picture_name(provenance: Mapping[str, Any]) -> str:
    """A file name that says what is in the picture: the prompt, the concepts, and a hash of how it was made."""
    facts = {key: value for key, value in provenance.items() if key != "versions"}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
    concepts = "+".join(vector["concept"]["text"] for vector in provenance["vectors"]) or "plain"
    return f"{_slug(provenance['run']['prompt'], 60)}.{_slug(concepts, 40)}.{digest}.png"


def held_picture(folder: Path, provenance: Mapping[str, Any]) -> Path | None:
    """The path of the picture with a provenance, if a folder holds it, whole."""
    from PIL import Image

    path = folder / picture_name(provenance)
    try:
        with Image.open(path) as image:
            image.load()
            told = json.loads(image.info[KEYWORD])
    except (OSError, SyntaxError, KeyError, TypeError, ValueError):  # it is missing, damaged, or somebody else's
        return None
    return path if {**told, "versions": None} == {**json.loads(json.dumps(provenance)), "versions": None} else None


def _slug(text: str, length: int) -> str:
    return re.sub(r"[^\w+]+", "-", text.lower())[:length].strip("-") or "untitled"


def encode_picture(image: "Image", provenance: Mapping[str, Any]) -> bytes:
    """A picture with its provenance as a PNG file."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text(KEYWORD, json.dumps(provenance))  # ASCII, so that it is a tEXt chunk that every reader knows
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def encode_webp(image: "Image", quality: int, method: int) -> bytes:
    """A picture of at most 512 pixels a side as WebP: enough to judge an edit by, and small beside a vector."""
    small = image.convert("RGB")
    small.thumbnail((_SMALL_EDGE, _SMALL_EDGE))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=quality, method=method)
    return buffer.getvalue()


def write_picture(folder: Path, image: "Image", provenance: Mapping[str, Any], name: str | None = None) -> Path:
    """Write a picture with its provenance, whole or not at all, and return its path."""
    return write_png(folder, encode_picture(image, provenance), name or picture_name(provenance))


def write_png(folder: Path, png: bytes, name: str) -> Path:
    """Write what `encode_picture` made, whole or not at all, and return its path."""
    path = folder / name
    temporary = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(png)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
