"""Where a page's links lead: to the server's addresses, or to the files of an exported site.

Templates ask for links by what they lead to, so the same templates serve both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

Filter = str | int | None


@dataclass(frozen=True)
class Links:
    """Addresses, by what they lead to.

    Attributes:
        up: The path from a page of an exported site to the site's folder, such as `../`; None: there is a server.
    """

    up: str | None = None

    def _to(self, address: str, file: str) -> str:
        """An address of the server, or a file of the exported site."""
        return address if self.up is None else f"{self.up}{file}"

    def gallery(self, part: str = "", **filters: Filter) -> str:
        """The gallery with filters that aren't None, or a part of it alone: `tiles`, `groups` or `facets`.

        An exported gallery is one page, whose script reads the filters.
        """
        query = urlencode({name: value for name, value in filters.items() if value not in (None, "")})
        start, mark = ("/" + part, "?") if self.up is None else (f"{self.up}index.html", "#")
        return f"{start}{mark}{query}" if query else start

    def vector(self, identity: str) -> str:
        """A vector's page."""
        return self._to(f"/vectors/{quote(identity, safe='')}", f"vectors/{identity}.html")

    def noise(self, sha256: str) -> str:
        """A noise's page."""
        return self._to(f"/noises/{quote(sha256, safe='')}", f"noises/{sha256}.html")

    def compare(self, ids: Iterable[str]) -> str:
        """The comparison of some vectors; an exported site has none."""
        return self._to(f"/compare?{urlencode([('id', identity) for identity in ids])}", "index.html")

    def picture(self, identity: str, name: str) -> str:
        """A picture of a vector; see `sega_cli.browse.pages.pictures`."""
        return self._to(
            f"/pictures/{quote(identity, safe='')}/{quote(name, safe='')}.png", f"pictures/{identity}/{name}.png"
        )

    def noise_picture(self, sha256: str) -> str:
        """The picture of a noise."""
        return self._to(f"/noises/{quote(sha256, safe='')}/picture.png", f"noises/{sha256}.png")

    def asset(self, name: str) -> str:
        """A style sheet or script."""
        return self._to(f"/static/{name}", f"static/{name}")
