"""Headers from JSON written by hand: what is read of them, and each way in which they are refused."""

import copy
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from sega_store import Concept, InvalidInputError, write_vector
from sega_store.files.header import NoiseHeader, PreviewHeader, VectorHeader, parse_root, root_json
from sega_store.files.vector_file import check_vector_size
from sega_store.files.zip_container import pack
from sega_store.records.json_record import MAX_JSON_BYTES
from tests.store.samples import provenance, vector

Facts = dict[str, Any]

VECTOR: Facts = json.loads("""{
  "concept": {
    "edit_cooldown_steps": 20, "edit_guidance_scale": 5.0, "edit_threshold": 0.95, "edit_warmup_steps": 10,
    "edit_weight": 1.0, "keep_threshold": 0.9, "reverse_editing_direction": false, "text": "glasses"
  },
  "content": "4de55b3235dde27add949f553e67c98a5a61b7a2e70721e472a4cfebeb0cdbd6",
  "dtype": "float16",
  "format": 2,
  "kind": "vector",
  "nnz": 3,
  "preview": {"after": 14, "before": 11, "media_type": "image/png"},
  "provenance": {
    "created": "2026-01-01T00:00:00.000000Z",
    "derived_from": ["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"],
    "model": {
      "denoiser": "UNet2DConditionModel", "device": "cpu", "dtype": "float16", "fingerprint": "abab", "id": "embedded",
      "pipeline": "StableDiffusionPipeline", "revision": "main"
    },
    "noise": {
      "device": "cpu", "dtype": "float16", "seed": 21,
      "sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
    },
    "run": {
      "arguments": {"eta": 0.5}, "companions": [], "edit_mom_beta": 0.4, "edit_momentum_scale": 0.1,
      "guidance_scale": 7.5, "guide": true, "negative_prompt": "blurry", "num_inference_steps": 2, "prompt": "a king"
    },
    "scheduler": {"config": {"steps_offset": 1}, "name": "DDIMScheduler", "prediction_type": "epsilon"},
    "versions": {"diffusers": "0.36.0"}
  },
  "shape": [2, 1, 3]
}""")
NOISE: Facts = json.loads("""{
  "device": "cpu",
  "dtype": "float32",
  "format": 1,
  "kind": "noise",
  "seed": 21,
  "sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
  "shape": [2, 4, 4]
}""")


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def recipe_of(facts: Facts) -> str:
    """The hash of what was asked for, as the format's page has it."""
    made = facts["provenance"]
    asked = {
        "concept": facts["concept"],
        "derived_from": made["derived_from"],
        "model": {name: made["model"].get(name) for name in ("dtype", "fingerprint", "pipeline")},
        "noise": made["noise"].get("sha256"),
        "run": made["run"],
        "scheduler": made["scheduler"],
        "version": "sega-recipe-1",
    }
    return hashlib.sha256(canonical(asked)).hexdigest()


def changed(facts: Facts, path: str, value: Any) -> Facts:
    """The facts with another value at a path of names and numbers."""
    facts = copy.deepcopy(facts)
    *parents, last = (int(name) if name.isdecimal() else name for name in path.split("."))
    at: Any = facts
    for name in parents:
        at = at[name]
    at[last] = value
    return facts


def root(facts: Facts) -> bytes:
    """A root with the given facts; a vector's recipe is right, whatever else isn't."""
    if "concept" in facts and "recipe" not in facts:
        facts = facts | {"recipe": recipe_of(facts)}
    return canonical({"attributes": {"sega_vectors": facts}, "node_type": "group", "zarr_format": 3})


def read(path: str, value: Any) -> VectorHeader:
    return parse_root(root(changed(VECTOR, path, value)), VectorHeader)


def leaves(facts: Any, path: str = "") -> dict[str, Any]:
    """The values that are no objects, by their paths; without those whose keys are anybody's."""
    if not isinstance(facts, dict):
        return {path: facts}
    return {
        leaf: value
        for name, inner in facts.items()
        if name not in ("config", "arguments", "versions")
        for leaf, value in leaves(inner, f"{path}.{name}".removeprefix(".")).items()
    }


