"""A folder at an address: changes are whole, one of two writers is refused, and faults of the store leave no trace."""

from __future__ import annotations

import threading
from pathlib import Path

import fsspec
import pytest
from buckets import S3

from asmg_pl.errors import BusyError, ConfigError, DataError, StorageError
from asmg_pl.storage import bucket
from asmg_pl.storage.blobs import Blobs
from asmg_pl.storage.copy import Copy
from asmg_pl.storage.listing import Listing
from asmg_pl.storage.remote import RemoteFolder
from asmg_pl.storage.work import worked_on


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def written(folder: Path, **content: str) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in content}


def test_of_two_writers_that_begin_with_the_same_listing_one_is_refused(s3: S3, tmp_path: Path) -> None:
    address, new = f"{s3.address}/shop", written(tmp_path / "new", a="1")
    outcomes: list[object] = []
    begin = threading.Barrier(2)

    def write() -> None:
        begin.wait()
        try:
            outcomes.append(RemoteFolder(address).publish(Listing(), new).number)
        except BusyError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(type, outcomes), key=str) == [int, str]
    assert any("another program has changed" in str(each) and "process" in str(each) for each in outcomes)
    listed = {entry.object for entry in RemoteFolder(address).newest().files.values()}
    assert {f"files/{name}" for name in s3.objects("shop/files")} == listed  # the refused one has left nothing


def test_changes_in_a_copy_reach_another_machine(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{s3.address}/shop"
    with worked_on(address, new=True) as folder:
        written(folder, table="1,2\n", gone="x")
        written(folder / "models" / "one", weights="w" * 1000, about="first")
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "elsewhere"))
    with worked_on(address, wanted=lambda path: path != "models/one/weights") as folder:
        assert not (folder / "models/one/weights").exists()
        (folder / "models" / "one").rename(folder / "models" / "two")  # also what was not fetched moves
        (folder / "gone").unlink()
        with (folder / "table").open("a") as table:  # what grows in its place is none of the cache's files
            table.write("3,4\n")
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "third"))
    copy, folder = Copy.view(f"{address}/models/two")
    copy.fetch()
    assert files(folder) == {"about": b"first", "weights": b"w" * 1000}
    assert files(copy.folder)["table"] == b"1,2\n3,4\n"
    assert sorted(copy.listing.files) == ["models/two/about", "models/two/weights", "table"]
    assert copy.listing.number == 2


def test_objects_that_no_listing_needs_go_and_old_numbers_stay_taken(s3: S3, tmp_path: Path) -> None:
    address = f"{s3.address}/shop"
    listing = Listing()
    for text in "abcd":
        listing = RemoteFolder(address).publish(listing, written(tmp_path / text, a=text))
    assert len(s3.objects("shop/files")) == 2  # the newest, and the one before for its readers
    assert len(s3.objects("shop/listings")) == 4
    with pytest.raises(BusyError):
        RemoteFolder(address).publish(Listing(), written(tmp_path / "late", a="late"))
    assert RemoteFolder(address).newest() == listing
    RemoteFolder(address)._bucket.put(tmp_path / "a" / "a", "files/a.2-0123abcd")  # of a writer that was killed
    RemoteFolder(address).sweep()
    assert len(s3.objects("shop/files")) == 2


def test_faults_of_the_store_lose_nothing(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.faults.failing = s3.faults.slowing = s3.faults.losing = s3.faults.cutting = 0.05
    address, expected = f"{s3.address}/shop", dict[str, bytes]()
    for number in range(4):
        with worked_on(address, new=True) as folder:
            new = {f"part-{number}-{each}": f"{number} {each}" * 2000 for each in range(12)}
            written(folder / "parts", **new)
            written(folder, current=str(number))
        expected |= {f"parts/{name}": text.encode() for name, text in new.items()} | {"current": str(number).encode()}
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "elsewhere"))
    copy, folder = Copy.view(address)
    copy.fetch()
    assert files(folder) == expected
    assert {"500", "503", "cut", "cut upload", "lost answer"} <= {*s3.faults.done}
    s3.faults.mend()
    assert copy.listing.number == 4
    listed = {entry.object for entry in copy.listing.files.values()} | {*copy.listing.dropped}
    assert {f"files/{name}" for name in s3.objects("shop/files")} == listed


