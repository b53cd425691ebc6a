"""Every family keeps the rules of a device (`rules.py`), checked in processes of their own, some families in each."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.device import standin
from tests.vectors import modular
from tests.vectors.families import FAMILIES

_ALL = (*FAMILIES, *(f"guider:{name}" for name in modular.BLOCKS))
_ALWAYS = ("sd", "flux", "guider:qwen_image")  # rows appended, calls repeated and packed, a guider and packed
_OTHERS = [name for name in _ALL if name not in _ALWAYS]
_PARTS = 3  # a process each, since one process can have one device of its own

needs_compiler = pytest.mark.skipif(standin.compiler() is None, reason="the stand-in device needs a C++ compiler")


def broken(*names: str) -> str:
    """What the check of some families in a process of its own says, but for its last line."""
    command = [sys.executable, "-m", "tests.device.check", *names]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return "" if lines == ["done"] else done.stdout + done.stderr[-2000:]


@needs_compiler
def test_the_rules_of_a_device_are_kept() -> None:
    assert not broken(*_ALWAYS)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("part", range(_PARTS))
def test_the_rules_of_a_device_are_kept_by_the_other_families(part: int) -> None:
    assert not broken(*_OTHERS[part::_PARTS])