def objects(facts: Facts, path: str = "") -> list[str]:
    """The paths of the objects with fixed keys."""
    inner = [name for name, value in facts.items() if isinstance(value, dict)]
    inner = [name for name in inner if name not in ("config", "arguments", "versions")]
    return [path, *(one for name in inner for one in objects(facts[name], f"{path}.{name}".removeprefix(".")))]


def nested(depth: int) -> Any:
    """Lists in each other, so deep."""
    inner: Any = []
    for _ in range(depth - 1):
        inner = [inner]
    return inner


def test_what_is_read_of_a_vector() -> None:
    header = parse_root(root(VECTOR), VectorHeader)
    assert root_json(header) == root(VECTOR)
    assert (header.format, header.kind, header.shape, header.dtype, header.nnz) == (
        2,
        "vector",
        (2, 1, 3),
        "float16",
        3,
    )
    assert header.id == f"{recipe_of(VECTOR)}.{VECTOR['content']}"
    assert header.concept == Concept("glasses", 5.0, 0.95, 10, 20)
    assert header.preview == PreviewHeader("image/png", 11, 14)
    facts = header.provenance
    assert (facts.model.id, facts.model.revision, facts.scheduler.config) == ("embedded", "main", {"steps_offset": 1})
    assert (facts.noise.seed, facts.run.negative_prompt, facts.run.arguments) == (21, "blurry", {"eta": 0.5})
    assert (facts.versions, facts.created) == ({"diffusers": "0.36.0"}, "2026-01-01T00:00:00.000000Z")
    assert len(facts.derived_from) == 1


def test_what_is_read_of_a_noise() -> None:
    header = parse_root(root(NOISE), NoiseHeader)
    assert header == NoiseHeader(1, "noise", "cd" * 32, (2, 4, 4), "float32", 21, "cpu")
    assert root_json(header) == root(NOISE)


@pytest.mark.parametrize(
    "path",
    [
        "preview",
        "concept.edit_cooldown_steps",
        "provenance.model.revision",
        "provenance.noise.seed",
        "provenance.run.guidance_scale",
        "provenance.run.negative_prompt",
    ],
)
def test_what_may_be_null(path: str) -> None:
    facts = changed(VECTOR, path, None)
    assert root_json(parse_root(root(facts), VectorHeader)) == root(facts)


MAY_BE_NULL = {"edit_cooldown_steps", "revision", "seed", "guidance_scale", "negative_prompt"}


@pytest.mark.parametrize("path", leaves(VECTOR))
def test_a_value_of_another_type_is_refused(path: str) -> None:
    """A float is no integer, nor the reverse; true is no 1."""
    value = leaves(VECTOR)[path]
    others: list[Any] = [{}, [{}], "1", 1, 1.0, True]
    if path.split(".")[-1] not in MAY_BE_NULL:
        others.append(None)
    for other in others:
        if type(other) is not type(value) or other == [{}]:
            with pytest.raises(InvalidInputError):
                read(path, other)


@pytest.mark.parametrize("path", leaves(NOISE))
def test_a_noises_value_of_another_type_is_refused(path: str) -> None:
    others: list[Any] = [{}, [{}], "1", 1, 1.0, True]
    for other in others:
        if type(other) is not type(NOISE[path]) or other == [{}]:
            with pytest.raises(InvalidInputError):
                parse_root(root(changed(NOISE, path, other)), NoiseHeader)


