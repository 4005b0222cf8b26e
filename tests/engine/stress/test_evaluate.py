"""The stress report: each figure is the one an independent computation gives, and rows of one case do not count as cases."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from evaluation.engine.arrays import BadInput
from evaluation.engine.compare import mcnemar, tango
from evaluation.engine.data import Task, arm
from evaluation.engine.replicates import residual_variance, underspecification
from evaluation.engine.report import comparison_of, report
from evaluation.engine.stress.evaluate import Outcomes, outcomes, stress_report
from evaluation.engine.stress.plan import Plan

PLAN = Plan(("gaussian_blur", "jpeg", "inversion", "flip_horizontal"), (1, 3, 5))
STEPS = len(PLAN.steps)


def model(seed: int, cases: int = 150, runs: int = 1, worse: float = 0.1) -> Outcomes:
    rng = np.random.default_rng(seed)
    ease = rng.normal(1.5, 1, cases)
    clean = ease + rng.normal(0, 0.3, (runs, cases)) > 0
    stressed = ease + rng.normal(0, 0.6, (runs, STEPS, cases)) > worse * np.arange(STEPS)[None, :, None]
    return outcomes(PLAN, clean, stressed)


class StepTests:
    @settings(max_examples=15)
    @given(st.integers(0, 10_000), st.integers(1, 60))
    def test_values_intervals_and_differences(self, seed: int, cases: int) -> None:
        ours, theirs = model(seed, cases), model(seed + 1, cases)
        made = stress_report(PLAN, ours, theirs)
        assert [entry["stratum"] for entry in made["metrics"]] == [step.stratum for step in PLAN.steps]
        for i, entry in enumerate(made["metrics"]):
            new, old, clean = ours.stressed[0, i], theirs.stressed[0, i], ours.clean[0]
            low, high = proportion_confint(new.sum(), cases, method="wilson")
            assert (entry["value"], entry["low"], entry["high"]) == pytest.approx((new.mean(), low, high), abs=1e-9)
            assert entry["baseline"]["value"] == pytest.approx(old.mean())
            for gap, before in ((entry["difference"], old), (entry["from_clean"], clean)):
                lost, gained = int((before & ~new).sum()), int((new & ~before).sum())
                low, high = map(float, tango(lost, gained, cases))
                found = gap["value"], gap["low"], gap["high"], gap["p"]
                assert found == pytest.approx(((gained - lost) / cases, low, high, float(mcnemar(lost, gained)[0])), abs=1e-12)

    @pytest.mark.parametrize("runs", [1, 3])
    def test_an_entry_is_a_run_reports_and_more(self, runs: int) -> None:
        ours, theirs, units = model(11, runs=runs), model(12, runs=runs), np.random.default_rng(0).integers(0, 60, 150)
        task = Task(("wrong", "right"), 1)
        arms = [[arm(task, 150, run[2].astype(int)) for run in side.stressed] for side in (ours, theirs)]
        whole = report(comparison_of(task, np.ones(150, dtype=int), *arms, units), [], seed=b"", resamples=10)["metrics"][0]
        entry = stress_report(PLAN, ours, theirs, units)["metrics"][2]
        names = {"stratum", "n_positive", "baseline", "difference"}
        assert {key: entry[key] for key in whole if key not in names} == {key: whole[key] for key in whole if key not in names}
        for key in ("baseline", "difference"):
            assert {name: entry[key][name] for name in whole[key]} == whole[key]

    def test_adjusted_over_the_steps_that_keep_the_label(self) -> None:
        made = stress_report(PLAN, model(0, worse=0.3), model(1))
        kept, other = made["metrics"][:-1], made["metrics"][-1]
        assert (other["stratum"], other["label_kept"]) == ("flip_horizontal@1", False)
        for gaps in ([e["difference"] for e in kept], [e["from_clean"] for e in kept], [e["baseline"]["from_clean"] for e in kept]):
            p = [gap["p"] for gap in gaps]
            assert [gap["p_holm"] for gap in gaps] == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
            assert [gap["p_bh"] for gap in gaps] == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)
        assert "p_holm" not in other["difference"]

    def test_equal_models_are_seldom_called_different(self) -> None:
        alarms = 0
        for seed in range(40):
            made = stress_report(PLAN, model(2 * seed, 120), model(2 * seed + 1, 120))
            alarms += any(entry["difference"]["p_holm"] <= 0.05 for entry in made["metrics"] if entry["label_kept"])
        assert alarms <= 5

    def test_names_meanings_and_json(self) -> None:
        made = stress_report(PLAN, model(0), model(1))
        assert made["plan"] == PLAN.digest
        assert made["metrics"][1]["meaning"] == "a Gaussian of standard deviation 15 ‰ of the shorter side"
        assert json.loads(json.dumps(made, allow_nan=False)) == made


class MeanTests:
    def test_severities_of_a_case_do_not_count_as_cases(self) -> None:
        clean = np.random.default_rng(0).random(100) < 0.8
        same = outcomes(PLAN, clean, np.tile(clean, (STEPS, 1)))  # every severity does the same to a case
        made = stress_report(PLAN, same)
        blur = made["perturbations"][0]
        assert (blur["stratum"], blur["steps"], blur["n"], blur["clusters"]) == ("gaussian_blur", 3, 300, 100)
        one = made["metrics"][0]
        assert blur["value"] == pytest.approx(one["value"])
        assert blur["high"] - blur["low"] >= one["high"] - one["low"]

    def test_each_severity_counts_alike_and_lost_labels_not_at_all(self) -> None:
        made = stress_report(PLAN, model(3), model(4))
        values = [entry["value"] for entry in made["metrics"]]
        assert [entry["stratum"] for entry in made["perturbations"]] == ["gaussian_blur", "jpeg", "inversion"]
        means = [np.mean(values[:3]), np.mean(values[3:6]), values[6]]
        assert [entry["value"] for entry in made["perturbations"]] == pytest.approx(means)
        assert made["suite"]["value"] == pytest.approx(np.mean(values[:7]))
        assert made["worst"] == {"perturbation": ["gaussian_blur", "jpeg", "inversion"][int(np.argmin(means))], "value": min(means)}

    def test_relative_robustness_covers_the_truth(self) -> None:
        covered = 0
        for seed in range(60):
            rng = np.random.default_rng(seed)
            clean = rng.random(200) < 0.9
            stressed = clean & (rng.random((STEPS, 200)) < 0.8) | ~clean & (rng.random((STEPS, 200)) < 0.2)
            found = stress_report(PLAN, outcomes(PLAN, clean, stressed))["suite"]["relative_robustness"]
            covered += found["low"] <= (0.9 * 0.8 + 0.1 * 0.2) / 0.9 <= found["high"]
        assert covered >= 52

    def test_relative_robustness_that_does_not_exist_or_does_not_vary(self) -> None:
        never = np.zeros((STEPS, 30), dtype=bool)
        suite = stress_report(PLAN, outcomes(PLAN, never[0], never))["suite"]["relative_robustness"]
        assert suite == {"value": None, "low": None, "high": None, "undefined": "no clean case is right"}
        suite = stress_report(PLAN, outcomes(PLAN, ~never[0], ~never))["suite"]["relative_robustness"]
        assert suite == {"value": 1.0, "low": None, "high": None, "undefined": None}


class RunAndClusterTests:
    def test_underspecification_is_that_of_replicates(self) -> None:
        ours = model(5, runs=4)
        made = stress_report(PLAN, ours, model(6))
        clean = ours.clean.astype(float)
        for i, entry in enumerate(made["metrics"]):
            stressed = ours.stressed[:, i].mean(axis=1)
            want = underspecification(clean.mean(axis=1), stressed, residual_variance(clean), 150)
            assert entry["underspecification"] == vars(want)
            assert entry["replicates"] == pytest.approx(stressed)
            assert entry["artefact"]["value"] == pytest.approx(stressed[0])
        pooled = ours.stressed[:, :7].mean(axis=(1, 2))
        assert made["suite"]["underspecification"]["index"] == pytest.approx(
            underspecification(clean.mean(axis=1), pooled, residual_variance(clean), 150).index
        )

    def test_copies_in_clusters_add_nothing(self) -> None:
        ours, theirs = model(7), model(8)
        thrice = [outcomes(PLAN, np.tile(m.clean, (1, 3)), np.tile(m.stressed, (1, 1, 3))) for m in (ours, theirs)]
        once, copied = stress_report(PLAN, ours, theirs), stress_report(PLAN, *thrice, clusters=np.tile(np.arange(150), 3))
        for a, b in zip([*once["metrics"], once["suite"]], [*copied["metrics"], copied["suite"]], strict=True):
            assert b["value"] == pytest.approx(a["value"])
            assert b["clusters"] == a["clusters"] == 150
            assert b["high"] - b["low"] >= (a["high"] - a["low"]) * 0.999
        robust = [made["suite"]["relative_robustness"] for made in (once, copied)]
        assert robust[1] == pytest.approx(robust[0])

    def test_the_order_of_cases_does_not_matter(self) -> None:
        ours, order = model(9), np.random.default_rng(0).permutation(150)
        turned = outcomes(PLAN, ours.clean[:, order], ours.stressed[:, :, order])
        units = np.random.default_rng(1).integers(0, 40, 150)
        a, b = stress_report(PLAN, ours, clusters=units), stress_report(PLAN, turned, clusters=units[order])
        for one, two in zip(a["metrics"], b["metrics"], strict=True):
            assert (two["value"], two["low"], two["high"]) == pytest.approx((one["value"], one["low"], one["high"]))

    def test_no_cases(self) -> None:
        nothing = outcomes(PLAN, np.zeros(0, dtype=bool), np.zeros((STEPS, 0), dtype=bool))
        made = stress_report(PLAN, nothing, nothing)
        assert {entry["undefined"] for entry in [made["clean"], *made["metrics"], made["suite"]]} == {"no cases"}
        assert made["worst"] is None


class BadInputTests:
    @pytest.mark.parametrize(
        ("clean", "stressed", "sentence"),
        [
            (np.zeros(5, dtype=bool), np.zeros((STEPS, 4), dtype=bool), "answers under stress: the shape is"),
            (np.zeros(5, dtype=bool), np.zeros((STEPS - 1, 5), dtype=bool), r"\(1, 8, 5\) is needed"),
            (np.zeros(5), np.zeros((STEPS, 5), dtype=bool), "true or false"),
            (np.zeros((0, 5), dtype=bool), np.zeros((0, STEPS, 5), dtype=bool), "runs, cases"),
        ],
    )
    def test_answers_that_do_not_fit_the_plan(self, clean: np.ndarray, stressed: np.ndarray, sentence: str) -> None:
        with pytest.raises(BadInput, match=sentence):
            outcomes(PLAN, clean, stressed)

    def test_other_cases_are_not_compared(self) -> None:
        with pytest.raises(BadInput, match="150 cases and the baseline 149"):
            stress_report(PLAN, model(0), model(0, 149))
        with pytest.raises(BadInput, match="clusters have shape"):
            stress_report(PLAN, model(0), clusters=[1, 2])
