"""Documentation under test: what it names exists, and what exists is named."""

import re
from pathlib import Path

from evaluation.engine import Task, answers, multilabel_report, registry
from evaluation.engine.detection.metrics import NAMES
from evaluation.engine.regression import regression_report
from evaluation.engine.stress.registry import PERTURBATIONS
from hardcases.config import env

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
STATISTICS = ROOT / "docs" / "statistics"


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    missing = [name for name in sorted(env.KNOWN) if f"`{name}`" not in text]
    assert missing == []


def test_links_between_documents_lead_somewhere() -> None:
    for page in DOCS:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_targets_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"make {target}"


def test_rooms_in_the_architecture_page_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room in set(re.findall(r"`((?:hardcases|evaluation)\.[a-z_]+)`", text)):
        path = ROOT / room.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), room


def _in_rows(page: str) -> set[str]:
    """The names in the first column of a page's tables; `_small` after `coco_ap_large` stands for `coco_ap_small`."""
    found: set[str] = set()
    for row in re.findall(r"^\| (`[^|]+) \|", (STATISTICS / page).read_text(encoding="utf-8"), flags=re.MULTILINE):
        first, *rest = re.findall(r"`(\w+)`", row)
        stems = {first[: at + 1] for at, letter in enumerate(first) if letter == "_"} | {re.sub(r"\d+$", "", first) + "_"}
        found |= {first, *(name for name in rest if not name.startswith("_"))}
        found |= {stem.rstrip("_") + name for name in rest if name.startswith("_") for stem in stems}
    return found


def test_every_metric_of_every_task_has_its_row() -> None:
    classification = {metric.name for task in (Task(("a", "b"), 1), Task(tuple("abcdef"))) for metric in registry(task)}
    numbers = {entry["metric"] for entry in regression_report([1.0, 2.0], [[1.0, 2.0]], seed=b"")["metrics"]}
    labels = {entry["metric"] for entry in multilabel_report(["a"], [[True]], [answers([[True]])], seed=b"")["metrics"]}
    wanted = {
        "classification.md": classification,
        "detection.md": set(NAMES),
        "policies.md": numbers | {name for name in labels if "[" not in name},
        "stress.md": set(PERTURBATIONS),
    }
    for page, names in wanted.items():
        assert sorted(names - _in_rows(page)) == [], page


def test_the_overview_of_statistics_leads_to_every_page() -> None:
    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert [page.name for page in sorted(STATISTICS.glob("*.md")) if f"(statistics/{page.name})" not in text] == []