@pytest.mark.parametrize("path", objects(VECTOR))
def test_keys_are_all_there_and_no_others(path: str) -> None:
    facts: Any = VECTOR
    for name in filter(None, path.split(".")):
        facts = facts[name]
    for keys in (facts | {"more": 1}, *({name: facts[name] for name in facts if name != less} for less in facts)):
        whole = changed(VECTOR, path, keys) if path else keys
        if "recipe" not in whole:
            whole = whole | {"recipe": recipe_of(VECTOR)}
        with pytest.raises(InvalidInputError, match=r"keys|of format None"):
            parse_root(root(whole), VectorHeader)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 0, "of format 0, this version reads 1 and 2"),
        ("format", 3, "of format 3, this version reads 1 and 2; upgrade"),
        ("kind", "noise", "it holds a noise, expected a vector"),
        ("content", "4D" * 32, "content must be a sha256 as 64 lower-case"),
        ("content", "4d" * 31, "content must be a sha256"),
        ("recipe", "0" * 64, "recipe isn't the hash of its facts"),
        ("shape", [2, 3], "from 3 to 16 dimensions"),
        ("shape", [1] * 17, "from 3 to 16 dimensions"),
        ("shape", [2, 0, 3], "none of them 0"),
        ("shape", [2, -1, 3], "none of them 0"),
        ("shape", [1 << 20, 1 << 20, 2], "more than 1099511627776 elements"),
        ("dtype", "float64", "expected one of float32, float16, bfloat16"),
        ("nnz", -1, "nnz is -1"),
        ("nnz", 7, "nnz is 7, for a shape of"),
        ("preview.media_type", "text/html", "media_type"),
        ("preview.before", 0, "preview.before must be a whole number of at least 1, met 0"),
        ("preview.after", -5, "preview.after must be a whole number of at least 1, met -5"),
        ("preview.after", 1 << 63, "preview.after must be a whole number of at most 9223372036854775807"),
        ("concept.text", " ", "blank"),
        ("concept.edit_threshold", 1.0, "edit_threshold"),
        ("concept.edit_threshold", -0.5, "edit_threshold"),
        ("concept.edit_warmup_steps", -1, "edit_warmup_steps must be a whole number of at least 0, met -1"),
        ("concept.edit_warmup_steps", 1 << 63, "edit_warmup_steps must be a whole number of at most 9223372036854775"),
        ("concept.edit_cooldown_steps", -1, "edit_cooldown_steps must be a whole number of at least 0, met -1"),
        ("concept.edit_weight", -1.0, "edit_weight"),
        ("concept.keep_threshold", 0.96, "keep_threshold"),
        ("provenance.model.id", "", "ModelFacts.id must not be blank"),
        ("provenance.model.fingerprint", " \t", "ModelFacts.fingerprint must not be blank"),
        ("provenance.model.pipeline", "\n", "ModelFacts.pipeline must not be blank"),
        ("provenance.model.denoiser", "", "ModelFacts.denoiser must not be blank"),
        ("provenance.model.dtype", "", "ModelFacts.dtype must not be blank"),
        ("provenance.model.device", "", "ModelFacts.device must not be blank"),
        ("provenance.scheduler.name", "", "SchedulerFacts.name must not be blank"),
        ("provenance.scheduler.prediction_type", "noise", "epsilon, v_prediction, sample, flow_prediction"),
        ("provenance.noise.sha256", "cd", "NoiseFacts.sha256 must be a sha256"),
        ("provenance.noise.device", "", "NoiseFacts.device must not be blank"),
        ("provenance.noise.dtype", "", "NoiseFacts.dtype must not be blank"),
        ("provenance.run.num_inference_steps", 0, "num_inference_steps must be a whole number of at least 1, met 0"),
        ("provenance.run.edit_mom_beta", 1.5, "edit_mom_beta"),
        ("provenance.run.edit_mom_beta", -0.5, "edit_mom_beta"),
        ("provenance.run.companions", [{"text": "hat"}], "Concept must be an object with the keys"),
        ("provenance.versions", {"torch": ""}, r"versions\['torch'\] must not be blank"),
        ("provenance.versions", {"torch": " \t\n"}, r"versions\['torch'\] must not be blank"),
        ("provenance.versions", {" ": "2.0"}, "A library's name must not be blank"),
        ("provenance.versions", {"torch": 2}, r"versions\['torch'\] must be of type"),
        ("provenance.derived_from", ["xy"], "derived_from must be a sha256"),
    ],
)  # fmt: skip
def test_a_value_that_breaks_a_rule_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read(path, value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 2, "of format 2, this version reads 1; upgrade"),
        ("kind", "vector", "it holds a vector, expected a noise"),
        ("sha256", "CD" * 32, "sha256 must be a sha256"),
        ("shape", [4], "from 2 to 16 dimensions"),
        ("shape", [1] * 17, "from 2 to 16 dimensions"),
        ("shape", [4, 0], "none of them 0"),
        ("shape", [1 << 20, 1 << 21], "more than 1099511627776 elements"),
        ("dtype", "uint16", "expected one of float32, float16, bfloat16"),
    ],
)
def test_a_noises_value_that_breaks_a_rule_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_root(root(changed(NOISE, path, value)), NoiseHeader)


