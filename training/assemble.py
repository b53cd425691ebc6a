"""Assembles the stock pipeline folder and the judge, as they are shipped.

`python assemble.py RUN EMBEDDED` replaces EMBEDDED/model and EMBEDDED/judge by what RUN holds. Denoiser and
autoencoder are stored in half precision; they are loaded in single precision, and every published figure was measured
on the weights so rounded.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer
from unet import new_scheduler


def assemble(run: Path, unet: Path) -> StableDiffusionPipeline:
    """The pipeline of a training run, with the denoiser of folder `unet`."""
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(run / "vae").half(),
        text_encoder=CLIPTextModel.from_pretrained(run / "text_encoder", dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(run / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(unet).half(),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def forget_origin(folder: Path) -> None:
    """Takes the training machine's paths out of the configurations."""
    for path in folder.rglob("*.json"):
        config = json.loads(path.read_text())
        if config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2) + "\n")


def replace(new: Path, target: Path) -> None:
    """Puts folder `new` in the place of `target`; a reader sees the old one, the new one, or for an instant none."""
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("embedded", type=Path)
    parser.add_argument("--unet", type=Path, help="another folder of the denoiser (default: RUN/unet)")
    arguments = parser.parse_args()
    arguments.embedded.mkdir(parents=True, exist_ok=True)
    model, judge = arguments.embedded / "model.new", arguments.embedded / "judge.new"
    for folder in (model, judge):
        shutil.rmtree(folder, ignore_errors=True)
    assemble(arguments.run, arguments.unet or arguments.run / "unet").save_pretrained(model)
    forget_origin(model)
    replace(model, arguments.embedded / "model")
    if (arguments.run / "judge").exists():
        shutil.copytree(arguments.run / "judge", judge)
        replace(judge, arguments.embedded / "judge")


if __name__ == "__main__":
    main()
