"""Large files in parts, sent as a client sends them."""

import hashlib
import io
from typing import Any

import numpy as np
from PIL import Image

from tests.builders.http import Api


def a_large_picture(seed: int = 1, side: int = 2_000) -> bytes:
    """Noise that no format makes small: a PNG of about three bytes a pixel, 12 MB."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=0)
    return out.getvalue()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Sending:
    """One file on its way."""

    def __init__(self, api: Api, data: bytes, *, case: Any = None, key: str | None = None, **said: Any) -> None:
        self.api, self.data = api, data
        body = {"sha256": sha(data), "size": len(data), "name": "scan.png"} | ({} if case is None else {"case": case}) | said
        self.announced = api.post("uploads/", body, key=key)
        self.body = self.announced.json()
        self.id = self.body.get("id", "")

    def piece(self, number: int) -> bytes:
        size = self.body["part_size"]
        return self.data[(number - 1) * size : number * size]

    def part(self, number: int, data: bytes | None = None, api: Api | None = None, **headers: str) -> Any:
        api = api or self.api
        content = self.piece(number) if data is None else data
        path = api.url(f"uploads/{self.id}/parts/{number}/")
        return api.client.put(path, content, content_type="application/octet-stream", headers=api.headers | headers)

    def all(self) -> "Sending":
        for part in self.body["parts"]:
            assert self.part(part["number"]).status_code == 204
        return self

    def state(self, api: Api | None = None) -> Any:
        return (api or self.api).get(f"uploads/{self.id}/")

    def received(self) -> list[int]:
        return list(self.state().json()["received"])

    def confirm(self, api: Api | None = None) -> Any:
        return (api or self.api).post(f"uploads/{self.id}/confirm/", {})

    def cancel(self) -> Any:
        return self.api.client.delete(self.api.url(f"uploads/{self.id}/"), headers=self.api.headers)
