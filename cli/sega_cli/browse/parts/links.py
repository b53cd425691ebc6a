"""Where a page's links lead: to the server's addresses, or to the files of an exported site.

Templates ask for links by what they lead to, so the same templates serve both.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol
from urllib.parse import quote, urlencode


class Links(Protocol):
    """Addresses, by what they lead to."""

    def gallery(self, **filters: str | int | None) -> str:
        """The gallery, with filters that aren't None."""

    def tiles(self, **filters: str | int | None) -> str:
        """The gallery's next tiles alone."""

    def groups(self, **filters: str | int | None) -> str:
        """The gallery's next groups alone."""

    def facets(self) -> str:
        """The filters that the gallery offers."""

    def vector(self, identity: str) -> str:
        """A vector's page."""

    def noise(self, sha256: str) -> str:
        """A noise's page."""

    def compare(self, ids: Iterable[str]) -> str:
        """The comparison of some vectors."""

    def picture(self, identity: str, name: str) -> str:
        """A picture of a vector; see `sega_cli.browse.pages.pictures`."""

    def noise_picture(self, sha256: str) -> str:
        """The picture of a noise."""

    def asset(self, name: str) -> str:
        """A style sheet or script."""


class ServedLinks:
    """The server's addresses."""

    def gallery(self, **filters: str | int | None) -> str:
        """As `Links.gallery`."""
        return _address("/", filters)

    def tiles(self, **filters: str | int | None) -> str:
        """As `Links.tiles`."""
        return _address("/tiles", filters)

    def groups(self, **filters: str | int | None) -> str:
        """As `Links.groups`."""
        return _address("/groups", filters)

    def facets(self) -> str:
        """As `Links.facets`."""
        return "/facets"

    def vector(self, identity: str) -> str:
        """As `Links.vector`."""
        return f"/vectors/{quote(identity, safe='')}"

    def noise(self, sha256: str) -> str:
        """As `Links.noise`."""
        return f"/noises/{quote(sha256, safe='')}"

    def compare(self, ids: Iterable[str]) -> str:
        """As `Links.compare`."""
        return f"/compare?{urlencode([('id', identity) for identity in ids])}"

    def picture(self, identity: str, name: str) -> str:
        """As `Links.picture`."""
        return f"/pictures/{quote(identity, safe='')}/{quote(name, safe='')}.png"

    def noise_picture(self, sha256: str) -> str:
        """As `Links.noise_picture`."""
        return f"/noises/{quote(sha256, safe='')}/picture.png"

    def asset(self, name: str) -> str:
        """As `Links.asset`."""
        return f"/static/{name}"


class ExportedLinks:
    """The files of an exported site, as a page of it refers to them.

    Args:
        up: The path from the page to the site's folder, such as `../`.
    """

    def __init__(self, up: str = "") -> None:
        self.up = up

    def gallery(self, **filters: str | int | None) -> str:
        """As `Links.gallery`; the filters are for the gallery's script."""
        return _address(f"{self.up}index.html", filters, "#")

    def tiles(self, **filters: str | int | None) -> str:
        """As `Links.tiles`: the gallery's script makes them."""
        return self.gallery(**filters)

    def groups(self, **filters: str | int | None) -> str:
        """As `Links.groups`: an exported gallery isn't grouped."""
        return self.gallery(**filters)

    def facets(self) -> str:
        """As `Links.facets`: they are in the page."""
        return self.gallery()

    def vector(self, identity: str) -> str:
        """As `Links.vector`."""
        return f"{self.up}vectors/{identity}.html"

    def noise(self, sha256: str) -> str:
        """As `Links.noise`."""
        return f"{self.up}noises/{sha256}.html"

    def compare(self, ids: Iterable[str]) -> str:
        """As `Links.compare`: nothing compares there."""
        return self.gallery()

    def picture(self, identity: str, name: str) -> str:
        """As `Links.picture`."""
        return f"{self.up}pictures/{identity}/{name}.png"

    def noise_picture(self, sha256: str) -> str:
        """As `Links.noise_picture`."""
        return f"{self.up}noises/{sha256}.png"

    def asset(self, name: str) -> str:
        """As `Links.asset`."""
        return f"{self.up}static/{name}"


def _address(path: str, parameters: Mapping[str, str | int | None], mark: str = "?") -> str:
    query = urlencode({name: value for name, value in parameters.items() if value not in (None, "")})
    return f"{path}{mark}{query}" if query else path
