"""Releases for tests: two model versions with uploaded predictions, a run between them, a policy, and the three people it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.releases import actions
from evaluation.releases.models import PolicyVersion, Release
from evaluation.runs.models import Run
from hardcases.audit.actors import Actor
from hardcases.projects.authentication import person
from hardcases.projects.models import Project, User
from hardcases.projects.permissions import Role
from hardcases.testsets.models import Stratum, Version
from tests.builders import people, runs

GUARD = {"name": "No stratum is proven worse", "kind": "no_proven_loss", "metric": "accuracy", "stratum": "*", "eps": 0.03, "role": "guard"}
OVERALL = {"name": "Overall", "kind": "no_regression", "metric": "accuracy", "margin": 0.05}
SANITY = {"name": "Score sanity", "kind": "sanity"}
COVERAGE = {"name": "Coverage", "kind": "coverage"}


@dataclass(frozen=True)
class Scene:
    """A project in which a candidate has been run against a baseline."""

    project: Project
    engineer: User
    approver: User
    signer: User
    run: Run
    version: Version

    @property
    def engineer_actor(self) -> Actor:
        return person(self.engineer)

    @property
    def approver_actor(self) -> Actor:
        return person(self.approver)

    @property
    def signer_actor(self) -> Actor:
        return person(self.signer)

    def policy(self, *checks: dict[str, Any], approved: bool = True, **document: Any) -> PolicyVersion:
        """A policy, approved by the second person."""
        body = {"slug": "gate", "checks": list(checks or (OVERALL, GUARD, SANITY, COVERAGE)), **document}
        version, _ = actions.propose_policy(actor=self.engineer_actor, project=self.project, document=body)
        return actions.approve_policy(actor=self.approver_actor, project=self.project, version=version) if approved else version

    def release(self, *checks: dict[str, Any], approved: bool = True, **document: Any) -> Release:
        """A judged release under such a policy."""
        assert self.run.baseline_version is not None
        return actions.open_release(
            actor=self.engineer_actor,
            project=self.project,
            candidate=self.run.model_version,
            baseline=self.run.baseline_version,
            version=self.version,
            policy=self.policy(*checks, approved=approved, **document),
        )


def wrong_at(indices: Sequence[int], labels: Sequence[str]) -> list[float]:
    """Scores of `nodule` that are wrong at these places and right elsewhere; no two are equal and none is round."""
    scores = []
    for index, label in enumerate(labels):
        positive = (label == "nodule") != (index in indices)
        scores.append((0.6 if positive else 0.1) + 0.3 * ((index * 0.6180339887498949) % 1))
    return scores


def a_scene(
    n: int = 200, *, baseline_wrong: Sequence[int] = (), candidate_wrong: Sequence[int] = (), chances: Sequence[float | None] = ()
) -> Scene:
    """`n` cases, half of them positive, the first quarter portable (a named stratum); both models' mistakes are given by place."""
    project = people.a_project(cluster_attribute=None)
    engineer, approver, signer = (people.a_member(project, role) for role in (Role.ENGINEER, Role.RELEASE_MANAGER, Role.RELEASE_MANAGER))
    labels = ["normal", "nodule"] * (n // 2)
    Stratum.objects.create(project=project, slug="portable", name="Portable", q="portable:true")
    attributes = [{"portable": index < n // 4, "site": f"clinic-{index % 2}"} for index in range(n)]
    version = runs.a_version(project, labels, attributes=attributes, chances=chances)
    model = runs.a_model(project, actor=person(engineer))
    old = runs.a_replicate(model, "1.0", actor=person(engineer)).model_version
    new = runs.a_replicate(model, "2.0", actor=person(engineer)).model_version
    keys = [f"{project.key_prefix}-{number}" for number in range(1, n + 1)]
    for model_version, wrong, baseline in ((old, baseline_wrong, None), (new, candidate_wrong, old)):
        run = runs.actions.start_run(
            actor=person(engineer), project=project, model_version=model_version, version=version, baseline=baseline
        )
        runs.upload(run, runs.csv(keys, wrong_at(wrong, labels)))
        runs.work()
    run.refresh_from_db()
    assert run.state == "succeeded", run.failure
    return Scene(project, engineer, approver, signer, run, version)
