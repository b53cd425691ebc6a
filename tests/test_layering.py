"""Arrows point one way, between packages and between the wings of a package, and the public names are pinned.

A wing is a folder. A module that lies beside wings (`options`, `browse.app`) is a node of its own, since it may stand
anywhere between them.
"""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sega_store
import sega_vectors

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "sega_store": ROOT / "store/sega_store",
    "sega_vectors": ROOT / "sega_vectors",
    "sega_cli": ROOT / "cli/sega_cli",
}
FORBIDDEN = {
    "sega_store": {
        "sega_vectors",
        "sega_cli",
        "torch",
        "diffusers",
        "transformers",
        "click",
        "rich",
        "fastapi",
        "starlette",
    },
    "sega_vectors": {"sega_cli", "click", "rich"},
    "sega_cli": set(),
}


MOST_MODULES = 20  # in one folder
# For each package, which nodes a node may import, deferred imports and those for type checking included.
ARROWS: dict[str, dict[str, set[str]]] = {
    "sega_store": {
        "analysis": {"errors", "records"},
        "exchange": {"errors", "files", "library", "places", "records"},
        "library": {"display", "errors", "files", "places", "records"},
        "places": {"errors", "files", "records"},
        "files": {"errors", "records"},
        "records": {"display", "errors"},
        "display": {"errors"},
    },
    "sega_vectors": {
        "study": {"applier", "judging", "latents", "pipeline", "recorder"},
        "judging": {"applier", "latents", "pipeline", "recorder"},
        "recorder": {"latents", "maths", "pipeline", "provenance", "recording"},
        "applier": {"latents", "maths", "pipeline", "provenance"},
        "guider": {"latents", "maths", "pipeline", "provenance"},
        "provenance": {"latents", "pipeline"},
        "recording": {"latents", "pipeline"},
        "pipeline": {"latents", "maths"},
        "latents": {"maths"},
    },
    "sega_cli": {
        "__main__": {"main"},
        "main": {"errors", "printing"},  # and a module of `commands` by its name, when the command is called
        "commands": {
            "browse.export",
            "browse.jobs",
            "browse.server",
            "browse.studio",
            "errors",
            "generating",
            "options",
            "printing",
            "selection",
        },
        "selection": {"options"},
        "browse.server": {"browse.app", "browse.security", "browse.studio"},
        "browse.export": {"browse.app", "browse.pages", "browse.parts", "browse.site"},
        "browse.app": {"browse.jobs", "browse.pages", "browse.security", "browse.site", "browse.studio"},
        "browse.pages": {"browse.jobs", "browse.parts", "browse.site", "browse.studio", "generating", "printing"},
        "browse.studio": {"browse.jobs"},
        "browse.site": {"browse.parts", "browse.studio", "printing"},
        "browse.parts": {"browse.jobs", "generating"},
        "browse.jobs": {"generating", "options", "printing"},
        "generating": {"options", "printing"},
        "errors": {"printing"},
        "options": {"printing"},
    },
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_one_way(package: str) -> None:
    modules = sorted(PACKAGES[package].rglob("*.py"))
    assert modules
    broken = {str(m.relative_to(ROOT)): imported(m) & FORBIDDEN[package] for m in modules}
    assert not {m: names for m, names in broken.items() if names}


def node(package: str, module: Path) -> str:
    """The wing of a module, or the module itself where it lies beside wings."""
    parts = module.relative_to(PACKAGES[package]).with_suffix("").parts
    beside_wings = any((folder / "__init__.py").is_file() for folder in module.parent.iterdir())
    return ".".join(parts if beside_wings else parts[:-1])


def found(package: str, name: str) -> Path | None:
    """The file of a module by its dotted name; None if there is none."""
    path = PACKAGES[package].parent.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def arrows(package: str) -> dict[str, set[str]]:
    """For each node of a package, the nodes that it imports anywhere; `__init__` modules are left out."""
    drawn: dict[str, set[str]] = {}
    for module in sorted(PACKAGES[package].rglob("*.py")):
        if module.name == "__init__.py":
            continue
        names: list[str] = []
        for statement in ast.walk(ast.parse(module.read_text())):
            if isinstance(statement, ast.Import):
                names += [alias.name for alias in statement.names]
            elif isinstance(statement, ast.ImportFrom) and statement.module:
                base = statement.module
                names += [
                    inner if found(package, inner := f"{base}.{alias.name}") else base for alias in statement.names
                ]
        own = node(package, module)
        files = (found(package, name) for name in names if name.split(".")[0] == package)
        targets = {node(package, file) for file in files if file and file.name != "__init__.py"}
        drawn.setdefault(own, set()).update(targets - {own})
    return drawn


@pytest.mark.parametrize("package", ARROWS)
def test_wings_import_only_what_is_allowed(package: str) -> None:
    allowed = ARROWS[package]
    foreign = {own: targets - allowed.get(own, set()) for own, targets in arrows(package).items()}
    assert not {own: targets for own, targets in foreign.items() if targets}


@pytest.mark.parametrize("package", ARROWS)
def test_what_is_allowed_has_no_circle(package: str) -> None:
    TopologicalSorter(ARROWS[package]).prepare()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_is_a_corridor(package: str) -> None:
    folders = {path.parent for path in PACKAGES[package].rglob("*.py")}
    counts = {
        str(folder.relative_to(ROOT)): len([p for p in folder.glob("*.py") if p.name != "__init__.py"])
        for folder in folders
    }
    assert not {folder: count for folder, count in counts.items() if count > MOST_MODULES}


@pytest.mark.parametrize(
    "code",
    [
        "import sega_store; from sega_store import Library; list(Library('no-such-folder'))",
        "import sega_cli.main",
        "from sega_cli.main import main; main(['--help'], standalone_mode=False)",
        "import sega_cli.browse.server, sega_cli.browse.export",
        "from sega_cli.main import main; main(['ls', '--library', 'no-such-folder'], standalone_mode=False)",
    ],
)
def test_torch_is_imported_only_to_generate(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; assert 'torch' not in sys.modules, 'torch was imported'"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


CORE = (  # what another program, with versions of its own of the libraries that run models, can use
    "sega_store",
    "sega_vectors",
    "sega_vectors.latents.noise",
    "sega_vectors.latents.packing",
    "sega_vectors.latents.space",
    "sega_vectors.latents.tensors",
    "sega_vectors.recording.sparse_buffer",
    *(f"sega_vectors.maths.{path.stem}" for path in sorted((ROOT / "sega_vectors/maths").glob("[a-z]*.py"))),
)


def test_the_core_needs_no_library_that_runs_models() -> None:
    heavy = ("diffusers", "transformers", "accelerate", "huggingface_hub", "peft", "safetensors", "tokenizers")
    imports = "\n".join(f"import {module}" for module in CORE)
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy}))\n{imports}"  # importing one of them fails
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_torch_no_sooner_than_it_is_needed() -> None:
    code = "import sys, sega_vectors; assert not {'torch', 'diffusers', 'numpy'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names() -> None:
    assert sorted(sega_vectors.__all__) == [
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
    for package in (sega_vectors, sega_store):
        assert all(hasattr(package, name) for name in package.__all__)
