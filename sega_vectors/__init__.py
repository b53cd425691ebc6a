"""Record the guidance vectors of semantic guidance (SEGA) once, and apply them to other prompts.

recorder = Recorder(pipe, [Concept("glasses")])
image = recorder("a portrait of a king", generator=generator).images[0]
image = Applier(pipe, recorder.vectors, noise=recorder.noises[0])("a drawing of a queen").images[0]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sega_store import (
        AmbiguousRefError,
        Concept,
        GuidanceVector,
        IncompatibleError,
        InitialNoise,
        InvalidInputError,
        Library,
        LibraryError,
        PipelineError,
        Recommendation,
        RefError,
        SegaError,
        Selection,
        Stored,
        UnknownRefError,
        VectorFileError,
    )
    from sega_vectors.applier import Application, Applier
    from sega_vectors.guider import SegaGuidance
    from sega_vectors.pipeline.cost import DenoiserRows
    from sega_vectors.pipeline.loading import load_pipeline
    from sega_vectors.provenance.gate import Compatibility
    from sega_vectors.recorder import Recorder, Recording

__all__ = [
    "AmbiguousRefError",
    "Application",
    "Applier",
    "Compatibility",
    "Concept",
    "DenoiserRows",
    "GuidanceVector",
    "IncompatibleError",
    "InitialNoise",
    "InvalidInputError",
    "Library",
    "LibraryError",
    "PipelineError",
    "Recommendation",
    "Recorder",
    "Recording",
    "RefError",
    "SegaError",
    "SegaGuidance",
    "Selection",
    "Stored",
    "UnknownRefError",
    "VectorFileError",
    "load_pipeline",
]

# Where the names are from. They are imported when they are first asked for, so that the mathematics can be used without
# diffusers and transformers, in programs that pin versions of their own.
_HOMES = {
    "Application": "sega_vectors.applier",
    "Applier": "sega_vectors.applier",
    "Compatibility": "sega_vectors.provenance.gate",
    "DenoiserRows": "sega_vectors.pipeline.cost",
    "Recorder": "sega_vectors.recorder",
    "Recording": "sega_vectors.recorder",
    "SegaGuidance": "sega_vectors.guider",
    "load_pipeline": "sega_vectors.pipeline.loading",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "sega_store")), name)
    globals()[name] = value
    return value
