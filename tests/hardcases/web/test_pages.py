"""Pages and fragments, and files that no browser may take for a page."""

import io
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from hardcases.web.pages import download_name, file_response, render_page


@pytest.fixture(autouse=True)
def templates() -> Any:
    pages = {"page.html": "<main>{% include 'part.html' %}</main>", "part.html": "<p>{{ name }}</p>"}
    loaders = [("django.template.loaders.locmem.Loader", pages)]
    with override_settings(TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": loaders}}]):
        yield


def asked(**headers: str) -> HttpRequest:
    return RequestFactory().get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})


class RenderingTests:
    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({}, "<main><p>&lt;b&gt;</p></main>"),
            ({"HX_Request": "true"}, "<p>&lt;b&gt;</p>"),
            ({"HX_Request": "true", "HX_Boosted": "true"}, "<main><p>&lt;b&gt;</p></main>"),
            ({"HX_Request": "true", "HX_History_Restore_Request": "true"}, "<main><p>&lt;b&gt;</p></main>"),
        ],
    )
    def test_htmx_gets_the_part_and_others_the_page(self, headers: dict[str, str], body: str) -> None:
        response = render_page(asked(**headers), "page.html", {"name": "<b>"}, fragment="part.html")
        assert response.content.decode() == body
        assert "HX-Request" in response["Vary"]

    def test_a_page_without_a_fragment_is_always_whole(self) -> None:
        response = render_page(asked(HX_Request="true"), "page.html", {"name": "x"}, status=201)
        assert (response.status_code, response.content) == (201, b"<main><p>x</p></main>")


class FileTests:
    def test_a_download_carries_every_guard(self) -> None:
        response = file_response(b"bytes", media_type="image/png", name="../../scan.html", digest="ab" * 32)
        assert response["Content-Type"] == "image/png"
        assert response["Content-Disposition"] == 'attachment; filename="scan.png"'
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert response["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response["Cache-Control"] == "private"
        assert response["ETag"] == f'"{"ab" * 32}"'

    def test_only_our_own_images_are_shown_in_place(self) -> None:
        shown = file_response(b"x", media_type="image/jpeg", name="XR-1", own_image=True, max_age=60)
        assert shown["Content-Disposition"] == 'inline; filename="XR-1.jpg"'
        assert shown["Cache-Control"] == "private, max-age=60"
        for media_type in ("image/svg+xml", "image/gif", "text/plain", "application/pdf"):
            with pytest.raises(ValueError, match="never shown"):
                file_response(b"x", media_type=media_type, name="x", own_image=True)

    def test_types_come_from_our_table_only(self) -> None:
        with pytest.raises(ValueError, match="not among"):
            file_response(b"x", media_type="text/html", name="x")

    def test_a_stream_is_streamed(self) -> None:
        response = file_response(io.BytesIO(b"long"), media_type="application/zip", name="evidence")
        assert b"".join(response) == b"long"
        assert response["Content-Disposition"] == 'attachment; filename="evidence.zip"'

    def test_text_says_its_encoding(self) -> None:
        assert file_response("é".encode(), media_type="text/csv", name="é")["Content-Type"] == "text/csv; charset=utf-8"

    @pytest.mark.parametrize(
        ("name", "clean"),
        [
            ("a/b\\c.exe", "c.png"),
            ('x"\r\nSet-Cookie: a=b', "x___Set-Cookie_ a=b.png"),
            ("\u202egnp.exe", "_gnp.png"),
            ("", "file.png"),
            ("..", "file.png"),
            (".png", "png.png"),
            ("v3.1.4.png", "v3.1.4.png"),
            ("Röntgen 7.tif", "Röntgen 7.png"),
            ("\ud800x", "?x.png"),
            ("x" * 400, "x" * 146 + ".png"),
        ],
    )
    def test_names_are_text_and_never_paths(self, name: str, clean: str) -> None:
        assert download_name(name, ".png") == clean

    def test_names_beyond_ascii_follow_rfc_6266(self) -> None:
        header = file_response(b"x", media_type="image/png", name="Röntgen")["Content-Disposition"]
        assert header == "attachment; filename*=utf-8''R%C3%B6ntgen.png"
