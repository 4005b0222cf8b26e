"""Pages, their fragments, and files sent to browsers."""

import re
from collections.abc import Mapping
from typing import IO, Any

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template import loader
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header

# The only types a file of ours is ever sent with, and the ending of its name. What the sender called it does not count.
FILE_TYPES: Mapping[str, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/tiff": ".tif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/svg+xml": ".svg",
    "application/dicom": ".dcm",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/zip": ".zip",
    "application/vnd.apache.parquet": ".parquet",
    "application/pdf": ".pdf",
    "text/csv": ".csv",
    "text/plain": ".txt",
    "application/octet-stream": "",
}
_SHOWABLE = frozenset({"image/png", "image/jpeg"})
_SANDBOX = "sandbox; default-src 'none'"
_UNFIT_FOR_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069<>:"/\\|?*]')


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part; boosted links and restored history want the whole page."""
    headers = request.headers
    whole = headers.get("HX-Boosted") == "true" or headers.get("HX-History-Restore-Request") == "true"
    return headers.get("HX-Request") == "true" and not whole


def render_page(
    request: HttpRequest, page: str, context: Mapping[str, Any], *, fragment: str | None = None, status: int = 200
) -> HttpResponse:
    """The template `page`, or for htmx the template `fragment` that the page includes. Caches keep the two apart."""
    template = fragment if fragment is not None and wants_fragment(request) else page
    response = HttpResponse(loader.render_to_string(template, dict(context), request), status=status)
    if fragment is not None:
        patch_vary_headers(response, ["HX-Request", "HX-Boosted", "HX-History-Restore-Request"])
    return response


def file_response(
    content: bytes | IO[bytes],
    *,
    media_type: str,
    name: str,
    own_image: bool = False,
    digest: str | None = None,
    max_age: int | None = None,
) -> HttpResponseBase:
    """Send a file so that no browser can take it for a page of ours.

    `media_type` is a key of `FILE_TYPES`, from what we detected or made. `name` is any text; its ending becomes that of the type.
    `own_image` shows a PNG or JPEG that we encoded ourselves in place; everything else is a download. `digest` becomes the ETag, `max_age`
    is seconds of private caching.
    """
    if media_type not in FILE_TYPES:
        raise ValueError(f"{media_type} is not among the types we send")
    if own_image and media_type not in _SHOWABLE:
        raise ValueError(f"{media_type} is never shown in place")
    response: HttpResponseBase = HttpResponse(content) if isinstance(content, bytes) else FileResponse(content)
    response["Content-Type"] = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    response["Content-Disposition"] = content_disposition_header(not own_image, download_name(name, FILE_TYPES[media_type])) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = _SANDBOX
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private" if max_age is None else f"private, max-age={max_age}"
    if digest is not None:
        response["ETag"] = f'"{digest}"'
    return response


def download_name(name: str, suffix: str) -> str:
    """A file name for the header from any text: no folders, controls or direction marks, at most 150 characters, ending in `suffix`."""
    last = re.split(r"[/\\]", name)[-1]
    clean = _UNFIT_FOR_NAMES.sub("_", last).encode("utf-8", "replace").decode().strip(" .")
    stem = clean[: clean.rindex(".")] if suffix and "." in clean[1:] else clean
    return (stem[: 150 - len(suffix)].strip(" .") or "file") + suffix
