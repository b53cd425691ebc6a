"""sega_store: guidance vectors on disk. Knows numpy, never torch.

library = Library("~/vectors")
library.add(vector, noise)
library["glasses"].dense()
"""

from sega_store.concept import Concept
from sega_store.entry import Entry
from sega_store.errors import (
    AmbiguousRefError,
    IncompatibleError,
    InvalidInputError,
    LibraryError,
    PipelineError,
    RefError,
    SegaError,
    UnknownRefError,
    VectorFileError,
)
from sega_store.file import read_noise, read_vector, write_noise, write_vector
from sega_store.library import Library
from sega_store.noise import InitialNoise
from sega_store.preview import Preview
from sega_store.provenance import ModelFacts, NoiseFacts, Provenance, RunFacts, SchedulerFacts, recipe
from sega_store.vector import GuidanceVector

__all__ = [
    "AmbiguousRefError",
    "Concept",
    "Entry",
    "GuidanceVector",
    "IncompatibleError",
    "InitialNoise",
    "InvalidInputError",
    "Library",
    "LibraryError",
    "ModelFacts",
    "NoiseFacts",
    "PipelineError",
    "Preview",
    "Provenance",
    "RefError",
    "RunFacts",
    "SchedulerFacts",
    "SegaError",
    "UnknownRefError",
    "VectorFileError",
    "read_noise",
    "read_vector",
    "recipe",
    "write_noise",
    "write_vector",
]
