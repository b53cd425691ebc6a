import subprocess
import sys

import sega_store


def test_public_names() -> None:
    assert sega_store.__all__ == [
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
    assert all(hasattr(sega_store, name) for name in sega_store.__all__)


def test_importing_is_light() -> None:
    heavy = {"torch", "zarr", "safetensors", "numcodecs", "platformdirs", "PIL"}
    code = "import sega_store, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())
