"""A torch device, `standin`, whose memory is the CPU's: what holds on it of devices, holds on a GPU.

It is built by one call of the C++ compiler, and kept in the user's cache folder, by torch's version and the source.
Registering it is for the whole process, so the tests load it in processes of their own.
"""

import hashlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
import types
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch.utils.backend_registration import generate_methods_for_privateuse1_backend, rename_privateuse1_backend

DEVICE = "standin"
_SOURCE = Path(__file__).with_name("standin.cpp")


def compiler() -> str | None:
    """The C++ compiler, from $CXX or the PATH; None where there is none."""
    return next(
        (found for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++") if (found := shutil.which(name))), None
    )


def built() -> Path:
    """The device's shared library, built where no process has built it yet.

    Processes that build it at the same time each build a whole one; the last to be renamed stays.

    Raises:
        RuntimeError: The compiler fails.
    """
    facts = f"{torch.__version__} {sysconfig.get_platform()}".encode()
    name = f"standin-{hashlib.sha256(facts + _SOURCE.read_bytes()).hexdigest()[:16]}.so"
    library = platformdirs.user_cache_path("sega-vectors") / "tests" / name
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    root = Path(torch.__file__).parent
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / name
        includes = [f"-I{root / 'include'}", f"-I{root / 'include/torch/csrc/api/include'}"]
        abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"
        links = [f"-L{root / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10"]
        command = [str(compiler()), "-std=c++20", "-O0", "-w", "-fPIC", "-shared", abi, *includes, str(_SOURCE)]
        done = subprocess.run([*command, "-o", str(made), *links], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the stand-in device must compile, met {done.stderr[-2000:]}")
        made.replace(library)
    return library


def load() -> None:
    """Register the device with this process's torch."""
    rename_privateuse1_backend(DEVICE)
    torch._register_device_module(DEVICE, _module())  # type: ignore[no-untyped-call]
    torch.ops.load_library(str(built()))  # type: ignore[no-untyped-call]
    generate_methods_for_privateuse1_backend(for_storage=True)
    _operators.impl("native_group_norm", _group_norm, "PrivateUse1")  # type: ignore[no-untyped-call]
    _operators.impl("convolution_overrideable", _convolution, "PrivateUse1")  # type: ignore[no-untyped-call]


_operators = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]


def _convolution(sample: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *settings: Any) -> torch.Tensor:
    of_host = torch.ops.aten.convolution(sample.cpu(), weight.cpu(), None if bias is None else bias.cpu(), *settings)
    return of_host.to(sample.device)  # type: ignore[no-any-return]


def _group_norm(sample: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, *settings: Any) -> Any:
    """Torch's own composite of it takes no channels-last sample."""
    affine = [None if t is None else t.cpu() for t in (weight, bias)]
    return tuple(t.to(sample.device) for t in torch.ops.aten.native_group_norm(sample.cpu(), *affine, *settings))


class _DeviceGuard:
    def __init__(self, device: object) -> None: ...

    def __enter__(self) -> "_DeviceGuard":
        return self

    def __exit__(self, *fault: object) -> None: ...


def _module() -> types.ModuleType:
    """What torch expects of a device's module, `torch.cuda` being one."""
    module: Any = types.ModuleType(f"torch.{DEVICE}")
    module.is_available = module.is_initialized = lambda: True
    module.device_count = lambda: 1
    module.current_device = lambda: 0
    module._is_in_bad_fork = lambda: False
    module.manual_seed = module.manual_seed_all = lambda seed: None
    module.get_rng_state = lambda device=None: torch.Generator().get_state()
    module.set_rng_state = lambda state, device=None: None
    module.get_amp_supported_dtype = lambda: [torch.float16, torch.bfloat16]
    module.empty_cache = module._lazy_init = lambda: None
    module.synchronize = lambda device=None: None
    module.device = _DeviceGuard
    return module  # type: ignore[no-any-return]
