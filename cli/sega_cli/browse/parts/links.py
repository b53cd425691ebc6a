"""Where a page's links lead: to the server's addresses, or to the files of an exported site.

Templates ask for links by what they lead to, so the same templates serve both.
"""

from collections.abc import Iterable, Mapping
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

    def gallery(self, **filters: Filter) -> str:
        """The gallery, with filters that aren't None; an exported gallery's script reads them."""
        return _with_query(self._to("/?", "index.html#"), filters)

    def tiles(self, **filters: Filter) -> str:
        """The gallery's next tiles alone; an exported gallery's script makes them."""
        return _with_query(self._to("/tiles?", "index.html#"), filters)

    def groups(self, **filters: Filter) -> str:
        """The gallery's next groups alone; an exported gallery isn't grouped."""
        return _with_query(self._to("/groups?", "index.html#"), filters)

    def facets(self) -> str:
        """The filters that the gallery offers; an exported gallery has them in its page."""
        return self._to("/facets", "index.html")

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


def _with_query(start: str, filters: Mapping[str, Filter]) -> str:
    query = urlencode({name: value for name, value in filters.items() if value not in (None, "")})
    return f"{start}{query}" if query else start[:-1]
