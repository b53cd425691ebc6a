import subprocess
import sys

import sega_store


def test_public_names() -> None:
    assert sega_store.__all__ == [
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
    assert all(hasattr(sega_store, name) for name in sega_store.__all__)


def test_importing_is_light() -> None:
    heavy = {"torch", "zarr", "numcodecs", "platformdirs", "PIL"}
    code = "import sega_store, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())
