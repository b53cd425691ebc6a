"""A library in an object store: Amazon's S3 and what speaks its protocol, Google's or Azure's, through obstore.

A file is published by one PUT with `If-None-Match: *`, which never replaces anything, and opened by one GET. Some
servers ignore that header and would let a second writer replace the first one's file: they are found out and refused
before anything is written. What fails for a moment is tried again, after longer and longer breaks.

References:
    HTTP Semantics, section 13.1.2, If-None-Match, RFC 9110
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sega_store.errors import InvalidInputError, LibraryError, VectorFileError
from sega_store.files.regular_file import HEAD_BYTES, CheckSize, file_errors
from sega_store.places import disk, layout
from sega_store.places.cache import Cache, cache_folder

try:
    from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
    from obstore.store import from_url
except ImportError as error:
    raise LibraryError("A library at a URL needs obstore. Install it: pip install 'sega-vectors[remote]'.") from error

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

RETRIES: "RetryConfig" = {  # the breaks are random: 3 to 25 s together in 20 trials
    "max_retries": 9,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 3},
    "retry_timeout": timedelta(minutes=1),
}
_ENDPOINTS = (  # what obstore reads, and what makes the same URL another place
    "AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT",
    "AZURE_STORAGE_ACCOUNT_NAME",
)  # fmt: skip
_FAULTS = (  # what a message holds, and what to do
    (
        ("NoSuchBucket", "ContainerNotFound", "specified bucket does not exist"),
        "There is no such bucket: make it, or correct the URL.",
    ),
    (
        ("status code: 403", "status code: 401", "redential", "Unauthenticated", "AccessDenied"),
        "The credentials are missing or refused: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what "
        "docs/library.md names for other stores.",
    ),
    (
        ("error sending request", "dns error", "tcp connect", "timed out"),
        "The server can't be reached: check the network, and the endpoint (AWS_ENDPOINT_URL; plain HTTP also needs "
        "AWS_ALLOW_HTTP=true).",
    ),
    (("status code: 5",), "The server is overloaded: run the same command again later; it goes on."),
)

_T = TypeVar("_T")


class Bucket:
    """The objects under a URL.

    Args:
        url: Such as `s3://bucket/name`. Credentials and endpoint are obstore's, from the environment.

    Attributes:
        where: The URL.

    Raises:
        LibraryError: There is no such kind of URL, or a setting is missing.
    """

    def __init__(self, url: str) -> None:
        self.where = url
        with self._errors("Opening"):
            self._store: ObjectStore = from_url(url, client_options=_client(), retry_config=RETRIES)
        folder = cache_folder() / "objects" / hashlib.sha256(self.identity.encode()).hexdigest()[:16]
        self._cache = Cache(folder)
        self._tested = folder / "conditional-put"

    def __reduce__(self) -> tuple[type["Bucket"], tuple[str]]:
        return Bucket, (self.where,)

    @property
    def identity(self) -> str:
        """The URL and the endpoint."""
        return " ".join([self.where, *(f"{name}={os.environ[name]}" for name in _ENDPOINTS if os.environ.get(name))])

    def locate(self, key: str) -> str:
        """The URL of an object."""
        return f"{self.where}/{key}"

    def read(self, key: str, check_size: CheckSize) -> bytes:
        """One GET, which ends early if the size is wrong."""
        with self._missing(key), self._errors(f"Reading {key}"):
            found = self._store.get(key)
            parts = iter(found.stream(min_chunk_size=HEAD_BYTES))
            head = bytes(next(parts, b""))
            check_size(head[:HEAD_BYTES], found.meta["size"])
            return b"".join([head, *parts])

    def beginning(self, key: str, limit: int) -> tuple[bytes, int]:
        """One GET of a range."""
        with self._missing(key), self._errors(f"Reading {key}"):
            try:
                found = self._store.get(key, options={"range": (0, limit)})
            except BaseError as error:
                if "416" not in str(error):  # an empty object has no range
                    raise
                return b"", 0
            return found.bytes().to_bytes(), found.meta["size"]

    def load(self, key: str, check_size: CheckSize, parse: Callable[[bytes], _T]) -> _T:
        """Parses the local copy, or, by one GET, the object; annotations can change and aren't copied."""
        copied = not key.startswith(f"{layout.ANNOTATIONS}/")
        if copied and (copy := self._cache.get(key)) is not None:
            with suppress(InvalidInputError, VectorFileError):
                return parse(copy)
        with file_errors(self.locate(key)):
            data = self.read(key, check_size)
            value = parse(data)
        if copied:
            self._cache.put(key, data)
        return value

    def exists(self, key: str) -> bool:
        """One HEAD."""
        with self._errors(f"Looking for {key}"):
            try:
                self._store.head(key)
            except FileNotFoundError:
                return False
            return True

    def publish(self, key: str, data: bytes) -> bool:
        """One conditional PUT."""
        self._test_conditional_put()
        return self._create(key, data)

    def replace(self, key: str, data: bytes) -> None:
        """One PUT."""
        self._test_conditional_put()
        with self._errors(f"Writing {key}"):
            self._store.put(key, data, use_multipart=False)

    def delete(self, *keys: str) -> None:
        """One request, and the local copies go."""
        with self._errors(f"Removing {', '.join(keys)}"), suppress(FileNotFoundError):
            self._store.delete(keys)
        for key in keys:
            self._cache.discard(key)

    def take_out(self, key: str, folder: Path, keep: bool) -> Path:
        """Downloads the object, then deletes it unless it is to stay."""
        with self._errors(f"Reading {key}"), disk.library_errors(f"Moving {self.locate(key)} to {folder}"):
            aside = disk.free_name(folder, key.rpartition("/")[2])
            disk.write(aside, map(bytes, self._store.get(key).stream()))
        if not keep:
            self.delete(key)
        return aside

    def keys(self, prefix: str) -> Iterator[str]:
        """One LIST for each thousand; other names are passed over."""
        yield from (meta["path"] for meta in self.list(prefix) if layout.kind_of(meta["path"]) is not None)

    def list(self, prefix: str) -> Iterator["ObjectMeta"]:
        """The objects whose keys begin with a folder and a slash, and perhaps more; in the order of keys."""
        folder, _, rest = prefix.rpartition("/")
        with self._errors(f"Listing {folder}"):
            for metas in self._store.list(folder, offset=prefix if rest else None, chunk_size=1000):
                for meta in metas:
                    if not meta["path"].startswith(prefix):
                        return
                    yield meta

    def _create(self, key: str, data: bytes) -> bool:
        with self._errors(f"Writing {key}"):
            try:
                self._store.put(key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

    def _test_conditional_put(self) -> None:
        """Puts one object twice, once for each library and machine, before anything is written."""
        if self._tested.exists():
            return
        probe = f"probe/{secrets.token_hex(16)}"
        try:
            self._create(probe, b"1")
            with self._errors(f"Writing {probe}"):
                try:
                    refused = not self._create(probe, b"2")
                except NotSupportedError:
                    refused = False
        finally:
            with suppress(LibraryError):
                self.delete(probe)
        if not refused:
            raise LibraryError(
                f"The server of {self.where} ignores conditional PUT (If-None-Match: *), so writers could replace each "
                "other's files. Nothing was written. Use another server, or a newer version of this one."
            )
        with disk.library_errors(f"Writing {self._tested}"):
            self._tested.parent.mkdir(parents=True, exist_ok=True)
            self._tested.touch()

    @contextmanager
    def _missing(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise InvalidInputError("it can't be read: there is no such object") from None

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Turns what obstore raises into `LibraryError` with a remedy; an object that is missing stays so."""
        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError, NotImplementedError) as error:
            text = str(error).partition("\n\nDebug source")[0]
            remedy = next((remedy for signs, remedy in _FAULTS if any(sign in text for sign in signs)), None)
            if isinstance(error, FileNotFoundError) and remedy is not _FAULTS[0][1]:
                raise
            message = " ".join(text.split())[:500]
            raise LibraryError(
                f"{what} in {self.where} failed. {remedy or 'Check the URL and its settings.'} ({message})"
            ) from error


def _client() -> "ClientConfig":
    """A vector may be large and a line slow; plain HTTP is allowed only if obstore's own settings ask for it."""
    asked = (os.environ.get(f"{store}_ALLOW_HTTP", "") for store in ("AWS", "AZURE", "GOOGLE"))
    allowed = any(word.lower() in ("1", "true") for word in asked)
    return {"connect_timeout": "10s", "timeout": "10m", "allow_http": allowed}