SEEDS = [
    (-1, "seed must be a whole number of at least 0, met -1"),
    (18446744073709551616, "seed must be a whole number of at most 18446744073709551615"),
    (10**99, "seed must be a whole number of at most 18446744073709551615"),
]


@pytest.mark.parametrize("seed", [0, 1 << 63, 18446744073709551615])
def test_seeds_are_from_0_to_2_to_the_64th_less_1(seed: int) -> None:
    assert read("provenance.noise.seed", seed).provenance.noise.seed == seed
    assert parse_root(root(changed(NOISE, "seed", seed)), NoiseHeader).seed == seed


@pytest.mark.parametrize(("seed", "message"), SEEDS)
def test_other_seeds_are_refused(seed: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=f"NoiseFacts.{message}"):
        read("provenance.noise.seed", seed)
    with pytest.raises(InvalidInputError, match=f"^{message}"):
        parse_root(root(changed(NOISE, "seed", seed)), NoiseHeader)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("path", ["provenance.scheduler.config", "provenance.run.arguments"])
def test_an_integer_has_at_most_100_digits(path: str, sign: str) -> None:
    most = int(sign + "9" * 100)
    facts = changed(VECTOR, path, {"a": most})
    assert root_json(parse_root(root(facts), VectorHeader)) == root(facts)
    for digits in (101, 4300, 4301, 100_000):  # Python itself reads no more than 4,300
        text = root(facts).replace(b"9" * 100, b"9" * digits)
        with pytest.raises(InvalidInputError, match=f"an integer has {digits} digits, more than the limit of 100"):
            parse_root(text, VectorHeader)


