"""The site: a library with the templates that show it. Texts of a library may be a stranger's, and are escaped here.

Templates escape whatever they print. Control and format characters of plain texts also become U+FFFD, since they can
reverse a line or break out of a text that is pasted into a terminal; and very long texts are cut.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from sega_cli.browse.parts.links import Links
from sega_cli.browse.studio import Studio
from sega_cli.printing.terminal import MOST_SHOWN, clean, size
from sega_store import Entry, Library


@dataclass(frozen=True)
class Site:
    """What pages are made of.

    Attributes:
        links: Where links lead.
        studio: What the pages that generate share; None: there are none.
        live: Whether there is a server that answers; an exported site has none.
    """

    library: Library
    links: Links = field(default_factory=Links)
    studio: Studio | None = None
    live: bool = True

    def render(self, template: str, **context: Any) -> str:
        """The text of a template, which sees this site as `site` and its links as `link`."""
        return environment().get_template(template).render(site=self, link=self.links, **context)

    def page(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
    ) -> HTMLResponse:
        """A template as a response."""
        return HTMLResponse(self.render(template, **context), status, dict(headers or {}))


def site_of(request: Request) -> Site:
    """The site that answers a request; for FastAPI's `Depends`."""
    site: Site = request.app.state.site
    return site


SiteOf = Annotated[Site, Depends(site_of)]


def lines(text: str) -> Markup:
    """A text of several lines, escaped and harmless, with its line breaks; never cut, since a form may send it back."""
    return Markup("\n").join(clean(line, most=None) for line in text.replace("\r\n", "\n").split("\n"))


@cache
def environment() -> Environment:
    """The templates."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("sega_cli.browse", folder) for folder in ("pages", "parts")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    made.filters |= {
        "bytes": size,
        "lines": lines,
        "day": lambda created: created[:10],
        "moment": lambda created: f"{created[:10]} {created[11:19]} UTC",
        "noise_name": noise_name,
        "number": "{:,}".format,
        "key": lambda text: hashlib.sha256(text.encode()).hexdigest()[:12],  # fit for an `id`
    }
    return made


def _harmless(value: object) -> object:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def cut(value: object) -> object:
    """What is shown of a value, if it is a text."""
    return value[:MOST_SHOWN] if isinstance(value, str) else value


def noise_name(entry: Entry) -> str:
    """What the initial noise of a vector is called."""
    return f"noise {entry.noise[:8]}" if entry.seed is None else f"seed {entry.seed}"
