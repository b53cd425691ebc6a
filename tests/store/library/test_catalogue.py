"""The catalogue of a library: what it answers, and that it is built again from the files."""

from sega_store import Library, Selection
from tests.store.samples import vector


def test_pages_groups_and_facets(library: Library) -> None:
    ids = {library.add(vector("glasses")), library.add(vector("smile"))}
    catalogue = library.catalogue
    assert {entry.id for entry in catalogue.page()} == ids
    assert catalogue.total(Selection(concept="smile")) == 1
    assert {group.value for group in catalogue.groups(Selection(), "concept")} == {"glasses", "smile"}
    assert {group.value for group in catalogue.facets()["concept"]} == {"glasses", "smile"}


def test_lookup_and_annotated_rows(library: Library) -> None:
    identity = library.add(vector("glasses"), name="mine")
    catalogue = library.catalogue
    for ref in ("mine", "glasses", identity[:8]):
        assert [entry.id for entry in catalogue.lookup(ref)] == [identity]
    assert catalogue.lookup("none") == []
    library.annotate("mine", tags=["good"], rating=4, notes="seen")
    (entry,) = catalogue.entries([identity, "none"]).values()
    assert (entry.name, entry.tags, entry.rating, entry.notes) == ("mine", ("good",), 4, "seen")
    assert catalogue.owners({"mine": "another", "none": "another"}) == {"mine": identity}
    assert catalogue.owners({"mine": identity}) == {}
    taken = {"glasses": "another", identity[:4]: "another"}
    assert catalogue.owners(taken) == dict.fromkeys(taken, identity), "they would hide its concept and id"


def test_damage_is_listed_and_a_discarded_catalogue_built_again(library: Library) -> None:
    library.add(vector("glasses"))
    path = library.path_of(library.add(vector("smile")))
    before = library.catalogue.page()
    library.catalogue.discard()
    assert library.catalogue.page() == before
    path.write_bytes(b"x")
    library.catalogue.rebuild()
    assert [error.file for error in library.catalogue.damaged()] == [str(path)]
    assert [entry.concept for entry in library.catalogue.page()] == ["glasses"]
