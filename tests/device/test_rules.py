"""Every family keeps the rules of a device (`rules.py`), checked in processes of their own, some families in each."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.device import standin
from tests.vectors import modular
from tests.vectors.families import FAMILIES

_CHECKED = (*FAMILIES, *(f"guider:{name}" for name in modular.BLOCKS))
_PARTS = 4  # a process each, most of whose time goes to imports

needs_compiler = pytest.mark.skipif(standin.compiler() is None, reason="the stand-in device needs a C++ compiler")


@needs_compiler
@pytest.mark.parametrize("part", range(_PARTS))
def test_the_rules_of_a_device_are_kept(part: int) -> None:
    command = [sys.executable, "-m", "tests.device.check", *_CHECKED[part::_PARTS]]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["done"], done.stdout + done.stderr[-2000:]
