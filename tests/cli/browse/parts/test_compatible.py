"""Which vectors are more_vectors together."""

from dataclasses import replace

from sega_cli.browse.parts.compatible import candidates, unfit
from sega_store import Library
from tests.cli.samples import make_noise, make_vector
from tests.store.samples import without_noise


def test_those_of_the_same_noise_come_first_and_others_say_why(library: Library) -> None:
    library.add(make_vector("hat", seed=22), make_noise(22))
    glasses = library["glasses"]
    assert {candidate.entry.concept for candidate in candidates(library, [])} == {"glasses", "smile", "hat"}
    found = candidates(library, [glasses])
    assert [(candidate.entry.concept, candidate.reason) for candidate in found] == [
        ("smile", ""),
        ("hat", "another initial noise, seed 22 instead of seed 21"),
    ]
    assert [candidate.entry.concept for candidate in candidates(library, [glasses], "hat")] == ["hat"]
    assert candidates(library, [glasses], "nothing of it") == []


def test_a_vector_of_no_noise_cannot_be_applied(library: Library) -> None:
    vector = without_noise(make_vector("hat"))
    entry = library.entry(library.add(vector))
    for other in (None, library["glasses"], vector):
        assert "measured not to work: record the concept at" in unfit(library, entry, other)
    assert [bool(candidate.reason) for candidate in candidates(library, [], "hat")] == [True]


def test_another_model_fits_if_its_architecture_does(library: Library) -> None:
    glasses = library["glasses"]

    def of_model(text: str, **changes: str) -> str:
        vector = make_vector(text)
        facts = vector.provenance
        return library.add(replace(vector, provenance=replace(facts, model=replace(facts.model, **changes))))

    tuned = of_model("fine-tuned", id="another")
    other = of_model("other", id="third", denoiser="FluxTransformer2DModel")
    assert unfit(library, library.entry(tuned), glasses) == ""
    assert unfit(library, library.entry(other), glasses) == (
        "another architecture, FluxTransformer2DModel instead of UNet2DConditionModel"
    )
    assert [bool(candidate.reason) for candidate in candidates(library, [glasses])] == [False, False, True]
    library.path_of(tuned).write_bytes(b"damaged")
    assert "fine-tuned" not in {o.entry.concept for o in candidates(library, [glasses]) if not o.reason}
