"""sega_store: guidance vectors on disk. Knows numpy, never torch.

library = Library("~/vectors")
library.add(vector, noise)
library["glasses"].dense()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from sega_store.exchange import Imported, export_vectors, import_vectors
    from sega_store.file import read_noise, read_vector, write_noise, write_vector
    from sega_store.library import Library
    from sega_store.noise import InitialNoise
    from sega_store.preview import Preview
    from sega_store.provenance import ModelFacts, NoiseFacts, Provenance, RunFacts, SchedulerFacts, recipe
    from sega_store.recommendation import Recommendation
    from sega_store.selection import Group, Selection
    from sega_store.sync import copy_vectors
    from sega_store.vector import GuidanceVector
    from sega_store.verify import Damage, Verification

__all__ = [
    "AmbiguousRefError",
    "Concept",
    "Damage",
    "Entry",
    "Group",
    "GuidanceVector",
    "Imported",
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
    "Recommendation",
    "RefError",
    "RunFacts",
    "SchedulerFacts",
    "SegaError",
    "Selection",
    "UnknownRefError",
    "VectorFileError",
    "Verification",
    "copy_vectors",
    "export_vectors",
    "import_vectors",
    "read_noise",
    "read_vector",
    "recipe",
    "write_noise",
    "write_vector",
]

# Where the names are from. They are imported when they are first asked for, so that a listing does without numpy.
_MODULES = {
    "concept": ("Concept",),
    "entry": ("Entry",),
    "errors": (
        "AmbiguousRefError",
        "IncompatibleError",
        "InvalidInputError",
        "LibraryError",
        "PipelineError",
        "RefError",
        "SegaError",
        "UnknownRefError",
        "VectorFileError",
    ),
    "exchange": ("Imported", "export_vectors", "import_vectors"),
    "file": ("read_noise", "read_vector", "write_noise", "write_vector"),
    "library": ("Library",),
    "noise": ("InitialNoise",),
    "preview": ("Preview",),
    "provenance": ("ModelFacts", "NoiseFacts", "Provenance", "RunFacts", "SchedulerFacts", "recipe"),
    "recommendation": ("Recommendation",),
    "selection": ("Group", "Selection"),
    "sync": ("copy_vectors",),
    "vector": ("GuidanceVector",),
    "verify": ("Damage", "Verification"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
