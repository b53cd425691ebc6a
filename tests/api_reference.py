"""Writes docs/api.md from the docstrings: `python tests/api_reference.py`. A test checks that it is up to date."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import griffe

import sega_store
import sega_vectors

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
HEAD = """# The Python API

What `sega_vectors` and `sega_store` export, by their docstrings. `sega_vectors` has all that is needed to record, keep
and apply; `sega_store` reads and writes libraries and files without torch. This page is made by
`python tests/api_reference.py`.

Arrays are numpy's, with shapes in letters: T steps, C channels, *S the spatial axes, B samples."""

Section = griffe.DocstringSectionKind
_TITLES = {
    Section.parameters: "Arguments",
    Section.attributes: "Attributes",
    Section.returns: "Returns",
    Section.raises: "Raises",
}


def page() -> str:
    """The whole page."""
    own = [name for name in sega_vectors.__all__ if not hasattr(sega_store, name)]
    parts = [HEAD, "", "## sega_vectors", "", f"Also all of these from `sega_store`: {_names(set(own))}.", ""]
    for package, names in (("sega_vectors", own), ("sega_store", sega_store.__all__)):
        if package == "sega_store":
            parts += ["## sega_store", ""]
        loaded = griffe.load(package, docstring_parser="google", resolve_aliases=True)
        for name in names:
            parts += _described(loaded[name].final_target, f"{package}.{name}")
    return "\n".join(parts).rstrip() + "\n"


def _names(own: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sega_vectors.__all__ if name not in own)


def _described(found: griffe.Object, path: str, level: int = 3) -> Iterator[str]:
    """A class with its public methods, or a function."""
    yield from (f"{'#' * level} `{path}`", "")
    signature = _signature(found)
    if signature:
        yield from ("```python", signature, "```", "")
    yield from _docstring(found)
    if isinstance(found, griffe.Class):
        if isinstance(made := found.members.get("__init__"), griffe.Function):
            yield from _docstring(made)
        for name, member in found.members.items():
            if not name.startswith("_") and (isinstance(member, griffe.Function) or "property" in member.labels):
                yield from _described(cast("griffe.Object", member), f"{found.name}.{name}", level + 1)


def _signature(found: griffe.Object) -> str:
    """How it is called; empty for a property."""
    if isinstance(found, griffe.Class):
        made = found.members.get("__init__")
        if not isinstance(made, griffe.Function):
            fields = [a for a in found.attributes.values() if "instance-attribute" in a.labels and a.annotation]
            return "" if "dataclass" not in found.labels else _call(found.name, map(_field, fields))
        return _call(found.name, _parameters(made))
    if isinstance(found, griffe.Function):
        return _call(found.name, _parameters(found)) + (f" -> {found.returns}" if found.returns else "").replace(
            '"', ""
        )
    return ""


def _call(name: str, parameters: Iterable[str]) -> str:
    """On one line, or with a line for each parameter."""
    parameters = [parameter.replace('"', "") for parameter in parameters]
    short = f"{name}({', '.join(parameters)})"
    return short if len(short) <= 100 else "\n".join([f"{name}(", *(f"    {one}," for one in parameters), ")"])


def _field(attribute: griffe.Attribute) -> str:
    return f"{attribute.name}: {attribute.annotation}" + (f" = {attribute.value}" if attribute.value else "")


def _parameters(function: griffe.Function) -> list[str]:
    parts, marked = [], False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        kind = parameter.kind
        star = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(kind, "")
        if kind is griffe.ParameterKind.keyword_only and not marked:
            parts.append("*")
        marked = marked or kind in (griffe.ParameterKind.keyword_only, griffe.ParameterKind.var_positional)
        default = f" = {parameter.default}" if parameter.default is not None and not star else ""
        annotation = f": {parameter.annotation}" if parameter.annotation is not None else ""
        parts.append(f"{star}{parameter.name}{annotation}{default}")
    return parts


def _docstring(found: griffe.Object) -> Iterator[str]:
    for section in found.docstring.parsed if found.docstring else ():
        if section.kind is Section.text:
            yield from (_prose(section.value), "")
        elif section.kind in _TITLES:
            yield from (f"{_TITLES[section.kind]}:", "")
            yield from (_item(section.kind, item) for item in section.value)
            yield ""
        elif section.kind is Section.admonition:
            yield from (f"{section.title}: {_line(section.value.description)}", "")


def _item(kind: griffe.DocstringSectionKind, item: griffe.DocstringElement) -> str:
    name = getattr(item, "name", "") or str(item.annotation or "")
    said = _line(item.description)
    return f"- {said}" if kind is Section.returns or not name else f"- `{name}`: {said}"


def _line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip())


def _prose(text: str) -> str:
    return "\n\n".join(_line(paragraph) for paragraph in text.split("\n\n"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
