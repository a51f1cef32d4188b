"""Google's and Azure's stores, by emulators on this machine: a stream is put up, walked, and its run is read there.

An emulator that is not installed is left out: ``pip install gcsfs gcp-storage-emulator``, or ``pip install adlfs`` and
``npm install --global azurite``.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pytest
from operations.shop import SETTINGS, WALK, Shop
from ports import free_port

from asmg_pl.convert import convert
from asmg_pl.storage.bucket import Bucket
from asmg_pl.storage.remote import RemoteFolder

#: The account of every Azurite, which is no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def listening(command: list[str], port: int) -> Iterator[None]:
    """Run a server until the end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while server.poll() is None:
                with socket.socket() as tried:
                    if not tried.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.1)
            yield
        finally:
            server.kill()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address in a bucket of Google's kind."""
    if not find_spec("gcsfs") or not find_spec("gcp_storage_emulator"):
        pytest.skip("gcsfs or gcp-storage-emulator is not installed")
    port = free_port()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it would ask for the user's credentials
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(port)]
    with listening([*command, "--in-memory", "--default-bucket", "shop"], port):
        fsspec.get_filesystem_class("gs").clear_instance_cache()  # those of another port
        yield "gs://shop/day"


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address in a container of Azure's kind."""
    program = shutil.which("azurite-blob")
    if program is None or not find_spec("adlfs"):
        pytest.skip("adlfs or azurite is not installed")
    port = free_port()
    place = f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    account = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{place}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account)
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(tmp_path / "azure")]
    with listening([*command, "--skipApiVersionCheck", "--disableTelemetry"], port):
        fsspec.get_filesystem_class("az").clear_instance_cache()
        fsspec.filesystem("az").mkdir("shop")
        yield "az://shop/day"


@pytest.fixture(params=["google", "azure"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address in each kind of store."""
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "cache"))
    found: str = request.getfixturevalue(request.param)
    return found


def test_objects_are_put_read_listed_and_removed(address: str, tmp_path: Path) -> None:
    bucket, source, target = Bucket(address), tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 1200)
    bucket.put(source, "files/a")
    bucket.put(source, "files/a")
    bucket.get("files/a", target)
    bucket.replace("files/b", b"one")
    bucket.replace("files/b", b"two")
    assert target.read_bytes() == source.read_bytes()
    assert (bucket.read("files/b"), bucket.names("", deep=True)) == (b"two", ["files/a", "files/b"])
    assert bucket.names("nothing") == []
    bucket.remove(["files/b", "files/gone"])
    assert bucket.names("files") == ["a"]
    with pytest.raises(FileNotFoundError):
        bucket.read("files/b")


def test_of_two_writers_azure_lets_one_through(azure: str) -> None:
    """The emulator of Google's store ignores the condition, which its client sends."""
    bucket = Bucket(azure)
    assert (bucket.create("listings/1", b"one"), bucket.create("listings/1", b"two")) == (True, False)
    assert bucket.read("listings/1") == b"one"


def test_a_walk_there_is_the_walk_here(address: str, shop: Shop) -> None:
    stream, run = f"{address}/stream", f"{address}/run"
    convert([shop.folder / "first.csv"], stream, SETTINGS)
    assert shop.call(*WALK, "--data.root", stream, "--trainer.default_root_dir", run) == 0
    assert RemoteFolder(run).newest().files.keys() >= {"config.yaml", "metrics.csv", "provenance.json"}
    assert shop.call("compare", run, "--out", f"{address}/results/comparison") == 0
    assert Bucket(f"{address}/results").names("") == [f"comparison.{kind}" for kind in ("csv", "md", "png", "tex")]
