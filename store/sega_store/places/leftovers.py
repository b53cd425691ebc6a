"""What killed processes leave in a library, and when it is removed.

- A temporary file, of a writer killed before it gave its file a name: goes when it is an hour old.
- A noise or annotation that was set aside, of a removal killed before its end: goes at once, or is put back.
- A whole noise or annotation that no vector needs, of an addition killed before its vector had its name, or of a
  removal killed after its vector was gone: goes when it is two weeks old.

Two weeks, because a library that is being copied may have its noises long before its vectors.
"""

import stat
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from sega_store.errors import LibraryError
from sega_store.places import disk, layout, removal
from sega_store.places.index import Listing
from sega_store.places.rows import select

UNNEEDED_SECONDS = 14 * 24 * 3600


def clean(root: Path, listing: Listing) -> None:
    """Removes what killed processes left; what can't be removed now, as in a read-only library, stays."""
    needed = partial(removal.is_needed, root, listing)
    now = time.time()
    for kind in layout.KINDS:
        for folder in map(Path, layout.folders(root, kind)):
            with suppress(OSError, LibraryError):
                disk.sweep(folder, now)
                for aside in removal.asides_in(folder):
                    removal.settle(aside, needed)
    with suppress(OSError, LibraryError):
        entries = listing.ask(select)
        wanted = {layout.noise_key(entry.noise) for entry in entries}
        wanted |= {layout.annotation_key(entry.id) for entry in entries}
        for kind in (layout.ANNOTATIONS, layout.NOISE):
            for key in layout.keys(root, f"{kind}/"):
                if key in wanted:
                    continue
                state = (root / key).lstat()
                if stat.S_ISREG(state.st_mode) and state.st_ctime < now - UNNEEDED_SECONDS:
                    removal.let_go(root / key, needed)
