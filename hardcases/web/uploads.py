"""How large bodies are read: a part of a multipart request waits on disk, a raw body is left to who asked for it."""

import contextlib
from collections.abc import Iterator
from typing import IO, Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from rest_framework.parsers import BaseParser


class TidyUploadHandler(TemporaryFileUploadHandler):
    """Django's own, which leaves the half-written file behind when the disk is full: the one moment when it must not."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Write a chunk, or remove what there is of the file."""
        with self._tidied():
            return super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        """The last bytes reach the disk only here."""
        with self._tidied():
            return super().file_complete(file_size)

    @contextlib.contextmanager
    def _tidied(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            file: IO[bytes] = self.file
            with contextlib.suppress(OSError):  # closing flushes, which fails for the same reason, and removes the file all the same
                file.close()
            raise


class RawBody(BaseParser):
    """Takes any type and leaves the stream alone: the body goes to a file, not into memory."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The stream itself."""
        return stream
