"""How many pictures share a call of the pipeline: as many as are asked for, or as memory allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import psutil
import torch

T = TypeVar("T")

MOST = 16  # more gain nothing
_SHARE = 0.5  # of the free memory


def repeated(arguments: Mapping[str, Any], prompts: Sequence[str]) -> dict[str, Any]:
    """The arguments of a call for some prompts; other texts that each picture has are said for each, too."""
    if len(prompts) == 1:
        return {**arguments, "prompt": prompts[0]}
    own = {name: text for name, text in arguments.items() if isinstance(text, str) and "prompt" in name}
    texts = {name: [text] * len(prompts) for name, text in own.items()}
    return {**arguments, **texts, "prompt": list(prompts)}


class Batches:
    """Splits work into calls.

    Where no size is given, the first call has one picture, and the memory that it took says how many the next may have.
    A call for which memory lacks is made again with half as many, one that fails otherwise with one.
    """

    def __init__(self, device: torch.device, size: int | None = None) -> None:
        """Prepare.

        Args:
            device: Where the pipeline runs.
            size: Pictures in a call; None: as memory allows.
        """
        self._device = device
        self._fixed, self._known = size is not None, False
        self._size = size or 1

    def of(self, items: Sequence[T], call: Callable[[Sequence[T]], Sequence[Any]]) -> Iterator[Any]:
        """What `call` makes of all items, some at a time, in their order.

        Raises:
            Exception: What `call` raises for one item, or for as many as were asked for.
        """
        done = 0
        while done < len(items):
            some = items[done : done + self._size]
            before = self._used()
            try:
                made = call(some)
            except Exception as error:
                if self._fixed or len(some) == 1:
                    raise
                self._size = len(some) // 2 if isinstance(error, torch.OutOfMemoryError | MemoryError) else 1
                continue
            if not (self._fixed or self._known):
                self._size, self._known = self._fitting(self._used(peak=True) - before), True
            yield from made
            done += len(some)

    def _fitting(self, of_one: int) -> int:
        """How many pictures fit if one took so many bytes; one where the device doesn't tell."""
        if self._device.type == "cuda":
            free = torch.cuda.mem_get_info(self._device)[0]
        elif self._device.type == "cpu":
            free = psutil.virtual_memory().available
        else:
            return 1
        return max(1, min(MOST, int(_SHARE * free / max(of_one, 1))))

    def _used(self, peak: bool = False) -> int:
        """The bytes in use; with `peak`, the most that were since the last question without."""
        if self._device.type == "cuda":
            if not peak:
                torch.cuda.reset_peak_memory_stats(self._device)
            used: int = torch.cuda.max_memory_allocated(self._device)
            return used
        memory = psutil.Process().memory_info()
        return int(getattr(memory, "peak_wset", 0) or _highest_resident()) if peak else int(memory.rss)


def _highest_resident() -> int:
    """The most memory that this process ever had resident, in bytes: never less than what one call took."""
    import resource
    import sys

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else 1024 * highest
