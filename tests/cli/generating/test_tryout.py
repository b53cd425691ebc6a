"""What a vector is tried with where the command line says nothing."""

from sega_cli.generating.tryout import Tryout, describe_success, success
from tests.cli.samples import make_vector


def test_the_embedded_model_has_a_judge_and_prompts() -> None:
    asked = Tryout.of(make_vector(prompt="a photograph of a man"), None)
    assert (asked.model, asked.judge) == ("embedded", "embedded")
    assert len(asked.prompts) == len(set(asked.prompts)) == 11
    assert "a photograph of a man" not in asked.prompts, "what was recorded on isn't tried by default"


def test_what_is_given_counts() -> None:
    asked = Tryout.of(make_vector(), "embedded", ["a king"], "clip:somebody/clip")
    assert asked == Tryout("embedded", "clip:somebody/clip", ["a king"])


def test_another_model_has_neither() -> None:
    assert Tryout.of(make_vector(), "somebody/model") == Tryout("somebody/model", None, [])


def test_a_rate_comes_with_its_interval() -> None:
    found = success(9, 12)
    assert (found["shown"], found["of"], found["rate"]) == (9, 12, 0.75)
    assert describe_success(9, 12) == "9/12 pictures (0.75, 95% 0.47-0.91)"
