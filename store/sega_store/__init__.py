"""sega_store: guidance vectors on disk. Knows numpy, never torch.

library = Library("~/vectors")
library.add(vector, noise)
library["glasses"].dense()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from sega_store.exchange.bundle_import import Imported, import_vectors
    from sega_store.exchange.export import export_vectors
    from sega_store.exchange.sync import copy_vectors
    from sega_store.files.vector_file import read_noise, read_vector, write_noise, write_vector
    from sega_store.library.library import Library, Stored
    from sega_store.library.selection import Group, Selection
    from sega_store.library.verify import Damage, Verification
    from sega_store.records.concept import Concept
    from sega_store.records.entry import Entry
    from sega_store.records.noise import InitialNoise
    from sega_store.records.preview import Preview
    from sega_store.records.provenance import ModelFacts, NoiseFacts, Provenance, RunFacts, SchedulerFacts, recipe
    from sega_store.records.recommendation import Recommendation
    from sega_store.records.vector import GuidanceVector

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
    "Stored",
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
    "records.concept": ("Concept",),
    "records.entry": ("Entry",),
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
    "exchange.bundle_import": ("Imported", "import_vectors"),
    "exchange.export": ("export_vectors",),
    "files.vector_file": ("read_noise", "read_vector", "write_noise", "write_vector"),
    "library.library": ("Library", "Stored"),
    "records.noise": ("InitialNoise",),
    "records.preview": ("Preview",),
    "records.provenance": ("ModelFacts", "NoiseFacts", "Provenance", "RunFacts", "SchedulerFacts", "recipe"),
    "records.recommendation": ("Recommendation",),
    "library.selection": ("Group", "Selection"),
    "exchange.sync": ("copy_vectors",),
    "records.vector": ("GuidanceVector",),
    "library.verify": ("Damage", "Verification"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
