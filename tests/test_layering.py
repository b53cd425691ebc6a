"""Arrows point one way, and the public names are pinned."""

import ast
import subprocess
import sys
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


def test_public_names() -> None:
    assert sorted(sega_vectors.__all__) == [
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
    for package in (sega_vectors, sega_store):
        assert all(hasattr(package, name) for name in package.__all__)
