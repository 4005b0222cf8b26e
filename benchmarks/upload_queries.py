"""How many queries one upload and one batch of 25 ask: two numbers, for `upload.py`, which runs this with the settings of the server that it measures.

python benchmarks/upload_queries.py TOKEN
"""

import sys

import httpx
from django.db import connection
from django.test.utils import CaptureQueriesContext
from upload import BATCH, Prepared, batch, pictures, single

from hardcases.config.wsgi import application


def queries(client: httpx.Client, request: Prepared) -> int:
    """Statements of one request, those that begin and end its transaction included."""
    with CaptureQueriesContext(connection) as asked:
        answer = client.post(request.path, content=request.body, headers={"Content-Type": request.kind})
    assert answer.is_success, answer.text
    return len(asked)


def main() -> None:
    """Ask this process's own copy of the application."""
    headers = {"Authorization": f"Bearer {sys.argv[1]}"}
    with httpx.Client(base_url="http://127.0.0.1", headers=headers, transport=httpx.WSGITransport(app=application)) as client:
        first, *others = pictures(1 + BATCH, kind=b"q")
        print(queries(client, single(first)), queries(client, batch(others)))


if __name__ == "__main__":
    main()
