"""From stored predictions to a verdict: three-valued, with the sentence, the interval and the counts."""

from typing import Any

import pytest

from evaluation.releases import actions
from evaluation.releases.documents import PolicyRefused
from evaluation.releases.models import PolicyVersion, Release
from evaluation.releases.sentences import check_sentence, verdict_sentence
from evaluation.runs.reports import report_of
from hardcases.audit.models import AuditEvent
from tests.builders.releases import COVERAGE, GUARD, OVERALL, SANITY, Scene, a_scene

pytestmark = pytest.mark.django_db


def _check(release: Release, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in release.judgement["checks"] if item["name"] == name)
    return found


def test_an_equal_model_passes() -> None:
    release = a_scene(baseline_wrong=range(6), candidate_wrong=range(3, 9)).release()
    assert release.verdict == "pass"
    assert release.evidence_digest is not None
    assert verdict_sentence(release.judgement).startswith("No worse on all cases: 0.0 points of accuracy (")


def test_a_stratum_that_is_proven_worse_blocks_although_the_average_is_better() -> None:
    scene = a_scene(400, baseline_wrong=range(200, 240), candidate_wrong=range(20))
    release = scene.release()
    assert _check(release, "Overall")["result"] == "pass"  # 40 mistakes became 20
    guard = _check(release, GUARD["name"])
    assert (guard["result"], release.verdict) == ("fail", "fail")
    assert guard["decided_by"] in {"stratum:portable", "portable=true"}
    assert verdict_sentence(release.judgement).startswith("Worse on portable")


def test_too_few_cases_is_neither_pass_nor_fail_and_says_how_many_would_do() -> None:
    release = a_scene(40, baseline_wrong=[0, 1], candidate_wrong=[2, 3]).release({**OVERALL, "margin": 0.02})
    overall = _check(release, "Overall")
    assert (overall["result"], release.verdict) == ("not_enough_evidence", "not_enough_evidence")
    assert overall["n_needed"] > 40
    assert "are too few. About" in check_sentence(overall)


def test_a_minimum_of_cases_is_kept() -> None:
    release = a_scene().release({**OVERALL, "min_n": 1_000})
    assert _check(release, "Overall")["result"] == "not_enough_evidence"
    assert _check(release, "Overall")["n_needed"] >= 1_000


def test_a_floor_passes_fails_or_cannot_tell() -> None:
    scene = a_scene(candidate_wrong=range(20))  # 90 % right
    floors = [{"name": str(floor), "kind": "floor", "metric": "accuracy", "floor": floor} for floor in (0.8, 0.9, 0.97)]
    release = scene.release(*floors)
    assert [_check(release, name)["result"] for name in ("0.8", "0.9", "0.97")] == ["pass", "not_enough_evidence", "fail"]
    assert check_sentence(_check(release, "0.97")).startswith("Below the floor on all cases: accuracy 90.0% (")


@pytest.mark.parametrize("metric", ["ece", "false_positive_rate", "brier[positive]"])
def test_a_floor_that_no_model_could_reach_is_not_stored(metric: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        a_scene().policy({"name": "Low", "kind": "floor", "metric": metric, "floor": 0.1})
    (error,) = refused.value.errors
    assert error.pointer == "/checks/0/metric"
    assert "better the smaller it is" in error.detail
    assert not PolicyVersion.objects.exists()


def test_rounded_scores_fail_the_sanity_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.builders.releases.wrong_at",
        lambda wrong, labels: [float((label == "nodule") != (i in wrong)) for i, label in enumerate(labels)],
    )
    release = a_scene().release(SANITY)
    assert release.verdict == "fail"
    assert check_sentence(_check(release, SANITY["name"])).startswith("This run's numbers cannot be trusted:")


def test_a_stratum_that_is_not_reported_is_an_error_not_a_pass() -> None:
    release = a_scene().release({**OVERALL, "stratum": "stratum:unheard-of"})
    assert release.verdict == "error"
    assert "stratum:unheard-of" in verdict_sentence(release.judgement)


def test_without_a_finished_run_nothing_is_judged(scene_without_run: Scene) -> None:
    release = scene_without_run.release()
    assert (release.verdict, release.evidence_digest) == ("not_run", None)


@pytest.fixture
def scene_without_run() -> Scene:
    """A candidate whose run is about another baseline."""
    scene = a_scene(20)
    from evaluation.runs.models import Run

    Run.objects.filter(pk=scene.run.pk).update(baseline_version=None)
    return Scene(scene.project, scene.engineer, scene.approver, scene.signer, scene.run, scene.version)


def test_judging_again_changes_nothing() -> None:
    scene = a_scene()
    release = scene.release()
    before = (release.evidence_digest, release.judgement, AuditEvent.objects.count())
    again = actions.judge_release(actor=scene.engineer_actor, release=release)
    assert (again.evidence_digest, again.judgement, AuditEvent.objects.count()) == before


def test_a_second_run_with_the_same_predictions_has_the_same_evidence() -> None:
    scene = a_scene(60, candidate_wrong=[1])
    first = scene.release()
    assert scene.release().evidence_digest == first.evidence_digest


class AcceptanceTests:
    CHECK = {**OVERALL, "margin": 0.02, "if_too_few": "accept"}

    def test_a_named_person_accepts_and_the_verdict_names_the_stratum(self) -> None:
        scene = a_scene(40)
        release = scene.release(self.CHECK, COVERAGE)
        assert release.verdict == "not_enough_evidence"
        before = release.evidence_digest
        accepted = actions.accept_too_few(actor=scene.signer_actor, release=release, check_name="Overall", reason="A pilot of ten beds.")
        assert (accepted.verdict, accepted.evidence_digest != before) == ("pass", True)
        assert "accepted in writing" in check_sentence(_check(accepted, "Overall"))

    def test_not_where_the_policy_blocks(self) -> None:
        scene = a_scene(40)
        release = scene.release({**self.CHECK, "if_too_few": "block"})
        with pytest.raises(actions.Invalid):
            actions.accept_too_few(actor=scene.signer_actor, release=release, check_name="Overall", reason="Please.")


def test_checks_count_every_case_once_whatever_the_chance_with_which_it_was_kept() -> None:
    """Weighed back to production the candidate would be far worse: its mistakes are among the cases that stand for twenty."""
    wrong: dict[str, Any] = {"baseline_wrong": range(100, 110), "candidate_wrong": range(8)}
    plain = a_scene(**wrong).release(OVERALL, GUARD)
    sampled = a_scene(**wrong, chances=[0.05] * 50 + [1.0] * 150)
    production = report_of(sampled.run)["production"]["entries"][0]
    assert production["value"] < production["plain"]["value"] - 0.05
    assert sampled.release(OVERALL, GUARD).judgement["checks"] == plain.judgement["checks"]
