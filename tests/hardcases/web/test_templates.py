"""The shell and its parts: escaped, without inline style or script, and complete without context."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import time_machine
from django import forms
from django.template import engines
from django.template.loader import render_to_string
from django.test import RequestFactory

from hardcases.web.looks import ICONS, look

TEMPLATES = Path(__file__).parents[3] / "templates"
HOSTILE = "<script>alert(1)</script>\"'"
RESULTS = ("pass", "fail", "not_enough_evidence", "not_run", "error", "waived")


def render(source: str, **context: object) -> str:
    return str(engines["django"].from_string("{% load hc i18n %}" + source).render(context))


class _Balance(HTMLParser):
    """Counts tags that were opened and not closed, or closed and not opened."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def assert_balanced(html: str) -> None:
    parser = _Balance()
    parser.feed(html)
    assert (parser.open, parser.wrong) == ([], [])


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.relative_to(TEMPLATES).as_posix())
def test_no_template_needs_an_exception_from_the_policy(path: Path) -> None:
    source = re.sub(r"{% comment %}.*?{% endcomment %}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:|hx-on|https?://", source)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", source))


@pytest.mark.parametrize("path", sorted((TEMPLATES / "components").glob("*.html")), ids=lambda path: path.name)
def test_every_part_says_what_it_needs(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("{% comment %}")


class LookTests:
    def test_no_two_results_share_icon_or_word_and_no_two_share_class_and_edge(self) -> None:
        looks = [look(code) for code in RESULTS]
        for part in ("css", "icon", "word"):
            assert len({str(getattr(one, part)) for one in looks}) == len(RESULTS)

    def test_every_icon_is_drawn(self) -> None:
        css = (TEMPLATES.parent / "hardcases/static/hardcases/css/components.css").read_text(encoding="utf-8")
        for code in (*RESULTS, "inbox", "came_back", "snoozed", "signed", "superseded", "frozen", "running"):
            assert look(code).icon in ICONS
            assert f".chip.{look(code).css} " in css

    def test_an_unknown_code_is_shown_and_escaped(self) -> None:
        html = render("{% chip code %}", code=HOSTILE)
        assert "&lt;script&gt;" in html
        assert "<script" not in html

    def test_a_label_replaces_the_word_only(self) -> None:
        html = render("{% chip 'snoozed' 'Snoozed until Monday' %}")
        assert "Snoozed until Monday" in html
        assert look("snoozed").css in html


class ShellTests:
    def shell(self, **context: object) -> str:
        return render_to_string("base.html", context, request=RequestFactory().get("/"))

    def test_it_stands_without_any_context(self) -> None:
        html = self.shell()
        assert_balanced(html)
        assert '<a class="skip" href="#main">' in html
        assert html.count("aria-live") == 1

    def test_hostile_names_are_text(self) -> None:
        html = self.shell(
            project={"name": HOSTILE, "slug": "x", "url": "/"},
            projects=[{"name": HOSTILE, "url": "/", "current": True}],
            nav=[{"label": HOSTILE, "url": "/", "current": True, "count": "1,204", "key": "g i"}],
            account={"name": HOSTILE, "url": "/", "sign_out_url": "/out/"},
            undo={"sentence": HOSTILE, "url": "/undo/"},
        )
        assert_balanced(html)
        assert "<script>alert" not in html
        assert "1,204" in html

    def test_the_theme_is_written_only_when_chosen(self) -> None:
        assert "data-theme" not in self.shell()
        assert 'data-theme="dark"' in self.shell(theme="dark")


class PartTests:
    def test_a_refused_field_names_its_error_to_the_control(self) -> None:
        class Form(forms.Form):
            name = forms.CharField(help_text="Shown on every page.")
            agreed = forms.BooleanField()
            kind = forms.ChoiceField(widget=forms.RadioSelect, choices=[("a", "A")])

        form = Form({})
        fields = "{% for field in form %}{% include 'components/field.html' %}{% endfor %}"
        html = render(fields + "{% include 'components/form_errors.html' %}", form=form)
        assert_balanced(html)
        described = [name for names in re.findall(r'aria-describedby="([^"]+)"', html) for name in names.split()]
        assert {"id_name_helptext", "id_name_error"} <= set(described)
        assert all(f'id="{name}"' in html for name in described)
        assert all(f'href="#{form[name].auto_id}"' in html for name in ("name", "agreed", "kind"))

    def test_an_undefined_value_shows_its_reason(self) -> None:
        html = render("{% include 'components/interval.html' with value=None reason=reason n=0 %}", reason="No positive cases")
        assert "No positive cases" in html
        assert "0.0" not in html

    def test_a_difference_and_a_share(self) -> None:
        source = "{% include 'components/interval.html' with value=v low=l high=h n=312 difference=True %}"
        html = render(source, v=-0.046, l=-0.071, h=-0.022)
        assert "−4.6 (−7.1 to −2.2)" in html
        assert "312 cases" in html
        html = render("{% include 'components/interval.html' with value=v low=l high=h n=1 %}", v=0.5, l=0.0, h=1.0)
        assert "50.0%" in html
        assert "1 case<" in html

    def test_moments_carry_their_exact_time(self) -> None:
        with time_machine.travel(datetime(2026, 11, 20, 14, 0, tzinfo=UTC), tick=False):
            html = render("{% since moment %}", moment=datetime(2026, 11, 20, 12, 0, tzinfo=UTC))
        assert html == '<time datetime="2026-11-20T12:00:00+00:00" title="2026-11-20 12:00:00 UTC">2 hours ago</time>'
        assert render("{% since moment %}", moment=None) == "–"

    @pytest.mark.parametrize(
        "source",
        [
            "{% include 'components/verdict.html' with code='fail' sentence=h detail=h label=h %}",
            "{% include 'components/empty.html' with sentence=h action_url='/' action_label=h link_url='/' link_label=h %}",
            "{% include 'components/evidence_chip.html' with test_set=h version=12 cases=1204 digest=h url='/' %}",
            "{% include 'components/breadcrumbs.html' with here=h %}",
            "{% include 'components/thumb.html' with url='/' key=h text=h note=h line=h alt=h %}",
            "{% include 'components/snippet.html' with text=h id='a' label=h %}",
            "{% include 'components/progress.html' with label=h done=3 total=1204 note=h %}",
            "{% include 'components/pagination.html' with shown=60 total=2822 older_url='/?cursor=a&b' %}",
            "{% include 'components/toast.html' with sentence=h undo_url='/undo/' %}",
        ],
    )
    def test_parts_are_balanced_and_escape_what_they_show(self, source: str) -> None:
        html = render(source, h=HOSTILE)
        assert_balanced(html)
        assert "<script>alert" not in html
