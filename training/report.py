"""Puts the measured figures beside the model and into its card, between the markers, with the picture of glasses."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluate import CONDITIONS


def proportion(share: Mapping[str, float]) -> str:
    """As `.81 [.73, .87]`."""
    value, low, high = (f"{share[key]:.2f}".removeprefix("0") for key in ("share", "low", "high"))
    return f"{value} [{low}, {high}]"


def transfer_table(figures: Mapping[str, Any]) -> str:
    """The study's main table."""
    lines = [
        f"| concept | pairs differ in | n | {' | '.join(CONDITIONS)} | same / itself | other / itself |",
        "|" + "---|" * (len(CONDITIONS) + 5),
    ]
    for concept, rows in figures["concepts"].items():
        for kind in ("all", "medium", "attribute"):
            row = rows[kind]
            cells = [proportion(row[name]) for name in CONDITIONS]
            ratios = [f"{row[name]:.2f}" for name in ("same / itself", "other / itself")]
            title = {"all": "either", "medium": "medium", "attribute": "hair colour, background or family"}[kind]
            lines.append(f"| {concept} | {title} | {row['plain']['n']} | {' | '.join([*cells, *ratios])} |")
    return "\n".join(lines)


def paired_table(figures: Mapping[str, Any]) -> str:
    """Same noise against other noise, pair by pair, and what becomes of the target prompt's own attributes."""
    lines = [
        f"| concept | only at the same noise | only at another | p (exact McNemar) | kept: {', '.join(CONDITIONS)} |",
        "|---|---|---|---|---|",
    ]
    for concept, rows in figures["concepts"].items():
        only_same, only_other, p = rows["paired"].values()
        kept = ", ".join(f"{rows['own attributes kept'][name]['share']:.2f}" for name in CONDITIONS)
        lines.append(f"| {concept} | {only_same} | {only_other} | {p:.1e} | {kept} |")
    return "\n".join(lines)


def following_table(figures: Mapping[str, Any]) -> str:
    """How often prompts are followed."""
    lines = ["| attribute asked for | found | n |", "|---|---|---|"]
    for name, share in figures["prompts followed"].items():
        lines.append(f"| {name} | {proportion(share)} | {share['n']} |")
    return "\n".join(lines)


def judge_table(judge: Mapping[str, Mapping[str, float]]) -> str:
    """The judge's accuracy on held-out figures."""
    names = list(next(iter(judge.values())))
    lines = [f"| held-out pictures | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    titles = {"held": "renders", "held, reconstructed": "reconstructions", "held_decoys": "decoys"}
    for name, row in judge.items():
        title = titles.get(name, "decoys, reconstructed")
        lines.append(f"| {title} | {' | '.join(f'{row[n]:.3f}' for n in names)} |")
    return "\n".join(lines)


def fill(card: str, name: str, text: str) -> str:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    if not re.search(pattern, card, re.S):
        raise ValueError(f"the card must have the markers <!-- {name} --> and <!-- /{name} -->")
    return re.sub(pattern, lambda match: match[1] + text + "\n" + match[2], card, flags=re.S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder with figures.json, figures_glasses.png and judge.json")
    parser.add_argument("embedded", type=Path, help="folder of the model and its card")
    arguments = parser.parse_args()
    figures = json.loads((arguments.run / "figures.json").read_text())
    judge = json.loads((arguments.run / "judge.json").read_text())
    path = arguments.embedded / "README.md"
    card = path.read_text(encoding="utf-8")
    for name, text in {
        "transfer": transfer_table(figures),
        "paired": paired_table(figures),
        "prompts": following_table(figures),
        "judge": judge_table(judge),
    }.items():
        card = fill(card, name, text)
    path.write_text(card, encoding="utf-8")
    shutil.copyfile(arguments.run / "figures.json", arguments.embedded / "figures.json")
    shutil.copyfile(arguments.run / "figures_glasses.png", arguments.embedded / "transfer.png")


if __name__ == "__main__":
    main()
