"""A library, an export or a path from a stranger can't command the terminal, whatever the command."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sega_store import Concept, GuidanceVector, Library, export_vectors, write_vector
from sega_store.files.zip_container import pack
from sega_store.places.layout import vector_key
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_noise, make_vector

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\x08\x7f\r\u202e\u2066\u200f\U000e0041\u2028<b>\x00 end"
COMMANDS = ["ls", "show", "verify", "tag", "note", "rename", "export", "import", "rm"]


def evil_vector(text: str = EVIL) -> GuidanceVector:
    """A vector that says it in every field that takes any text."""
    plain = make_vector()
    facts = plain.provenance
    model = replace(facts.model, id=EVIL, revision=EVIL, fingerprint=EVIL, pipeline=EVIL, denoiser=EVIL, device=EVIL)
    run = replace(facts.run, prompt=EVIL, negative_prompt=EVIL, companions=(Concept(EVIL),), arguments={EVIL: EVIL})
    scheduler = replace(facts.scheduler, name=EVIL, config={EVIL: EVIL})
    facts = replace(facts, model=model, run=run, scheduler=scheduler, versions={EVIL: EVIL})
    return replace(plain, concept=Concept(text), provenance=facts)


def harmless(text: str) -> bool:
    """Whether a terminal is only made to show it."""
    return all(c.isprintable() or c in "\n\t" for c in text)


@pytest.fixture
def evil(folder: Path) -> Library:
    """A library of such a vector, of a damaged one, a false annotation and files of such names; in such a folder."""
    library = Library(folder / "evil\x1b[2J\x07\x9b")
    identity = library.add(evil_vector(), make_noise(21))
    library.annotate(identity, notes=EVIL)
    library.add(make_vector("plain"), make_noise(21))
    damaged = library.path_of(library.add(evil_vector("damaged" + EVIL)))
    contents = write_vector(evil_vector("damaged" + EVIL)).replace(b"epsilon", b"\x1b[2Jxyz")
    damaged.unlink()
    damaged.write_bytes(contents)
    ((library.root / vector_key(identity)).parent / "\x1b[2J.zarr.zip").write_bytes(b"")
    said = library.root / "annotations" / identity[:2] / f"{identity}.json"
    false = library.root / vector_key(library.resolve("plain"))
    other = library.root / "annotations" / false.name[:2] / f"{false.name.removesuffix('.zarr.zip')}.json"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(said.read_bytes().replace(b'"name":null', b'"name":"\\u001b[2J"'))
    return library


@pytest.mark.parametrize("option", ["", "--json", "--quiet"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_passes_control_characters_on(command: str, option: str, sega_vec: SegaVec, evil: Library) -> None:
    identity = evil.resolve(EVIL)
    export_vectors(evil, "good", [identity])
    options = [*filter(None, [option]), "--library", str(evil.root)]
    lines = {
        "ls": [["ls", *options], ["ls", *options, EVIL]],
        "show": [["show", *options, identity], ["show", *options, EVIL], ["show", *options, "\x07\x9b"]],
        "verify": [["verify", *options], ["verify", *options, EVIL]],
        "tag": [["tag", *options, identity, "+a", "-\x07\x9b"], ["tag", *options, identity, "+\x07\x9b"]],
        "note": [["note", *options, identity, EVIL]],
        "rename": [["rename", *options, identity, "\x07\x9b"], ["rename", *options, "plain", "a"]],
        "export": [["export", *options, identity, "out\x07\x9b.zip"], ["export", *options, "all\x07\x9b"]],
        "import": [["import", *options[:-1], "other\x07\x9b", path] for path in ("good", str(evil.root), "\x07\x9b")],
        "rm": [["rm", *options, EVIL, "--yes"], ["rm", *options, "\x07\x9b", "--yes"]],
    }
    for line in lines[command]:
        result = sega_vec(*line, exit_code=None)
        shown = result.stderr if option == "--quiet" else result.output  # for programs, a path is as it is
        assert harmless(shown), ascii(shown)
        if option == "--json" and result.stdout:
            json.loads(result.stdout)


def test_json_keeps_every_character(sega_vec: SegaVec, evil: Library) -> None:
    found = json.loads(sega_vec("ls", "--json", "--library", str(evil.root)).stdout)
    assert EVIL in {row["concept"] for row in found["vectors"]}
    shown = json.loads(sega_vec("show", "--json", "--library", str(evil.root), EVIL).stdout)
    assert shown["provenance"]["run"]["prompt"] == shown["notes"] == EVIL


@pytest.mark.parametrize(
    "name",
    ["\x1b[2J", "../../\x1b[2J", f"vectors/00/{'0' * 64}.{'0' * 64}.zarr.zip\x1b", "<script>", "\x9b"],
)
def test_a_refused_export_is_harmless_too(name: str, sega_vec: SegaVec, folder: Path) -> None:
    path = folder / "evil\x07\x9b.zip"
    path.write_bytes(pack({name if name.isascii() else "a": b"\x1b[2J"}))
    for option in ((), ("--json",), ("--quiet",)):
        assert harmless(sega_vec("import", str(path), *option, exit_code=1).output)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("arguments", [["ls"], ["ls", "-q"], ["show", EVIL.replace("\0", "")], ["verify", "-q"]])
def test_a_real_terminal_is_not_commanded(arguments: list[str], evil: Library) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "200"}
    line = [sys.executable, "-m", "sega_cli", *arguments, "--library", str(evil.root)]
    process = subprocess.Popen(line, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # the terminal of a process that has ended
        pass
    process.wait()
    os.close(ours)
    text = seen.decode().replace("\r\n", "\n")
    assert text
    assert harmless(text), ascii(text)
