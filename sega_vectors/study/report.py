"""The report of a study: one self-contained HTML page, Markdown with its figures, tidy CSV, and JSON."""

import base64
import csv
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from sega_store.places.disk import replace
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Plan
from sega_vectors.study.points import POINTS

_PACKAGES = ("sega-vectors", "diffusers", "torch", "transformers")


@dataclass(frozen=True)
class StudyReport:
    """What a study found, ready to be written.

    Attributes:
        plan: What was studied.
        findings: What each point found, by its name.
        facts: Further facts, by name: the command, the time that it took, the number of pictures.
    """

    plan: Plan
    findings: Mapping[str, Findings]
    facts: Mapping[str, str]

    def write(self, folder: Path) -> list[Path]:
        """Write `report.html`, `report.md` with its figures in `figures/`, and for each point `NAME.csv`; and
        `study.json` with the plan and all tables. Returns the paths, the page first."""
        drawn = {f.name: _encoded(f) for found in self.findings.values() for f in found.figures}
        files = {
            "report.html": self.html(drawn).encode(),
            "report.md": self.markdown().encode(),
            "study.json": f"{_json(self.document())}\n".encode(),
            "plan.json": f"{_json(self.plan.to_json())}\n".encode(),
            **{f"{name}.csv": _csv(found.rows).encode() for name, found in self.findings.items() if found.rows},
            **{_file_of(f): drawn[f.name] for found in self.findings.values() for f in found.figures},
        }
        for name, data in files.items():
            replace(folder / name, data)
        return [folder / name for name in files]

    def document(self) -> dict[str, Any]:
        """Everything but the tidy rows and the figures, as JSON."""
        return {
            "plan": self.plan.to_json(),
            "facts": dict(self.facts),
            "versions": _versions(),
            "points": {
                name: {
                    "title": POINTS[name].title,
                    "text": list(found.text),
                    "tables": [asdict(table) for table in found.tables],
                }
                for name, found in self.findings.items()
            },
        }

    def html(self, drawn: Mapping[str, bytes]) -> str:
        """The report as an HTML page."""
        parts = []
        for name, found in self.findings.items():
            parts.append(f'<section id="{name}"><h2>{html.escape(POINTS[name].title)}</h2>')
            parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in found.text]
            shown = [_html_figure(figure, drawn[figure.name]) for figure in found.figures]
            tables = [_html_table(table) for table in found.tables]
            parts += [*shown[:1], *tables, *shown[1:], "</section>"]
        template = resources.files("sega_vectors.study").joinpath("report.html").read_text(encoding="utf-8")
        slots = {
            "contents": "".join(f'<a href="#{name}">{html.escape(POINTS[name].title)}</a>' for name in self.findings),
            "facts": "".join(
                f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in self._all_facts().items()
            ),
            "points": "\n".join(parts),
            "plan": html.escape(_json(self.plan.to_json())),
        }
        for slot, content in slots.items():
            template = template.replace(f"<!-- {slot} -->", content)
        return template

    def markdown(self) -> str:
        """The report as Markdown, for a README or a model card."""
        lines = ["# Study", ""]
        lines += [f"- {name}: {text}" for name, text in self._all_facts().items()]
        for name, found in self.findings.items():
            lines += ["", f"## {POINTS[name].title}", ""]
            for paragraph in found.text:
                lines += [paragraph, ""]
            for table in found.tables:
                lines += [table.caption + ":", "", *_markdown_table(table), ""]
            for figure in found.figures:
                lines += [f"![{figure.caption}]({_file_of(figure)})", "", figure.caption, ""]
        return "\n".join(lines).rstrip() + "\n"

    def _all_facts(self) -> dict[str, str]:
        plan = self.plan
        return {
            "Model": plan.model,
            "Judge": plan.judge,
            "Concepts": ", ".join(plan.concepts),
            "Noises": f"{len(plan.seeds)} (seeds {plan.seeds[0]} to {plan.seeds[-1]})",
            **self.facts,
            "Versions": ", ".join(f"{package} {version}" for package, version in _versions().items()),
        }


def _versions() -> dict[str, str]:
    return {package: metadata.version(package) for package in _PACKAGES}


def _markdown_table(table: Table) -> list[str]:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _file_of(figure: Figure) -> str:
    return f"figures/{figure.name}.{'png' if figure.pixels else 'svg'}"


def _encoded(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    if figure.pixels:
        figure.drawing.savefig(buffer, format="png", dpi=140)
    else:
        figure.drawing.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _html_figure(figure: Figure, data: bytes) -> str:
    kind = "image/png" if figure.pixels else "image/svg+xml"
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    caption = html.escape(figure.caption)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def _html_table(table: Table) -> str:
    head = "".join(f"<th scope=col>{html.escape(cell)}</th>" for cell in table.columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>"
    return f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})
    return buffer.getvalue()
