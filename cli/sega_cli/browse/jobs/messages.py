"""The messages between the server and the process that generates."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sega_cli.browse.jobs.orders import Order

State: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Start:
    """To the process: generate this."""

    job: int
    order: Order


@dataclass(frozen=True)
class Cancel:
    """To the process: stop at the next step, if this is the job."""

    job: int


@dataclass(frozen=True)
class Doing:
    """What the job is doing while there are no steps to count."""

    text: str


@dataclass(frozen=True)
class Step:
    """A step of a picture is done: `done` of its `count` steps."""

    shot: int
    done: int
    count: int


@dataclass(frozen=True)
class LivePicture:
    """An unfinished picture, encoded as WebP."""

    shot: int
    data: bytes


@dataclass(frozen=True)
class Made:
    """A picture is done.

    Attributes:
        shot: The picture's place in the order.
        png: Its file, with its provenance.
        denoiser_rows: Its price: how many rows the denoiser computed.
    """

    shot: int
    png: bytes
    name: str
    denoiser_rows: int


@dataclass(frozen=True)
class Note:
    """A remark beside the results."""

    text: str


@dataclass(frozen=True)
class Kept:
    """The vectors that the library now holds of the order, and whether they are new."""

    ids: tuple[str, ...]
    new: bool


@dataclass(frozen=True)
class Ended:
    """The job is over: `done`, `cancelled`, or `failed` for the reason given."""

    state: State
    reason: str = ""


Event: TypeAlias = Doing | Step | LivePicture | Made | Note | Kept | Ended
