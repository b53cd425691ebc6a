"""Measures transfer on a model, with the package's own recorder and applier and its judge.

For each concept and pair of prompts, at a fresh noise, four pictures of the target prompt: plain, with SEGA itself,
with the vector recorded on the source prompt at the *same* noise, and with the source prompt's vector from *another*
noise. The figure is the share of pictures in which the judge finds the concept, with Wilson's 95% interval; same
noise against other noise is compared pair by pair. Parameters are tuned on noises of other seeds than are reported.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from captions import article
from numpy.typing import NDArray
from pairs import Pair, control_of, study_pairs
from PIL import Image
from scipy import stats

from sega_store.records.algebra import moved
from sega_vectors import load_pipeline
from sega_vectors.judging.embedded_judge import Judge
from sega_vectors.judging.rates import wilson
from sega_vectors.judging.trials import Trials, draw_noises

CONDITIONS = ("plain", "SEGA itself", "same noise", "other noise")


@dataclass(frozen=True)
class Settings:
    """How pictures are made: the sampler's steps and guidance, SEGA's parameters, and the first seed.

    A vector is recorded while it guides, and fades as the concept appears, so it is applied with a larger scale
    (`apply_guidance_scale`, at the same noise and at the control's alike) than SEGA itself needs.
    """

    num_inference_steps: int = 20
    guidance_scale: float = 4.0
    edit_guidance_scale: float = 10.0
    edit_threshold: float = 0.8
    edit_warmup_steps: int = 2
    apply_guidance_scale: float = 15.0
    first_seed: int = 50_000

    @property
    def recorded(self) -> dict[str, Any]:
        """Edit parameters of recordings."""
        return {
            "edit_guidance_scale": self.edit_guidance_scale,
            "edit_threshold": self.edit_threshold,
            "edit_warmup_steps": self.edit_warmup_steps,
        }

    @property
    def applied(self) -> dict[str, Any]:
        """Those to apply with that are not as recorded."""
        return {"edit_guidance_scale": self.apply_guidance_scale}


CONCEPTS = ("glasses", "beard", "hat", "smile", "frown", "earrings", "scarf", "blush", "curly hair", "long hair")


def trials_of(pipe: Any, judge: Judge, settings: Settings, concept: str, prompts: Sequence[str]) -> Trials:
    """Trials of prompt i from noise i."""
    arguments = {"num_inference_steps": settings.num_inference_steps, "guidance_scale": settings.guidance_scale}
    seeds = range(settings.first_seed, settings.first_seed + len(prompts))
    return Trials(pipe, judge, concept, prompts, draw_noises(pipe, seeds, arguments), arguments, paired=True)


def measure(
    pipe: Any, judge: Judge, settings: Settings, concept: str, pairs: list[Pair]
) -> tuple[dict[str, Any], dict[str, Sequence[Image.Image]]]:
    """One concept's figures and pictures."""
    sources = trials_of(pipe, judge, settings, concept, [pair.source for pair in pairs])
    targets = replace(sources, prompts=[pair.target for pair in pairs])
    _, vectors = sources.record(settings.recorded)
    controls = [moved(vectors[control_of(pairs, i)], noise.facts) for i, noise in enumerate(targets.noises)]
    outcomes = {
        "plain": targets.run(),
        "SEGA itself": targets.record(settings.recorded)[0],
        "same noise": targets.run(vectors, settings.applied),
        "other noise": targets.run(controls, settings.applied),
    }
    pictures = {name: outcome.pictures for name, outcome in outcomes.items()}
    judged = {name: judge(images) for name, images in pictures.items()}
    found = {name: outcome.found for name, outcome in outcomes.items()}
    figures: dict[str, Any] = {}
    for kind in ("all", "medium", "attribute"):
        chosen = np.array([kind in ("all", pair.kind) for pair in pairs])
        figures[kind] = {name: share(found[name][chosen]) for name in CONDITIONS}
        itself, same, other = (found[name][chosen].mean() for name in CONDITIONS[1:])
        figures[kind]["same / itself"] = round(float(same / max(itself, 1e-9)), 3)
        figures[kind]["other / itself"] = round(float(other / max(itself, 1e-9)), 3)
    only_same = int((found["same noise"] & ~found["other noise"]).sum())
    only_other = int((found["other noise"] & ~found["same noise"]).sum())
    figures["paired"] = {
        "found at the same noise only": only_same,
        "found at another noise only": only_other,
        "p (exact McNemar)": float(stats.binomtest(only_same, max(1, only_same + only_other)).pvalue),
    }
    figures["own attributes kept"] = {
        name: share(np.array([judged[name][text][i] > 0.5 for i, pair in enumerate(pairs) for text in pair.expected]))
        for name in CONDITIONS
    }
    return figures, pictures


def share(found: NDArray[np.bool_]) -> dict[str, float]:
    """Proportion, interval and count."""
    low, high = wilson(int(found.sum()), len(found))
    return {"share": round(float(found.mean()), 4), "low": round(low, 4), "high": round(high, 4), "n": len(found)}


def asking(attribute: str, text: str, medium: str) -> str:
    """A prompt that asks for one value of an attribute."""
    if attribute == "medium":
        return f"{article(text)} of a person"
    if attribute == "family":
        return f"{article(medium)} of a {text}"
    if attribute == "background":
        return f"{article(medium)} of a person on a {text}"
    plain = text in ("glasses", "earrings", "blush") or text.endswith("hair")
    return f"{article(medium)} of a person with {text if plain else article(text)}"


def prompt_following(pipe: Any, judge: Judge, settings: Settings) -> dict[str, dict[str, float]]:
    """How often an attribute that the prompt asks for is found, per attribute."""
    figures = {}
    media = judge.attributes["medium"]
    for name, values in judge.attributes.items():
        texts = [values[i % len(values)] for i in range(160 if name == "worn" else 80)]
        prompts = [asking(name, text, media[i // len(values) % len(media)]) for i, text in enumerate(texts)]
        judged = judge(trials_of(pipe, judge, settings, texts[0], prompts).run().pictures)
        hits = np.array([judged[text][i] > 0.5 for i, text in enumerate(texts)])
        figures[name] = share(hits)
        if name == "worn":
            for text in values:
                figures[text] = share(hits[[t == text for t in texts]])
    return figures


def contact_sheet(pictures: dict[str, Sequence[Image.Image]], columns: int, path: Path) -> None:
    """One row a condition, evenly chosen pairs as columns."""
    sheet = Image.new("RGB", (columns * 128, len(CONDITIONS) * 128))
    count = len(pictures["plain"])
    for row, name in enumerate(CONDITIONS):
        for column in range(columns):
            sheet.paste(pictures[name][column * count // columns], (column * 128, row * 128))
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("embedded", type=Path, help="folder with model and judge")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--concepts", nargs="*", default=CONCEPTS)
    parser.add_argument("--pairs", type=int, default=128)
    for name, value in asdict(Settings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    arguments = parser.parse_args()
    settings = Settings(**{name: getattr(arguments, name) for name in asdict(Settings())})
    pipe, judge = load_pipeline(str(arguments.embedded / "model")), Judge.load(arguments.embedded / "judge")
    pairs = study_pairs(arguments.pairs)
    pipe.set_progress_bar_config(disable=True)
    figures: dict[str, Any] = {"settings": asdict(settings), "concepts": {}}
    began = time.monotonic()
    for concept in arguments.concepts:
        row, pictures = measure(pipe, judge, settings, concept, pairs)
        figures["concepts"][concept] = row
        contact_sheet(pictures, 12, arguments.out.with_name(f"{arguments.out.stem}_{concept.replace(' ', '_')}.png"))
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")
        shares = (f"{name} {row['all'][name]['share']:.2f}" for name in CONDITIONS)
        print(concept, *shares, f"{time.monotonic() - began:.0f} s", flush=True)
    figures["prompts followed"] = prompt_following(pipe, judge, settings)
    arguments.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures["prompts followed"], indent=2))


if __name__ == "__main__":
    main()