def test_a_store_that_stays_down_is_one_message_and_the_changes_wait_here(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "PATIENCE", 0.5)
    address = f"{s3.address}/shop"
    with worked_on(address, new=True) as folder:
        written(folder, a="1")

    def change() -> None:
        with worked_on(address) as folder:
            written(folder, a="2")
            s3.faults.down = True

    with pytest.raises(StorageError, match=rf"^{address}: files/a\.2-.* cannot be put up \(.*\): see to the store"):
        change()
    s3.faults.down = False
    assert RemoteFolder(address).newest().number == 1
    with worked_on(address) as folder:
        assert (folder / "a").read_text() == "2"
    assert RemoteFolder(address).newest().number == 2


def test_what_a_machine_has_not_put_up_is_dropped_with_a_word_when_another_one_has_gone_on(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"{s3.address}/shop"
    with worked_on(address, new=True) as folder:
        written(folder, a="1")
    written(folder, a="mine")
    RemoteFolder(address)._bucket.put(folder / "a", "files/a.2-0123abcd")  # of a change that was interrupted
    (folder.parent / "going-up").touch()
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "elsewhere"))
    with worked_on(address) as other:
        written(other, a="2")
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "cache"))
    with worked_on(address) as folder:
        assert (folder / "a").read_text() == "2"
        written(folder, a="3")
    assert f"{address} was changed by another machine (process" in caplog.text
    assert "files/a.2-0123abcd" not in {f"files/{name}" for name in s3.objects("shop/files")}


def test_credentials_that_run_out_are_read_again(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    kept = tmp_path / "credentials"
    text = "[default]\naws_access_key_id = {}\naws_secret_access_key = tests\n"
    kept.write_text(text.format("FIRSTKEY"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(kept))
    request.addfinalizer(fsspec.filesystem("s3").clear_instance_cache)  # those with other credentials
    fsspec.filesystem("s3").clear_instance_cache()
    remote = RemoteFolder(f"{s3.address}/shop")
    listing = remote.publish(Listing(), written(tmp_path / "new", a="1"))
    s3.faults.expired = "FIRSTKEY"
    with pytest.raises(StorageError, match=r"ExpiredToken of the tests.*renew the credentials"):
        remote.publish(listing, written(tmp_path / "new", a="2"))
    kept.write_text(text.format("SECONDKEY"))
    assert remote.publish(listing, written(tmp_path / "new", a="2")).number == 2


def test_a_file_is_fetched_once_for_a_machine_and_the_cache_is_bounded(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{s3.address}/shop"
    RemoteFolder(address).publish(Listing(), written(tmp_path / "new", a="a" * 600, b="b" * 600))

    def fetch(name: str) -> None:
        copy, _ = Copy.view(address)
        copy.fetch(lambda path: path == name)

    threads = [threading.Thread(target=fetch, args=("a",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("files/a" in request and request.startswith("GET") for request in s3.faults.seen) == 1
    monkeypatch.setenv("ASMG_CACHE_SIZE", "1KB")
    fetch("b")
    kept = [path.read_text()[0] for path in Blobs().folder.glob("*/*") if not path.name.startswith(".")]
    assert kept == ["b"]


def test_a_damaged_object_is_refused_by_name(s3: S3, tmp_path: Path) -> None:
    remote = RemoteFolder(f"{s3.address}/shop")
    listing = remote.publish(Listing(), written(tmp_path / "new", a="1"))
    remote._bucket.replace(listing.files["a"].object, b"2")
    with pytest.raises(StorageError, match="an object in the store is damaged"):
        Copy.view(remote.address)[0].fetch()
    remote._bucket.replace("listings/00000001.json", b"{}")
    with pytest.raises(DataError, match=r"shop/listings/00000001\.json cannot be used"):
        Copy.view(remote.address)


def test_nothing_at_an_address_and_no_such_store_are_one_message(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="there is nothing of asmg at"):
        Copy.view(f"{s3.address}/nothing")
    with pytest.raises(ConfigError, match="nowhere://x is no address of a store"):
        Copy.view("nowhere://x")
    with pytest.raises(ConfigError, match=r"pip install 'asmg_pl\[gcs\]'"):
        Copy.view("gs://shop/run")
