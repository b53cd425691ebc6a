"""Record the guidance vectors of semantic guidance (SEGA) once, and apply them to other prompts.

recorder = Recorder(pipe, [Concept("glasses")])
image = recorder("a portrait of a king", generator=generator).images[0]
image = Applier(pipe, recorder.vectors, noise=recorder.noises[0])("a drawing of a queen").images[0]
"""

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
    RefError,
    SegaError,
    UnknownRefError,
    VectorFileError,
)
from sega_vectors.applier import Applier
from sega_vectors.guider import SegaGuidance
from sega_vectors.pipeline.cost import DenoiserRows
from sega_vectors.pipeline.loading import load_pipeline
from sega_vectors.pipeline.prompts import check_prompt
from sega_vectors.provenance.gate import Compatibility
from sega_vectors.recorder import Recorder

__all__ = [
    "AmbiguousRefError",
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
    "Recorder",
    "RefError",
    "SegaError",
    "SegaGuidance",
    "UnknownRefError",
    "VectorFileError",
    "check_prompt",
    "load_pipeline",
]
