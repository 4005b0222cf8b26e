"""A backup is a folder: the database as of one moment, every stored file, and a list of both with digests.

    backup.json      what this is, written last: a folder without it is no backup
    database/        one SQLite file, or one file a table in PostgreSQL's own COPY text
    blobs.jsonl      {"sha256", "size"} of every stored file, ascending
    blobs/ab/cd/…    the files

The database is copied first. Files are only ever added, so all that the copied rows name is copied after them; what was lawfully erased in between is the one
thing that may be absent, and `verify` says so. The secret key is not in it.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from hardcases.audit.models import AuditEvent
from hardcases.blobs.backends import LocalBackend, relative_name
from hardcases.blobs.store import BlobMissing, get_store
from hardcases.errors import Conflict
from hardcases.management.moment import one_moment
from hardcases.projects.models import Project, User

FORMAT = 1
HEADER, BLOBS, DATABASE = "backup.json", "blobs.jsonl", "database"
SQLITE_FILE = "hardcases.sqlite3"


class NotABackup(Conflict):
    code, title = "not_a_backup", "This folder cannot be used"


@dataclass
class Header:
    """`files`: path under the folder → SHA-256. `migrations`: "app.name" of all that were applied."""

    format: int = FORMAT
    made_at: str = ""
    vendor: str = ""
    migrations: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    blobs: int = 0
    blob_bytes: int = 0


def applied_migrations() -> list[str]:
    """What the database has, in a fixed order."""
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def make(folder: Path, *, link: bool) -> Header:
    """Write a backup into a new or empty folder. With `link` local files are hard-linked: no copy, so use it only for what goes elsewhere next."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise NotABackup(f"{folder} is not empty. Nothing was written. Name a new folder.")
    (folder / DATABASE).mkdir(mode=0o700)
    header = Header(made_at=timezone.now().isoformat(), vendor=connection.vendor, migrations=applied_migrations())
    if connection.vendor == "sqlite":
        _copy_sqlite(folder / DATABASE / SQLITE_FILE)
    else:
        header.tables = _copy_tables(folder / DATABASE)
    _copy_blobs(folder, header, link=link)
    header.files = {str(path.relative_to(folder)): _sha256(path) for path in [*sorted((folder / DATABASE).iterdir()), folder / BLOBS]}
    draft = folder / f"{HEADER}.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(asdict(header), file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / HEADER)
    return header


def _copy_sqlite(target: Path) -> None:
    """SQLite's own online backup: one moment, while others write."""
    connection.ensure_connection()
    with closing(sqlite3.connect(target)) as copy:
        connection.connection.backup(copy)
    target.chmod(0o600)


def _copy_tables(folder: Path) -> dict[str, list[str]]:
    """Every table in one REPEATABLE READ transaction; returns the order of the columns in each file."""
    columns: dict[str, list[str]] = {}
    quote = connection.ops.quote_name
    with one_moment(), connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            columns[table] = [column.name for column in connection.introspection.get_table_description(cursor, table)]
            listed = ", ".join(map(quote, columns[table]))
            with (folder / f"{table}.copy").open("wb") as file, cursor.copy(f"COPY {quote(table)} ({listed}) TO STDOUT") as rows:
                for block in rows:
                    file.write(block)
    return columns


def _copy_blobs(folder: Path, header: Header, *, link: bool) -> None:
    store = get_store()
    listed = []
    for blob in store.iter_stored():
        target = folder / "blobs" / relative_name(blob.digest)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(BlobMissing):  # erased since it was listed
            if link and isinstance(store.backend, LocalBackend):
                target.hardlink_to(store.backend.root / relative_name(blob.digest))
            else:
                with store.open(blob.digest) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            listed.append((blob.digest, blob.size))
            header.blob_bytes += blob.size
    header.blobs = len(listed)
    with (folder / BLOBS).open("w", encoding="ascii") as file:
        file.writelines(json.dumps({"sha256": digest, "size": size}) + "\n" for digest, size in sorted(listed))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- The way back --------------------------------------------------------------------------------------------------------------------------------------
def read_header(folder: Path) -> Header:
    """Check that the folder is a whole backup whose lists are as they were written. Raises NotABackup."""
    try:
        said: dict[str, Any] = json.loads((folder / HEADER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotABackup(f"{folder} holds no finished backup: {HEADER} is missing or unreadable. Nothing was changed.") from error
    if said.get("format") != FORMAT:
        raise NotABackup(f"The backup has format {said.get('format')}; this version reads {FORMAT}. Nothing was changed.")
    header = Header(**said)
    for name, digest in header.files.items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise NotABackup(f"{name} of the backup is missing or was changed since it was written. Nothing was changed.")
    return header


def restore(folder: Path) -> Header:
    """Bring a backup into an empty installation: the files first, then the rows that name them. Every file is checked against its name."""
    header = read_header(folder)
    if header.vendor != connection.vendor:
        raise NotABackup(
            f"The backup is of {header.vendor}, this installation uses {connection.vendor}. Nothing was changed. Set DATABASE_URL accordingly."
        )
    if header.vendor == "postgresql" and header.migrations != applied_migrations():
        raise NotABackup(
            "The backup was made by another version of the program. Nothing was changed. Restore it with that version, then update."
        )
    _refuse_unless_empty()
    for digest, size in _listed(folder):
        _restore_blob(folder / "blobs" / relative_name(digest), digest, size)
    if header.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(f"file:{folder / DATABASE / SQLITE_FILE}?mode=ro", uri=True)) as source:
            source.backup(connection.connection)
    else:
        _load_tables(folder / DATABASE, header.tables)
    return header


def _refuse_unless_empty() -> None:
    for model in (User, Project, AuditEvent):
        if model.objects.exists():
            name = model.__name__
            raise NotABackup(f"This installation is not empty: it has rows of {name}. Nothing was changed. Restore into a new one.")


def _listed(folder: Path) -> Iterator[tuple[str, int]]:
    with (folder / BLOBS).open(encoding="ascii") as file:
        for line in file:
            said = json.loads(line)
            yield said["sha256"], said["size"]


def _restore_blob(path: Path, digest: str, size: int) -> None:
    store = get_store()
    try:
        with path.open("rb") as file:
            received = store.receive(file, limit=size)
    except FileNotFoundError as error:
        raise NotABackup(f"The file {digest} is missing from the backup. The database was not touched.") from error
    if (received.sha256, received.size) != (digest, size):
        store.discard(received)
        raise NotABackup(f"The file {digest} of the backup is damaged. The database was not touched.")
    store.commit(received)


def _load_tables(folder: Path, tables: dict[str, list[str]]) -> None:
    """All rows in one transaction. Our triggers rest meanwhile: they were obeyed when the rows were written, and some write rows of their own."""
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {quote(table)} DISABLE TRIGGER USER")
        for table in tables:
            cursor.execute(f"DELETE FROM {quote(table)}")  # nosec B608  # noqa: S608 - a name that the database itself gave, quoted
        for table, columns in tables.items():
            listed = ", ".join(map(quote, columns))
            with (folder / f"{table}.copy").open("rb") as file, cursor.copy(f"COPY {quote(table)} ({listed}) FROM STDIN") as rows:
                while block := file.read(1 << 20):
                    rows.write(block)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {quote(table)} ENABLE TRIGGER USER")
        for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models(include_auto_created=True)):
            cursor.execute(statement)
