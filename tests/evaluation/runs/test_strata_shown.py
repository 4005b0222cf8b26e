"""What a report draws and in what order its strata are listed."""

import pytest

from evaluation.runs import presenting
from evaluation.runs.figures import draw, stratum_name
from evaluation.runs.reports import report_of
from tests.builders.releases import Scene, a_scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return a_scene(40, candidate_wrong=range(4))


def test_named_strata_are_drawn_instead_of_the_attributes_behind_them(scene: Scene) -> None:
    report = report_of(scene.run)
    drawn = {row[0] for row in draw(scene.run, report)["forest"]["rows"]}
    assert drawn == {"all cases", "portable", "class=normal", "class=nodule"}
    for entry in list(report["metrics"]):
        if entry["stratum"].startswith("stratum:"):
            report["metrics"].remove(entry)
    assert "portable=true" in {row[0] for row in draw(scene.run, report)["forest"]["rows"]}


def test_the_table_groups_strata_by_field_the_named_ones_first(scene: Scene) -> None:
    groups = presenting.report_page(scene.run)["strata_groups"]
    titles = [group["title"] for group in groups]
    assert titles[:3] == ["", "Named strata", "Classes"]
    assert titles[3:] == sorted(titles[3:])
    assert "site" in titles
    assert {row["name"] for row in groups[1]["rows"]} == {"portable"}


def test_names_for_people() -> None:
    assert [stratum_name(name) for name in ("all", "stratum:grey-paper", "fault=grey-paper")] == [
        "all cases",
        "grey paper",
        "fault=grey-paper",
    ]
