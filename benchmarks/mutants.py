"""Whether a test fails for each small change of the code: `python -m benchmarks.mutants [MODULE...]`.

Cosmic Ray changes each module of `mutants.toml` in place, one change at a time, runs the tests named there, and puts it
back; so run this in a clone of its own. Beside Cosmic Ray's own changes, statements are taken out.
"""

import ast
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import OPERATOR_PROVIDERS, get_operator
from cosmic_ray.work_item import MutationSpec, TestOutcome

SETTINGS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

Place = tuple[int, int]


class TakeOut(Operator):
    """Takes out a statement that is a call, an error or an update."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Place, Place]]:
        if node.type == "simple_stmt":
            statement = node.children[0]
            updates = statement.type == "expr_stmt" and statement.children[1].type != "annassign"
            updates = updates and statement.children[1] != "="
            if updates or statement.type in ("atom_expr", "raise_stmt", "del_stmt") or statement == "raise":
                yield statement.start_pos, statement.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        first = node.children[0].get_first_leaf()
        node.children[0] = parso.parse(first.prefix + "pass")
        return node

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


OPERATOR_PROVIDERS["own"] = {"TakeOut": TakeOut}


def changes(module: str) -> list[MutationSpec]:
    """All changes of a module but those that no test can notice, or that an import would: in annotations, decorators
    and the texts of errors."""
    tree, skipped = get_ast_from_path(Path(module)), list(_skipped(Path(module).read_text("utf-8")))
    found = []
    for name in SETTINGS["operators"]:
        operator = get_operator(name)()
        places = [place for node in ast_nodes(tree) for place in operator.mutation_positions(node)]
        for number, (start, end) in enumerate(places):
            if not any(first <= start and end <= last for first, last in skipped):
                found.append(MutationSpec(module, name, number, start, end))
    return found


def _skipped(source: str) -> Iterator[tuple[Place, Place]]:
    """The places of what isn't changed."""
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.expr | None] = [*getattr(node, "decorator_list", ()), getattr(node, "annotation", None)]
        if isinstance(node, ast.FunctionDef):
            parts.append(node.returns)
        if isinstance(node, ast.keyword) and node.arg == "strict":
            parts.append(node.value)  # of zip: what is of one length by construction
        if isinstance(node, ast.Raise):
            parts += [part for part in ast.walk(node) if isinstance(part, ast.JoinedStr)]
        for part in parts:
            if part is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def sample(found: Sequence[MutationSpec]) -> list[MutationSpec]:
    """The changes that are tried, always the same ones: all that take a statement out, and some of the others."""
    out = [change for change in found if change.operator_name == "own/TakeOut"]
    others = [change for change in found if change.operator_name != "own/TakeOut"]
    return out + Random(SETTINGS["seed"]).sample(others, min(len(others), SETTINGS["sample"]))


def command(tests: Sequence[str]) -> str:
    """The command that runs tests until one fails."""
    return shlex.join([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests])


def survivor(change: MutationSpec, test_command: str) -> str | None:
    """What is changed, if no test fails for it.

    Raises:
        RuntimeError: Cosmic Ray couldn't make the change.
    """
    result = mutate_and_test([change], test_command, SETTINGS["timeout"])
    if result.test_outcome not in (TestOutcome.KILLED, TestOutcome.SURVIVED):
        raise RuntimeError(result.output)
    return result.diff if result.test_outcome is TestOutcome.SURVIVED else None


def main(modules: Sequence[str]) -> None:
    for module, tests in SETTINGS["tests"].items():
        if modules and module not in modules:
            continue
        if subprocess.run(shlex.split(command(tests)), stdout=subprocess.DEVNULL, check=False).returncode:
            sys.exit(f"{module}: its tests fail without a change, so that every change would seem noticed")
        found = changes(module)
        tried = sample(found)
        survivors = [diff for change in tried if (diff := survivor(change, command(tests)))]
        print(f"{module}: {len(found)} changes, {len(tried)} tried, {len(survivors)} unnoticed", *survivors, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
