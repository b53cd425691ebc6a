"""A row of a listing: what is known of a vector without opening its file."""

from dataclasses import dataclass, replace

from sega_store.records.annotation import Annotation


@dataclass(frozen=True)
class Entry:
    """One vector of a library.

    Attributes:
        id: `recipe.content`.
        name: Given by a person, or None.
        concept: The concept's text.
        prompt: The prompt of the recording.
        model: The model's name.
        seed: The seed of the initial noise, if known.
        noise: The hash of the initial noise.
        steps: T.
        shape: (T, C, *S).
        dtype: The dtype of the values.
        nnz: The number of kept entries.
        bytes: The size of the file.
        created: ISO 8601 in UTC.
        tags: Given by people.
        rating: From 1 to 5, or None.
        notes: Free text, perhaps empty.
    """

    id: str
    name: str | None
    concept: str
    prompt: str
    model: str
    seed: int | None
    noise: str
    steps: int
    shape: tuple[int, ...]
    dtype: str
    nnz: int
    bytes: int
    created: str
    tags: tuple[str, ...]
    rating: int | None
    notes: str

    @property
    def said(self) -> Annotation:
        """What people say of it, but for a recommendation, of which a row doesn't tell."""
        return Annotation(self.name, self.tags, self.rating, self.notes)

    def saying(self, said: Annotation) -> "Entry":
        """The same vector, of which people say something else."""
        return replace(self, name=said.name, tags=said.tags, rating=said.rating, notes=said.notes)
