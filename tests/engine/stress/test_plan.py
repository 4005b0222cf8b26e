"""Plans and the registry: checked at the door, enumerated the same way everywhere, every perturbation explained in the docs."""

import re
from pathlib import Path
from typing import Any

import pytest

from evaluation.engine.arrays import BadInput
from evaluation.engine.stress.base import seed_of
from evaluation.engine.stress.plan import Item, Plan, Step
from evaluation.engine.stress.registry import PERTURBATIONS, of_domain, perturbation

PAGE = Path(__file__).resolve().parents[3] / "docs" / "statistics" / "stress.md"
CASES = ["a" * 64, "b" * 64]


class PlanTests:
    def test_steps_and_items(self) -> None:
        plan = Plan(("jpeg", "inversion"), (1, 5))
        assert plan.steps == (Step("jpeg", 1), Step("jpeg", 5), Step("inversion", 1))
        assert [step.stratum for step in plan.steps] == ["jpeg@1", "jpeg@5", "inversion@1"]
        assert list(plan.items(CASES)) == [Item(case, step) for case in CASES for step in plan.steps]

    def test_the_digest_is_the_plans_content(self) -> None:
        plan = Plan(("jpeg", "inversion"), (1, 5), 3)
        assert plan.digest == Plan(("jpeg", "inversion"), (1, 5), 3).digest
        others = [Plan(("inversion", "jpeg"), (1, 5), 3), Plan(("jpeg",), (1, 5), 3), Plan(("jpeg", "inversion"), (1, 4), 3)]
        assert len({other.digest for other in [plan, *others, Plan(("jpeg", "inversion"), (1, 5), 4)]}) == 5
        assert plan.digest == "f51b71d9b2d5ceb6589946fbf69c09ca991ef466c5fe4b7692d434da7a2da3ee"

    @pytest.mark.parametrize(
        ("names", "severities", "seed", "sentence"),
        [
            (("jpg",), (1,), 0, "no perturbation 'jpg' here; there are brightness_up, .*gaussian_blur.*typo_swap.*stale_date"),
            ((), (1,), 0, "at least one perturbation"),
            (("jpeg",), (), 0, "and one severity"),
            (("jpeg", "jpeg"), (1,), 0, "perturbation 'jpeg' is given twice"),
            (("jpeg",), (2, 2), 0, "severity 2 is given twice"),
            (("jpeg",), (0,), 0, "severity 0 is not one of 1 to 5"),
            (("jpeg",), (True,), 0, "severity True is not one"),
            (("jpeg",), (3, 1), 0, "ascending"),
            (("jpeg", "typo_swap"), (1,), 0, "jpeg and typo_swap change different"),
            (("jpeg",), (1,), -1, "seed is an integer from 0"),
        ],
    )
    def test_bad_plans(self, names: Any, severities: Any, seed: int, sentence: str) -> None:
        with pytest.raises(BadInput, match=sentence):
            Plan(names, severities, seed)


class RegistryTests:
    def test_at_least_twenty_perturbations_of_pictures_have_five_severities(self) -> None:
        assert sum(len(row.steps) == 5 for row in of_domain("image")) >= 20

    @pytest.mark.parametrize("name", PERTURBATIONS)
    def test_an_entry_says_what_it_does(self, name: str) -> None:
        row = perturbation(name)
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert len(row.steps) in {1, 5}
        assert len({row.meaning(severity) for severity in row.severities}) == len(row.steps)
        assert row.source
        assert list(row.steps) in (sorted(row.steps), sorted(row.steps, reverse=True))

    @pytest.mark.parametrize("name", PERTURBATIONS)
    def test_an_entry_is_documented_as_it_is(self, name: str) -> None:
        row = perturbation(name)
        lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |")]
        assert len(lines) == 1
        cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
        assert cells[1] == row.unit.replace("{0}", "{}").replace("{}", "…")
        assert cells[2] == (" / ".join(map(str, row.steps)) if len(row.steps) > 1 else "one step")
        assert cells[3] == ("yes" if row.label_kept else "no")
        assert cells[4] == ("yes" if row.stochastic else "no")
        assert cells[5] == row.source

    def test_the_seed_is_the_digest_of_what_it_depends_on(self) -> None:
        seeds = {
            seed_of(case, name, severity, seed) for case in CASES for name in ("jpeg", "crop") for severity in (1, 2) for seed in (0, 1)
        }
        assert len(seeds) == 16
        assert seed_of("a" * 64, "jpeg", 1, 0).hex() == "fee654b07aa6c7eacb6b7037763f0c7e79bc5535b2e24ba444379bec6bf812f5"
