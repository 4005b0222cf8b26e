"""The last step of freezing: from settled entries to a version with its digest, in one short transaction."""

from typing import Any

from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.errors import Forbidden
from hardcases.projects.models import Project
from hardcases.testsets import tree, trees
from hardcases.testsets.models import Stratum, TestSet, Version
from hardcases.testsets.refusals import NothingToFreeze

FORMAT = "hardcases-manifest-1"


def person_behind(actor: Actor) -> int:
    """Who answers for it. Raises Forbidden for the system itself."""
    if actor.user_id is None:
        raise Forbidden("A test set is made and frozen by a person, or by a token that a person made. Nothing was changed.")
    return actor.user_id


def schema_of(project: Project) -> dict[str, Any]:
    """What the project says about its cases, as a version pins it: it decides the strata of every report on the version."""
    attributes = project.attributes.order_by("position").values("name", "type", "values", "bins")
    return {
        "task": project.task,
        "classes": project.classes,
        "positive_class": project.positive_class,
        "cluster_attribute": project.cluster_attribute,
        "attributes": list(attributes),
    }


def rules_of(project: Project) -> list[dict[str, Any]]:
    """The named strata by slug, as a version pins them."""
    strata = Stratum.objects.filter(project=project).order_by("slug")
    return [{"slug": stratum.slug, "name": stratum.name, "q": stratum.q, "minimum": stratum.minimum} for stratum in strata]


def commit(
    *, actor: Actor, test_set: TestSet, last: Version | None, reason: str, new_leaves: dict[str, dict[int, bytes]], moves: trees.Moves
) -> Version:
    """Write trees and version. Raises NothingToFreeze when the result would say the same as the last version."""
    project = test_set.project
    frame: dict[str, Any] = {"project": project.slug, "set": test_set.slug, "schema": schema_of(project)}
    if last is not None and not new_leaves and _says_the_same(last, frame, rules_of(project)):
        raise NothingToFreeze
    if last is None and not new_leaves:
        raise NothingToFreeze
    roots = trees.advance(test_set, new_leaves)
    header: dict[str, Any] = frame | {
        "format": FORMAT,
        "number": last.number + 1 if last else 1,
        "cases": (last.cases if last else 0) + moves.growth.get(trees.LINES, 0),
        "parent": f"sha256:{last.digest}" if last else None,
        "root": roots.get(trees.LINES) or trees.stored_root(test_set, trees.LINES),
        "strata": _pinned_strata(test_set, last, roots, moves),
    }
    version = Version.objects.create(
        test_set=test_set,
        number=header["number"],
        digest=tree.version_digest(header),
        root=header["root"],
        header=header,
        cases=header["cases"],
        added=moves.added,
        removed=moves.removed,
        changed=moves.changed,
        reason=reason,
        frozen_by_id=person_behind(actor),
        frozen_by_name=actor.printed_name[:150],
    )
    _record(actor, version)
    return version


def _says_the_same(last: Version, frame: dict[str, Any], rules: list[dict[str, Any]]) -> bool:
    pinned = [{name: stratum[name] for name in ("slug", "name", "q", "minimum")} for stratum in last.header["strata"]]
    return pinned == rules and all(last.header[name] == value for name, value in frame.items())


def _pinned_strata(test_set: TestSet, last: Version | None, roots: dict[str, str], moves: trees.Moves) -> list[dict[str, Any]]:
    before = {stratum["slug"]: stratum["cases"] for stratum in last.header["strata"]} if last else {}
    pinned = []
    for rule in rules_of(test_set.project):
        slug = rule["slug"]
        cases = before.get(slug, 0) + moves.growth.get(slug, 0)
        pinned.append(rule | {"cases": cases, "members": roots.get(slug) or trees.stored_root(test_set, slug)})
    return pinned


def _record(actor: Actor, version: Version) -> None:
    record(
        actor,
        "version.frozen",
        "version",
        version.pk,
        project_id=version.test_set.project_id,
        after={
            "test_set": version.test_set.slug,
            "number": version.number,
            "digest": f"sha256:{version.digest}",
            "cases": version.cases,
            "added": version.added,
            "removed": version.removed,
            "changed": version.changed,
            "reason": version.reason,
        },
    )
