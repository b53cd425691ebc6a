"""Whatever a file of 32 MiB of arrays is like, no operation takes 500 MiB for it.

Each operation runs in a process of its own, forked from one that has done it all with a small vector, and the kernel
tells its largest resident set.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sega_store import Concept, GuidanceVector, InitialNoise, Library, Preview, export_vectors
from sega_store.display.pictures import MAX_PIXELS
from sega_store.files.codec import ALWAYS_BYTES
from sega_store.files.header import MAX_STEPS
from tests.store.samples import noise, provenance, steps, vector

ROOT = Path(__file__).parents[2]
MOST = 500 << 20
OPERATIONS = (
    "verify", "ls", "show", "show --json", "compare", "page", "acts", "before", "steps", "channel-0", "noise",
    "zip", "folder", "zarr", "safetensors", "import", "pull", "site", "notebook", "sum",
)  # fmt: skip


def large(
    shape: tuple[int, ...],
    every: int,
    dtype: str = "float32",
    preview: Preview | None = None,
    initial: InitialNoise | None = None,
) -> GuidanceVector:
    """A vector with one entry in so many."""
    support = np.zeros(int(np.prod(shape)), bool)
    support[::every] = True
    count = int(support.sum())
    values = (np.random.default_rng(0).random(count, np.float32) + 0.5).astype(dtype)
    facts = provenance(initial)
    concept = Concept("large", edit_threshold=0.0)
    return GuidanceVector(concept, support.reshape(shape), values, dtype, *steps(shape[0]), facts, preview)


def ballast(side: int, size: int) -> bytes:
    """A picture of a few kilobytes that unfolds, with junk behind it."""
    written = io.BytesIO()
    Image.new("RGB", (side, side)).save(written, "PNG")
    return written.getvalue() + np.random.default_rng(0).bytes(size)


def of_large_noise() -> tuple[GuidanceVector, InitialNoise]:
    initial = noise(3, (1, ALWAYS_BYTES // 4 - 1))
    return large((1, *initial.shape), 4001, initial=initial), initial


def preview() -> Preview:
    side = int(MAX_PIXELS**0.5)
    return Preview(ballast(side, 15 << 20), ballast(side, 15 << 20), "image/png")


HOSTILE: dict[str, Callable[[], tuple[GuidanceVector, InitialNoise | None]]] = {
    "all entries kept": lambda: (large((50, 4, 230, 230), 1, "float16"), None),
    "one large plane": lambda: (large((1, 1, ALWAYS_BYTES - (1 << 16)), 4001), None),
    "channels alone": lambda: (large((1, ALWAYS_BYTES - (1 << 16), 1), 4001), None),
    "many steps": lambda: (large((MAX_STEPS, 1, 470), 401), None),
    "a preview of ballast": lambda: (large((3, 2, 16), 3, preview=preview()), None),
    "a large noise": of_large_noise,
}

QUICK = ("all entries kept", "one large plane")

MEASURE = """
import contextlib, io, json, os, sys, tempfile
from pathlib import Path
from starlette.testclient import TestClient
from sega_cli.browse.app import create_app
from sega_cli.browse.security import Access
from sega_cli.main import main
from sega_store import Library, copy_vectors, export_vectors, import_vectors

def do(operation, where, bundle):
    library = Library(where)
    (identity,) = library
    there = Path(tempfile.mkdtemp(dir=sys.argv[1]), "there")
    client = TestClient(create_app(library, Access(frozenset({"testserver"}))))
    def page(path):
        with client.stream("GET", path) as answer:
            assert answer.status_code in (200, 404), answer.status_code
            for part in answer.iter_raw():
                pass
    commands = {"verify": ["verify"], "ls": ["ls"], "show": ["show", identity],
                "show --json": ["show", identity, "--json"],
                "compare": ["compare", identity, identity], "site": ["browse", "--export", str(there)]}
    pages = {"page": f"/vectors/{identity}", "noise": f"/noises/{library.entry(identity).noise}/picture.png"}
    if operation in commands:
        with contextlib.redirect_stdout(io.StringIO()):
            main([*commands[operation], "--library", where], standalone_mode=False)
    elif operation in ("zip", "folder", "zarr", "safetensors"):
        export_vectors(library, there.with_suffix("" if operation == "folder" else f".{operation}"), (), operation)
    elif operation == "import":
        import_vectors(Library(there), bundle)
    elif operation == "pull":
        copy_vectors(library, Library(there))
    elif operation == "notebook":
        library[identity]._repr_html_(), library._repr_html_()
    elif operation == "sum":
        library[identity] + library[identity]
    elif operation == "noise" and not list(library.files.keys("noise/")):
        pass
    else:
        page(pages.get(operation, f"/pictures/{identity}/{operation}.png"))

job = json.load(sys.stdin)
for operation in job["operations"]:
    do(operation, *job["small"])  # which imports what it needs
for operation in job["operations"]:
    used = {}
    for name in ("small", "large"):
        child = os.fork()
        if not child:
            try:
                do(operation, *job[name])
            except BaseException as error:
                print(operation, repr(error), file=sys.stderr)
                os._exit(1)
            os._exit(0)
        _, status, usage = os.wait4(child, 0)
        assert status == 0, operation
        used[name] = usage.ru_maxrss * 1024
    print(json.dumps([operation, used["large"] - used["small"]]))
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "case", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in HOSTILE]
)
def test_no_operation_takes_much_memory(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGA_VEC_CACHE", str(tmp_path / "cache"))
    job: dict[str, object] = {"operations": OPERATIONS}
    for name, (kept, initial) in {"small": (vector(), noise()), "large": HOSTILE[case]()}.items():
        library = Library(tmp_path / name)
        library.add(kept, initial)
        export_vectors(library, tmp_path / f"{name}.zip")
        job[name] = [str(tmp_path / name), str(tmp_path / f"{name}.zip")]
    del kept
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        input=json.dumps(job), capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    used = dict(map(json.loads, done.stdout.splitlines()))
    assert list(used) == list(OPERATIONS)
    assert {operation: size >> 20 for operation, size in used.items() if size > MOST} == {}
