"""On a CUDA device: the same results, and no wait for the host in the step loop."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sega_vectors import Applier, Concept, Library, PipelineError, Recorder, SegaGuidance
from sega_vectors.applier import _AppliedRun
from sega_vectors.recorder import _RecordedRun

from .tiny import stable_diffusion

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 6, "output_type": "latent"}


def record(pipe: Any) -> tuple[Recorder, torch.Tensor]:
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 1), Concept("hat", 4.0, 0.9, 1)])
    return recorder, recorder(**CALL, generator=torch.Generator().manual_seed(3)).images


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_record_then_apply_is_the_recorded_run(dtype: torch.dtype) -> None:
    pipe = stable_diffusion().to("cuda", dtype)
    recorder, recorded = record(pipe)
    applied = Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**CALL).images
    tolerance = {torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.2}[dtype]
    assert (applied - recorded).abs().max() < tolerance * recorded.abs().max()


def test_a_recording_of_the_cpu_applies_on_the_device() -> None:
    recorder, recorded = record(stable_diffusion())
    pipe = stable_diffusion().to("cuda")
    applied = Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**CALL).images
    assert (applied.cpu() - recorded).abs().max() < 1e-3 * recorded.abs().max()


def test_no_step_waits_for_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first step, in which the schedule is read once."""
    steps = {_RecordedRun: 0, _AppliedRun: 0}

    def strict(cls: Any) -> None:
        guide = cls.guide

        def guarded(self: Any, *args: Any) -> Any:
            steps[cls] += 1
            torch.cuda.set_sync_debug_mode("error" if steps[cls] > 1 else "default")
            try:
                return guide(self, *args)
            finally:
                torch.cuda.set_sync_debug_mode("default")

        monkeypatch.setattr(cls, "guide", guarded)

    strict(_RecordedRun)
    strict(_AppliedRun)
    pipe = stable_diffusion().to("cuda")
    recorder, _ = record(pipe)
    Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**CALL)
    assert steps == {_RecordedRun: 6, _AppliedRun: 6}


def test_the_guider_reads_timesteps_behind_none_of_the_steps(tmp_path: Path) -> None:
    """While the device is busy with a step, the next one's timestep is read without waiting for it."""
    pipe = stable_diffusion().to("cuda")
    recorder, _ = record(pipe)
    library = Library(tmp_path)
    for vector, noise in zip(recorder.vectors, recorder.noises, strict=True):
        library.add(vector, noise)
    guider = SegaGuidance(library, list(library), allow=["noise"])  # no denoiser is called that would show one
    timesteps = pipe.scheduler.timesteps.cuda()
    prediction = torch.zeros(1, 4, 16, 16, device="cuda")
    for step, timestep in enumerate(timesteps):
        guider.set_state(step, len(timesteps), timestep)
        guider.forward(prediction, prediction)
        if step == 0:
            torch.cuda.synchronize()
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            torch.cuda._sleep(2_000_000_000)  # type: ignore[no-untyped-call]  # cycles: about a second
            done.record()
    assert not done.query()  # type: ignore[no-untyped-call]


def test_model_cpu_offload() -> None:
    pipe = stable_diffusion().to("cuda")
    recorder, recorded = record(pipe)
    offloaded = stable_diffusion()
    offloaded.enable_model_cpu_offload()
    again, theirs = record(offloaded)
    assert (theirs - recorded).abs().max() < 1e-4 * recorded.abs().max()
    assert again.vectors[0].recipe == recorder.vectors[0].recipe
    for applier in (Applier(offloaded, recorder.vectors, noise=recorder.noises[0]), Applier(offloaded, again.vectors)):
        applied = applier(**CALL, generator=torch.Generator().manual_seed(3)).images
        assert (applied - recorded).abs().max() < 1e-4 * recorded.abs().max()
    assert {p.device.type for p in offloaded.unet.parameters()} == {"cpu"}


def test_sequential_cpu_offload_is_refused() -> None:
    pipe = stable_diffusion()
    pipe.enable_sequential_cpu_offload()
    with pytest.raises(PipelineError, match="enable_model_cpu_offload"):
        record(pipe)


@pytest.mark.parametrize("in_place", [False, True])
def test_compilation_with_inductor(in_place: bool) -> None:
    torch._dynamo.reset()
    pipe = stable_diffusion().to("cuda")
    recorder, recorded = record(pipe)
    if in_place:
        pipe.unet.compile(fullgraph=True)
    else:
        pipe.unet = torch.compile(pipe.unet, fullgraph=True)
    pipe(**CALL)
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    with torch.compiler.set_stance("fail_on_recompile"):
        applied = applier(**CALL).images
    assert (applied - recorded).abs().max() < 1e-3 * recorded.abs().max()
