"""Uploads of 97 KB JPEGs against a real server: singles with four clients, batches of 25, beside the machine's own limit.

    python benchmarks/upload.py [--database postgres://…] [--count 600]

Everything runs on this machine: client, server (gunicorn) and database share its cores. The limit is what the machine does when it only hashes, decodes
in draft mode, writes and syncs the same files, one after the other. Prints files a second, percentiles, the ratio to that limit, what a file costs the server
processes in processor time (not the client, nor PostgreSQL; beside it what the limit's own work costs), and how many queries a request asks.
"""

import argparse
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = 4
BATCH = 25
PROJECT = {
    "slug": "bench",
    "name": "Bench",
    "task": "classification",
    "key_prefix": "B",
    "classes": ["normal", "nodule"],
    "positive_class": "nodule",
    "attributes": [{"name": "site", "type": "category"}, {"name": "age", "type": "number"}],
}
FACTS = {"source": "clinic-7", "prediction": {"scores": {"normal": 0.9, "nodule": 0.1}}, "attributes": {"site": "clinic-7", "age": 61}}


def pictures(count: int, kind: bytes = b"") -> list[bytes]:
    """`count` different JPEGs of about 97 KB: one picture with another comment each, so that making them costs nothing. Another `kind`, other files."""
    noise = np.random.default_rng(7).normal(128, 22, (375, 500)).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=90)
    data = out.getvalue()
    comments = (kind + b"%09d" % number for number in range(count))
    return [data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:] for comment in comments]


def machine_limit(files: list[bytes], folder: Path) -> tuple[float, float]:
    """Files a second for hash, draft decode, write, fsync and rename, and the processor's seconds for each."""
    start, processor = time.perf_counter(), time.process_time()
    for data in files:
        name = hashlib.sha256(data).hexdigest()
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            image.draft(None, (image.width // 8, image.height // 8))
            image.load()
        draft = folder / f"{name}.part"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(folder / name)
    return len(files) / (time.perf_counter() - start), (time.process_time() - processor) / len(files)


@dataclass
class Prepared:
    """A request as it goes over the wire, put together before the clock starts: who sends it in production does not share the server's cores."""

    path: str
    body: bytes
    kind: str
    created: int

    @classmethod
    def of(cls, path: str, fields: dict[str, str], files: dict[str, tuple[str, bytes]]) -> Self:
        """Multipart."""
        request = httpx.Request("POST", f"http://server/{path}", files=files, data=fields)
        return cls(f"/api/v1/projects/bench/{path}", request.read(), request.headers["Content-Type"], len(files))


def single(data: bytes) -> Prepared:
    """One file."""
    return Prepared.of("cases/", {"case": json.dumps(FACTS)}, {"file": ("x.jpg", data)})


def batch(some: list[bytes]) -> Prepared:
    """25 files."""
    files = {f"f{index}": (f"{index}.jpg", data) for index, data in enumerate(some)}
    return Prepared.of("cases/batch/", {"cases": json.dumps([FACTS | {"file": name} for name in files])}, files)


def send(connection: HTTPConnection, token: str, request: Prepared) -> float:
    """The seconds it took. Every file makes a case."""
    start = time.perf_counter()
    connection.request("POST", request.path, request.body, {"Authorization": f"Bearer {token}", "Content-Type": request.kind})
    answer = connection.getresponse()
    said, seconds = json.loads(answer.read()), time.perf_counter() - start
    created = [answer.status] if "results" not in said else [item["status"] for item in said["results"]]
    assert created == [201] * request.created, said
    return seconds


def measure(server: int, port: int, token: str, work: list[Prepared], clients: int) -> tuple[float, Any, float]:
    """(requests a second, seconds of each, processor's milliseconds of the server for each) with so many clients at once."""
    opened = [HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(clients)]
    shares = [work[index::clients] for index in range(clients)]
    start, processor = time.perf_counter(), processor_time(server)
    with ThreadPoolExecutor(clients) as pool:
        taken = list(pool.map(lambda client, share: [send(client, token, item) for item in share], opened, shares))
    elapsed, processor = time.perf_counter() - start, processor_time(server) - processor
    for client in opened:
        client.close()
    return len(work) / elapsed, np.concatenate([np.array(part) for part in taken]), 1000 * processor / len(work)


def manage(environment: dict[str, str], *words: str) -> str:
    """Run a management command and return what it printed."""
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def serve(environment: dict[str, str], port: int) -> "subprocess.Popen[bytes]":
    """gunicorn with two processes, answering."""
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "hardcases.config.wsgi",
        "-b",
        f"127.0.0.1:{port}",
        "-w",
        "2",
        "-k",
        "gthread",
        "--threads",
        "4",
    ]
    server = subprocess.Popen(
        [*command, "--log-level", "error"], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz/").status_code == 200:
                return server
        except httpx.TransportError:
            time.sleep(0.1)
    server.kill()
    raise SystemExit("The server did not answer.")


def processor_time(process: int) -> float:
    """Seconds that a process and its living children have used so far (Linux)."""
    user, system = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") + sum(processor_time(int(child)) for child in children)


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database", help="default: SQLite in a temporary folder")
    options.add_argument("--count", type=int, default=600)
    given = options.parse_args()
    files = pictures(2 * given.count)
    singles, rest = files[: given.count], files[given.count :]
    batches = [rest[at : at + BATCH] for at in range(0, len(rest), BATCH)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="hardcases-bench-") as name:
        folder = Path(name)
        (folder / "limit").mkdir()
        (folder / "data").mkdir(mode=0o700)
        limit, least = machine_limit(singles, folder / "limit")
        environment = {**os.environ, "HARDCASES_DATA_DIR": str(folder / "data"), "HARDCASES_BIND": f"127.0.0.1:{port}"}
        environment |= {"DATABASE_URL": given.database} if given.database else {}
        (folder / "project.json").write_text(json.dumps(PROJECT))
        manage(environment, "migrate", "-v0")
        manage(environment, "create_project", str(folder / "project.json"))
        token = manage(environment, "create_token", "bench", "--scopes", "report").splitlines()[-1]
        server = serve(environment, port)
        try:
            singly, seconds, each = measure(server.pid, port, token, [single(data) for data in singles], CLIENTS)
            batched, _, each_batch = measure(server.pid, port, token, [batch(some) for some in batches], 2)
        finally:
            server.terminate()
            server.wait(30)
        counter = [sys.executable, str(ROOT / "benchmarks" / "upload_queries.py"), token]
        asked = subprocess.run(counter, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    p50, p99 = np.percentile(seconds * 1000, [50, 99])
    batched *= BATCH
    print(f"file size          {len(files[0]) / 1000:8.0f} KB on {'PostgreSQL' if given.database else 'SQLite'}")
    print(
        f"machine's limit    {limit:8.0f} files/s (hash, draft decode, write, fsync; one after the other)   {1000 * least:.1f} ms of processor a file"
    )
    print(f"single, {CLIENTS} clients  {singly:8.0f} files/s   p50 {p50:.0f} ms, p99 {p99:.0f} ms   {singly / limit:.2f} of the limit")
    print(f"                   {each:8.1f} ms of processor a file, {each / 1000 / least:.1f} times the limit's   {asked[0]} queries")
    print(f"batches of {BATCH}      {batched:8.0f} files/s   {batched / limit:.2f} of the limit")
    print(
        f"                   {each_batch / BATCH:8.1f} ms of processor a file, {each_batch / BATCH / 1000 / least:.1f} times the limit's   {asked[1]} queries"
    )


if __name__ == "__main__":
    main()