@pytest.mark.parametrize("value", [b"1e400", b"-1e400", b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("place", [b'"eta":0.5', b'"guidance_scale":7.5', b'"edit_weight":1.0'])
def test_numbers_are_finite(place: bytes, value: bytes) -> None:
    good = root(VECTOR)
    assert good.count(place) == 1
    with pytest.raises(InvalidInputError, match="finite"):
        parse_root(good.replace(place, place.split(b":")[0] + b":" + value), VectorHeader)


@pytest.mark.parametrize("created", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
def test_times_are_in_the_years_1_to_9999(created: str) -> None:
    assert read("provenance.created", created).provenance.created == created
    assert replace(provenance(), created=created).created == created


@pytest.mark.parametrize(
    "created",
    [
        "0000-12-31T23:59:59.999999Z",
        "10000-01-01T00:00:00.000000Z",
        "0001-01-01T00:00:00.000000+00:01",  # the year 0 in UTC
        "9999-12-31T23:59:59.999999-00:01",  # the year 10000 in UTC
        "2026-02-29T00:00:00.000000Z",
        "2026-01-01T00:00:00.000000",
        "2026-01-01T00:00:00.000000+25:00",
        "",
    ],
)
def test_other_times_are_refused(created: str) -> None:
    message = "created must be an ISO 8601 time with a time zone, in the years 1 to 9999 of UTC"
    with pytest.raises(InvalidInputError, match=message):
        read("provenance.created", created)
    with pytest.raises(InvalidInputError, match=message):
        replace(provenance(), created=created)


@pytest.mark.parametrize(
    "created",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000000+00:00",
        "2026-01-01T01:00:00.000000+01:00",
        "2026-01-01 00:00:00.000000Z",
        "20260101T000000.000000Z",
    ],
)
def test_a_time_in_another_form_is_refused(created: str) -> None:
    with pytest.raises(InvalidInputError, match="canonical form"):
        read("provenance.created", created)


def test_json_is_at_most_32_deep() -> None:
    """A config's values are at depth 7: root, attributes, facts, provenance, scheduler and config are around them."""
    facts = changed(VECTOR, "provenance.scheduler.config", {"a": nested(26)})
    header = parse_root(root(facts), VectorHeader)
    assert root_json(header) == root(facts)
    deeper = root(changed(VECTOR, "provenance.scheduler.config", {"a": nested(27)}))
    with pytest.raises(InvalidInputError, match="nested deeper than the limit of 32"):
        parse_root(deeper, VectorHeader)


def test_facts_too_deep_for_a_reader_are_not_written() -> None:
    facts = provenance()
    deep = [replace(facts.scheduler, config={"a": nested(depth)}) for depth in (26, 27)]
    write_vector(vector(facts=replace(facts, scheduler=deep[0])))
    with pytest.raises(InvalidInputError, match="nested deeper than 32"):
        write_vector(vector(facts=replace(facts, scheduler=deep[1])))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"node_type":"group"', b'"node_type":"array"'),
        (b'"zarr_format":3', b'"zarr_format":2'),
        (b'"zarr_format":3', b'"zarr_format":3.0'),
        (b'{"attributes"', b'{"a":1,"attributes"'),
        (b'{"sega_vectors"', b'{"a":1,"sega_vectors"'),
        (b'"nnz":3', b'"nnz": 3'),
        (b'"nnz":3', b'"nnz":3,"nnz":3'),
        (b'"format":2,"kind":"vector"', b'"kind":"vector","format":2'),
        (b'"guidance_scale":7.5', b'"guidance_scale":7.50'),
        (b'"guidance_scale":7.5', b'"guidance_scale":75e-1'),
        (b'"a king"', b'"\\u0061 king"'),
        (b'"steps_offset":1', b'"steps_offset":-0'),
    ],
)
def test_json_in_another_form_is_refused(old: bytes, new: bytes) -> None:
    good = root(VECTOR)
    assert good.count(old) == 1
    with pytest.raises(InvalidInputError, match=r"canonical form|recipe"):
        parse_root(good.replace(old, new), VectorHeader)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "can't be read"),
        (b"null", "no file of sega-vectors"),
        (b'{"attributes":{}}', "no file of sega-vectors"),
        (b'{"attributes":[]}', "no file of sega-vectors"),
        (b'{"attributes":{"sega_vectors":[]}}', "of format None"),
        (root(VECTOR) + b" ", "canonical form"),
        (b"\xef\xbb\xbf" + root(VECTOR), "can't be read"),
        (root(VECTOR).decode().encode("utf-16"), "can't be read"),
        (root(VECTOR) + b" " * (1 << 20), "more than the limit of 1048576"),
    ],
)  # fmt: skip
def test_what_is_no_root_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_root(data, VectorHeader)


def test_a_file_is_at_most_2_mib_longer_than_its_arrays() -> None:
    """The example has 6 booleans, 3 values of 2 bytes, 2 timesteps and 2 sigmas of 8, and pictures of 25."""
    head = pack({"zarr.json": root(VECTOR)})
    largest = 6 + 6 + 16 + 16 + 25 + (2 << 20)
    check_vector_size(head, largest)
    with pytest.raises(
        InvalidInputError, match=f"it has {largest + 1} bytes, more than its arrays of 69 bytes can fill"
    ):
        check_vector_size(head, largest + 1)


def test_facts_take_as_many_bytes_as_a_reader_accepts() -> None:
    def longer(by: int) -> VectorHeader:
        return VectorHeader.of(vector(facts=provenance(prompt="k" * by)))

    fits = 1 + MAX_JSON_BYTES - len(root_json(longer(1)))
    assert len(root_json(longer(fits))) == MAX_JSON_BYTES
    with pytest.raises(InvalidInputError, match=f"The facts take {MAX_JSON_BYTES + 1} bytes of JSON, a file holds at"):
        root_json(longer(fits + 1))
