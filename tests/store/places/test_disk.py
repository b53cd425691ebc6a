import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sega_store import LibraryError, VectorFileError
from sega_store.files.regular_file import at_most, read_beginning, read_regular
from sega_store.places.disk import (
    exists,
    free_name,
    library_errors,
    make_folder,
    publish,
    replace,
    steadily,
    sweep,
    sync_folder,
    temporaries_in,
    write,
)


def test_publishing_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    assert publish(path, b"first")
    assert not publish(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(path.parent) == ["file"]


def test_of_two_publishers_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    link = os.link

    def late(source: Any, target: Any) -> None:
        path.write_bytes(b"faster")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert not publish(path, b"slower")
    assert path.read_bytes() == b"faster"
    assert os.listdir(tmp_path) == ["file"]


def test_replacing_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    replace(path, b"first")
    replace(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["fsync", "link"])
def test_faults_leave_nothing_behind(fault: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(LibraryError, match=os.strerror(fault)):
        publish(tmp_path / "file", b"data")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LibraryError, match="The disk is full: free some space"):
        publish(tmp_path / "file", b"data")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LibraryError, match="is a folder"):
        publish(tmp_path / "file" / "below", b"data")


def test_what_is_written_in_parts_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "aside"

    def interrupted() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write(path, interrupted())
    assert not path.exists()
    write(path, [b"all", b" of it"])
    assert path.read_bytes() == b"all of it"
    with pytest.raises(FileExistsError):
        write(path, [b"other"])
    assert path.read_bytes() == b"all of it"


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert read_regular(path, at_most(10)) == b"0123456789"
    assert read_beginning(path, 4) == (b"0123", 10)


def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that are synced from now on."""
    inodes: list[int] = []
    fsync = os.fsync

    def told(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", told)
    return inodes


def test_what_is_published_is_synced_up_to_the_first_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").touch()
    inodes = synced(monkeypatch)
    path = tmp_path / "a" / "b" / "file"
    publish(path, b"data")
    assert inodes == [each.stat().st_ino for each in (tmp_path, tmp_path / "a", path, path.parent)]
    inodes.clear()
    publish(path.with_name("other"), b"data")
    assert inodes == [each.stat().st_ino for each in (path.with_name("other"), path.parent)]


def test_the_name_of_an_empty_folder_is_synced_for_its_maker_may_be_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a" / "file"
    (tmp_path / "old").touch()
    path.parent.mkdir()
    inodes = synced(monkeypatch)
    publish(path, b"data")
    assert inodes == [each.stat().st_ino for each in (tmp_path, path, path.parent)]


def test_what_could_not_be_synced_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == tmp_path.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    for _ in range(2):  # also when the file is there already
        with pytest.raises(LibraryError, match="Input/output error"):
            publish(path, b"data")
    assert os.listdir(tmp_path) == ["file"]
    monkeypatch.undo()
    assert not publish(path, b"data")
    assert path.read_bytes() == b"data"


def test_looking_tells_missing_from_failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert exists(tmp_path / "file")
    assert not exists(tmp_path / "other")
    assert not exists(tmp_path / "file" / "below")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(LibraryError, match="Input/output error"):
        exists(tmp_path / "file")


def test_what_is_written_or_replaced_is_synced_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").touch()
    inodes, path = synced(monkeypatch), tmp_path / "file"
    write(path, [b"one", b"two"])
    assert inodes == [path.stat().st_ino, tmp_path.stat().st_ino]
    inodes.clear()
    replace(path, b"new")
    assert inodes == [path.stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize("size", [5, 200_000])
def test_all_bytes_are_written_before_they_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    (tmp_path / "old").touch()
    write(tmp_path / "written", [bytes(size)])
    publish(tmp_path / "published", bytes(size))
    replace(tmp_path / "replaced", bytes(size))
    assert sizes[::2] == [size] * 3, "each file, and then its folder"


def test_a_synced_folder_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors, opened = [], os.open

    def told(*args: Any) -> int:
        descriptors.append(opened(*args))
        return descriptors[-1]

    monkeypatch.setattr(os, "open", told)
    sync_folder(tmp_path)
    (descriptor,) = descriptors
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_fault_while_replacing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    replace(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(LibraryError, match=r"file failed: Read-only file system\. The file system is"):
        replace(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_an_unheard_of_fault_has_a_remedy_too() -> None:
    for error in (OSError(errno.ELOOP, "too many links"), OSError("too many links")):
        with pytest.raises(LibraryError, match=r"It failed: too many links\. Check the disk"), library_errors("It"):
            raise error


def test_what_dead_writers_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    ours, aside, named = (tmp_path / name for name in (f".{'0a' * 8}.tmp", f".x.{'0a' * 8}.tmp", "x.tmp"))
    for path in (ours, aside, named):
        path.touch()
    (tmp_path / f".{'0b' * 8}.tmp").mkdir()  # can't be unlinked, and stays
    written = ours.lstat().st_ctime
    sweep(tmp_path, written + 3600)
    assert ours.exists()
    assert set(temporaries_in(tmp_path)) == {ours, aside, tmp_path / f".{'0b' * 8}.tmp"}
    sweep(tmp_path, written + 3600.5)
    assert not ours.exists()
    assert aside.exists()
    assert named.exists()


def test_what_vanishes_while_it_is_read_is_read_once_more() -> None:
    answers = iter([VectorFileError("a", "gone"), 7, VectorFileError("a", "gone"), VectorFileError("a", "again")])

    def read() -> Any:
        answer = next(answers)
        if isinstance(answer, VectorFileError):
            raise answer
        return answer

    assert steadily(read) == 7
    with pytest.raises(VectorFileError, match="again"):
        steadily(read)


def test_a_free_name_is_the_given_one_unless_something_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert free_name(folder, "file") == folder / "file"
    (folder / "file").symlink_to("nowhere")
    other = free_name(folder, "file")
    assert other.parent == folder
    assert other.name.endswith(".file")
    assert len(other.name) == len("01234567.file")


def test_a_folder_that_others_own_need_not_be_synced_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given").mkdir()
    descriptor = os.open

    def forbidden(path: Any, *flags: Any) -> int:
        if Path(path) == tmp_path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return descriptor(path, *flags)

    monkeypatch.setattr(os, "open", forbidden)
    make_folder(tmp_path / "given")
    with pytest.raises(PermissionError):
        make_folder(tmp_path / "new")
