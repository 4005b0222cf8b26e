"""The store on a local folder and on a real S3 protocol server: the same promises on both."""

import errno
import hashlib
import io
import os
import shutil
import stat
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.test import override_settings
from moto.server import ThreadedMotoServer

from hardcases.blobs.backends import LocalBackend, relative_name
from hardcases.blobs.bucket import S3Backend
from hardcases.blobs.store import BlobDamaged, BlobMissing, BlobStore, get_store
from hardcases.errors import StorageFull, TooLarge, Unavailable

Usage = namedtuple("Usage", "total used free")
HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture(scope="module")
def bucket_options() -> Iterator[dict[str, Any]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint_url": f"http://{host}:{port}", "access_key": "key", "secret_key": "secret", "region_name": "us-east-1"}
    client = boto3.client(
        "s3", endpoint_url=options["endpoint_url"], aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
    )
    client.create_bucket(Bucket="cases")
    yield options
    server.stop()


@pytest.fixture
def local(tmp_path: Path) -> BlobStore:
    return BlobStore(LocalBackend(tmp_path / "blobs"), tmp_path / "blobs" / "receiving")


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, local: BlobStore) -> BlobStore:
    if request.param == "local":
        return local
    return BlobStore(S3Backend("cases", **request.getfixturevalue("bucket_options")), tmp_path / "scratch")


def overwrite(store: BlobStore, digest: str, data: bytes) -> None:
    """Damage a blob behind the store's back."""
    if isinstance(store.backend, LocalBackend):
        (store.backend.root / relative_name(digest)).write_bytes(data)
    else:
        store.backend.storage.bucket.put_object(Key=relative_name(digest), Body=data)


class BothBackendsTests:
    def test_a_stream_becomes_a_blob_named_by_its_content(self, store: BlobStore) -> None:
        received = store.receive(io.BytesIO(b"hello"), limit=5)
        assert (received.sha256, received.size) == (HELLO, 5)
        assert store.commit(received) == HELLO
        assert (store.exists(HELLO), store.size(HELLO), store.read(HELLO)) == (True, 5, b"hello")
        with store.open(HELLO, size=5) as file:
            assert file.read() == b"hello"
        assert list(store.scratch.iterdir()) == []

    def test_the_same_content_twice_is_one_blob(self, store: BlobStore) -> None:
        assert store.put_bytes(b"twice") == store.commit(store.receive([b"tw", b"ice"], limit=99))
        assert list(store.iter_digests()).count(hashlib.sha256(b"twice").hexdigest()) == 1

    def test_an_empty_blob_is_a_blob(self, store: BlobStore) -> None:
        assert store.read(store.put_bytes(b"")) == b""

    def test_beyond_the_limit_nothing_remains(self, store: BlobStore) -> None:
        with pytest.raises(TooLarge, match="4 bytes"):
            store.receive([b"he", b"llo"], limit=4)
        assert list(store.scratch.iterdir()) == []

    def test_a_broken_stream_leaves_no_temp_file(self, store: BlobStore) -> None:
        def torn() -> Iterator[bytes]:
            yield b"half"
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            store.receive(torn(), limit=99)
        assert list(store.scratch.iterdir()) == []

    def test_a_discarded_upload_is_no_blob(self, store: BlobStore) -> None:
        received = store.receive([b"never committed"], limit=99)
        store.discard(received)
        assert not store.exists(received.sha256)
        assert list(store.scratch.iterdir()) == []

    def test_missing_is_a_sentence(self, store: BlobStore) -> None:
        absent = "0" * 64
        for ask in (store.open, store.read, store.size, store.verify):
            with pytest.raises(BlobMissing, match="missing from the store"):
                ask(absent)
        store.delete(absent)

    @pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "", HELLO + "0"])
    def test_what_is_no_digest_names_no_blob(self, store: BlobStore, name: str) -> None:
        for ask in (store.open, store.exists, store.delete):
            with pytest.raises(BlobMissing):
                ask(name)

    def test_changed_bytes_are_found(self, store: BlobStore) -> None:
        digest = store.put_bytes(b"original")
        overwrite(store, digest, b"tampered")
        with pytest.raises(BlobDamaged, match="not what was received"):
            store.read(digest)
        with pytest.raises(BlobDamaged):
            store.verify(digest)
        with pytest.raises(BlobDamaged), store.local_copy(digest):
            pytest.fail("damaged bytes were handed out")
        assert store.read(digest, verify=False) == b"tampered"
        overwrite(store, digest, b"short")
        with pytest.raises(BlobDamaged, match="5 bytes instead of 8"):
            store.open(digest, size=8)

    def test_deleted_is_gone(self, store: BlobStore) -> None:
        digest = store.put_bytes(b"to be erased")
        store.delete(digest)
        assert not store.exists(digest)
        assert digest not in store.iter_digests()

    def test_a_local_copy_lives_as_long_as_its_block(self, store: BlobStore) -> None:
        with store.local_copy(store.put_bytes(b"model")) as path:
            assert path.read_bytes() == b"model"
        assert not path.exists()

    def test_writing_again_renews_the_date_that_the_orphan_sweep_looks_at(self, store: BlobStore) -> None:
        digest = store.put_bytes(b"old orphan")
        if isinstance(store.backend, LocalBackend):
            os.utime(store.backend.root / relative_name(digest), (1, 1))
            assert [blob.digest for blob in store.iter_untouched_since(datetime(2001, 1, 1, tzinfo=UTC))] == [digest]
        store.put_bytes(b"old orphan")
        assert list(store.iter_untouched_since(datetime(2001, 1, 1, tzinfo=UTC))) == []
        assert next(blob.size for blob in store.iter_stored() if blob.digest == digest) == 10

    def test_a_healthy_store_is_writable(self, store: BlobStore) -> None:
        store.check_writable()


