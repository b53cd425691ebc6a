"""Opening a place, by its path or URL: its files, and what indexes them."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sega_store.files.regular_file import user_path
from sega_store.places.files import Files
from sega_store.places.folder import Folder
from sega_store.places.folder_index import FolderIndex
from sega_store.places.index import Index
from sega_store.records import rules


def open_place(place: str | os.PathLike[str]) -> tuple[Files, Index]:
    """The files at a path, or at a URL, which is what has `://` in it; and their index.

    Raises:
        LibraryError: There is no such kind of place.
    """
    text = os.fspath(rules.instance("A library's place", place, str | os.PathLike, "pass a path or a URL"))
    if "://" in text and not text.startswith("file://"):
        from sega_store.places.bucket import Bucket  # obstore is imported only for a URL
        from sega_store.places.bucket_index import BucketIndex

        bucket = Bucket(text.rstrip("/"))
        return bucket, BucketIndex(bucket)
    path = Path(unquote(urlsplit(text).path)) if "://" in text else user_path(text).absolute()
    folder = Folder(path)
    return folder, FolderIndex(folder.root)
