"""`sega-vec compare`."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sega_store import Library
from sega_store.analysis.similarity import cosine, overlap
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_noise, make_vector
from tests.store.samples import without_noise


def test_each_pair_has_a_row(sega_vec: SegaVec, library: Library) -> None:
    library.add(make_vector("hat", seed=22), make_noise(22))
    rows = [line.split("\t") for line in sega_vec("compare", "glasses", "smile", "hat").stdout.splitlines()]
    assert [row[:2] for row in rows] == [["glasses", "smile"], ["glasses", "hat"], ["smile", "hat"]]
    found = cosine(library["glasses"], library["smile"])
    assert rows[0][2] == f"{found.mean():.2f}"
    assert rows[0][4] == "1.00", "both act in the upper left corner"
    assert rows[0][5] == "██████"
    assert [row[6] for row in rows] == ["yes", "no: another noise", "no: another noise"]


def test_bars_of_all_pairs_have_one_measure(sega_vec: SegaVec, library: Library) -> None:
    vector = library["glasses"]
    dense = vector.dense()
    dense[..., 1] = 0
    half = type(vector).from_dense(vector.concept, dense, vector.timesteps, vector.sigmas, vector.provenance)
    library.add(half, name="half")
    row = sega_vec("compare", vector.id, "half").stdout.split("\t")
    assert row[4:6] == ["0.50", "▄▄▄▄▄▄"]


def test_json_has_every_step(sega_vec: SegaVec, library: Library) -> None:
    one, other = library["glasses"], library["smile"]
    (pair,) = json.loads(sega_vec("compare", "glasses", "smile", "--json").stdout)["pairs"]
    assert (pair["first"], pair["second"]) == (one.id, other.id)
    assert pair["cosine"] == pytest.approx(cosine(one, other))
    assert pair["overlap"] == pytest.approx(overlap(one, other))
    assert pair["mean_cosine"] == pytest.approx(cosine(one, other).mean())
    assert (pair["together"], pair["differs"]) == (True, [])


def test_a_step_without_entries_is_left_out(sega_vec: SegaVec, library: Library) -> None:
    vector = library["glasses"]
    dense = vector.dense()
    dense[0] = 0
    late = type(vector).from_dense(
        replace(vector.concept, text="late"), dense, vector.timesteps, vector.sigmas, vector.provenance
    )
    library.add(late)
    library.add(replace(0 * late, concept=replace(late.concept, text="empty")))
    (pair,) = json.loads(sega_vec("compare", "glasses", "late", "--json").stdout)["pairs"]
    assert pair["cosine"][0] is None
    assert pair["mean_cosine"] == pytest.approx(1)
    assert pair["overlap"] == [0, *[pytest.approx(1)] * 5]
    row = sega_vec("compare", "glasses", "empty").stdout.split("\t")
    assert (row[2], row[4]) == ("-", "0.00")


def test_what_goes_together_is_of_one_noise_and_one_model(sega_vec: SegaVec, library: Library) -> None:
    smile = library["smile"]
    library.add(without_noise(smile), name="free")
    model = replace(smile.provenance.model, fingerprint="e" * 64)
    library.add(replace(smile, provenance=replace(smile.provenance, model=model)), name="foreign")
    rows = [line.split("\t") for line in sega_vec("compare", "glasses", "free", "foreign").stdout.splitlines()]
    assert [row[6] for row in rows] == ["no: another noise", "no: another model", "no: another noise, model"]


def test_an_opposite_has_a_negative_cosine_and_full_bars(sega_vec: SegaVec, library: Library) -> None:
    library.add(-library["glasses"], name="opposite")
    row = sega_vec("compare", "glasses", "opposite").stdout.split("\t")
    assert row[2:6] == ["-1.00", "██████", "1.00", "██████"]


def test_what_cannot_be_compared(sega_vec: SegaVec, library: Library) -> None:
    assert "met one, glasses" in sega_vec("compare", "glasses", exit_code=2).stderr
    vector = make_vector("small")
    dense = vector.dense()[:, :, :4, :4]
    small = type(vector).from_dense(
        vector.concept, np.ascontiguousarray(dense), vector.timesteps, vector.sigmas, vector.provenance
    )
    library.add(small)
    assert "shapes must agree" in sega_vec("compare", "glasses", small.id, exit_code=4).stderr