class LocalTests:
    def test_blobs_lie_two_folders_deep_and_private(self, local: BlobStore) -> None:
        local.put_bytes(b"hello")
        assert isinstance(local.backend, LocalBackend)
        path = local.backend.root / HELLO[:2] / HELLO[2:4] / HELLO
        assert path.read_bytes() == b"hello"
        assert path.stat().st_mode & 0o077 == 0

    def test_a_damaged_blob_heals_by_sending_again(self, local: BlobStore) -> None:
        digest = local.put_bytes(b"hello")
        for damage in (b"he", b"HELLO"):
            overwrite(local, digest, damage)
            local.put_bytes(b"hello")
            assert local.read(digest) == b"hello"

    @pytest.mark.parametrize("many", [1, 10])
    def test_files_and_folders_reach_the_disk_before_commit_returns(
        self, local: BlobStore, monkeypatch: pytest.MonkeyPatch, many: int
    ) -> None:
        events: list[tuple[str, int]] = []  # what was synced or renamed, and its inode
        fsync, replace = os.fsync, Path.replace

        def synced(descriptor: int) -> None:
            facts = os.fstat(descriptor)
            fsync(descriptor)
            events.append(("folder" if stat.S_ISDIR(facts.st_mode) else "file", facts.st_ino))

        def renamed(path: Path, target: Path) -> Path:
            moved = replace(path, target)
            events.append(("rename", moved.stat().st_ino))
            return moved

        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(Path, "replace", renamed)
        local.commit_all([local.receive([b"durable %d" % number], limit=99) for number in range(many)])
        assert isinstance(local.backend, LocalBackend)
        blobs = [local.backend.root / relative_name(digest) for digest in local.iter_digests()]
        assert len(blobs) == many
        for blob in blobs:
            place = events.index(("rename", blob.stat().st_ino))
            assert ("file", blob.stat().st_ino) in events[:place]
            assert {("folder", folder.stat().st_ino) for folder in list(blob.parents)[:3]} <= set(events[place:])

    @pytest.mark.parametrize(
        ("total", "free", "refused"),
        [(10**12, 999_999_999, True), (10**12, 10**9, False), (10**9, 49_999_999, True), (10**9, 5 * 10**7, False)],
    )
    def test_below_the_smaller_of_5_percent_and_1_gb_nothing_is_taken(
        self, local: BlobStore, monkeypatch: pytest.MonkeyPatch, total: int, free: int, refused: bool
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(total, total - free, free))
        if not refused:
            local.put_bytes(b"x")
            return
        with pytest.raises(StorageFull, match="Nothing was stored") as caught:
            local.put_bytes(b"x")
        assert caught.value.status == 507
        assert list(local.iter_digests()) == []

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    def test_a_disk_that_fills_up_midway_is_507_and_leaves_nothing(
        self, local: BlobStore, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(code, "full")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            local.put_bytes(b"x")
        assert list(local.iter_digests()) == []
        assert list(local.scratch.iterdir()) == []

    def test_only_old_temp_files_are_swept(self, local: BlobStore) -> None:
        old, fresh = local.receive([b"old"], limit=9), local.receive([b"fresh"], limit=9)
        os.utime(old.path, (1, 1))
        assert local.sweep_temp(timedelta(hours=24)) == 1
        assert (old.path.exists(), fresh.path.exists()) == (False, True)


def blob_path(store: BlobStore, digest: str) -> Path:
    """Where a local blob lies."""
    with store.open(digest) as file:
        return Path(file.name)


class DerivedTests:
    def test_a_copy_that_is_there_whole_stays_and_is_young_again(self, local: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        path = blob_path(local, local.put_bytes(b"an original"))
        os.utime(path, (1, 1))
        before = path.stat()
        monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("nothing was written"))
        assert local.put_derived(b"an original") == path.name
        assert path.stat().st_ino == before.st_ino
        assert path.stat().st_mtime > before.st_mtime + 1
        assert not list(local.scratch.iterdir())

    def test_an_unsynced_copy_never_takes_the_place_of_a_damaged_blob(self, local: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        path = blob_path(local, local.put_bytes(b"an original"))
        path.write_bytes(b"an orig")
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        assert local.put_derived(b"an original") == hashlib.sha256(b"an original").hexdigest()
        assert len(synced) == 2, "the file and its folder"
        assert local.read(path.name) == b"an original"

    def test_a_copy_that_cannot_be_read_is_replaced(self, local: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        path = blob_path(local, local.put_derived(b"a copy"))
        before = path.stat().st_ino

        def broken(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr(hashlib, "file_digest", broken)
            assert local.put_derived(b"a copy") == path.name
        assert path.stat().st_ino != before

    def test_a_copy_is_a_blob_like_any_other(self, local: BlobStore) -> None:
        digest = local.put_derived(b"a copy")
        assert local.read(digest) == b"a copy"
        assert not list(local.scratch.iterdir())


class SettingsTests:
    def test_the_settings_choose_folder_or_bucket(self, tmp_path: Path) -> None:
        with override_settings(DATA_DIR=tmp_path, S3_BUCKET=None):
            assert isinstance(get_store().backend, LocalBackend)
            assert get_store() is get_store()
            assert get_store().put_bytes(b"hello") == HELLO
            assert (tmp_path / "blobs" / relative_name(HELLO)).is_file()
        with override_settings(DATA_DIR=tmp_path, S3_BUCKET="cases"):
            assert isinstance(get_store().backend, S3Backend)

    def test_an_unreachable_bucket_is_503(self, tmp_path: Path) -> None:
        away = S3Backend("cases", endpoint_url="http://127.0.0.1:9", access_key="k", secret_key="s", region_name="us-east-1")
        store = BlobStore(away, tmp_path)
        with pytest.raises(Unavailable, match="does not answer"):
            store.put_bytes(b"x")
