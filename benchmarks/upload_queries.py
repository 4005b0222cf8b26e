"""How many queries one upload and one batch of 25 ask: two numbers, for `upload.py`, which runs this with the settings of the server that it measures.

python benchmarks/upload_queries.py TOKEN
"""

import sys
from collections.abc import Callable
from typing import Any

import httpx
from django.db import connection
from django.test.utils import CaptureQueriesContext
from upload import BATCH, pictures, upload, upload_batch

from hardcases.config.wsgi import application


def queries(client: httpx.Client, one: Callable[[httpx.Client, Any], float], work: Any) -> int:
    """Statements of one request, those that begin and end its transaction included."""
    with CaptureQueriesContext(connection) as asked:
        one(client, work)
    return len(asked)


def main() -> None:
    """Ask this process's own copy of the application."""
    headers = {"Authorization": f"Bearer {sys.argv[1]}"}
    base = "http://127.0.0.1/api/v1/projects/bench/"
    with httpx.Client(base_url=base, headers=headers, transport=httpx.WSGITransport(app=application)) as client:
        single, *batch = pictures(1 + BATCH, kind=b"q")
        print(queries(client, upload, single), queries(client, upload_batch, batch))


if __name__ == "__main__":
    main()
