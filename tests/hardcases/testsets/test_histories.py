"""Laws of freezing and diffing over random histories."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardcases.cases.models import Case
from hardcases.testsets import actions, trees
from hardcases.testsets.models import Stratum, Version
from hardcases.testsets.refusals import NothingToFreeze
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db(transaction=False)
CASES = 6
moves = st.dictionaries(st.integers(0, CASES - 1), st.sampled_from(["add", "remove", "relabel", "move", "leave"]), max_size=CASES)


@dataclass
class Model:
    """What the versions should say, kept as plain dictionaries: case number → (label revision, site)."""

    state: list[tuple[int, str]] = field(default_factory=lambda: [(1, "a")] * CASES)
    members: dict[int, tuple[int, str]] = field(default_factory=dict)
    versions: list[dict[int, tuple[int, str]]] = field(default_factory=list)


def play(cases: list[Case], test_set_members: Model, step: dict[int, str]) -> tuple[list[Case], list[Case]]:
    """Do one step to the cases and to the model; returns what to add to and remove from the draft."""
    model, add, remove = test_set_members, [], []
    for index, move in step.items():
        revision, site = model.state[index]
        if move == "relabel":
            build.relabel(cases[index], "nodule" if revision % 2 else "normal")
            model.state[index] = (revision + 1, site)
        elif move == "move":
            other = "b" if site == "a" else "a"
            Case.objects.filter(pk=cases[index].pk).update(attributes={"site": other})
            model.state[index] = (revision, other)
        elif move == "add" and index not in model.members:
            add.append(cases[index])
        elif move == "remove" and index in model.members:
            remove.append(cases[index])
    gone = {cases.index(case) for case in remove}
    model.members = {index: model.state[index] for index in ({*model.members} | {cases.index(case) for case in add}) - gone}
    return add, remove


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(moves, min_size=1, max_size=5))
def test_step_by_step_is_the_same_as_from_the_entries_and_says_what_changed(db: None, history: list[dict[int, str]]) -> None:
    project = people.a_project()
    Stratum.objects.create(project=project, slug="in-b", name="In B", q="site:b")
    cases = [build.a_case(project, site="a") for _ in range(CASES)]
    test_set, model = build.a_test_set(project), Model()
    versions: list[Version] = []
    for step in history:
        add, remove = play(cases, model, step)
        build.draft(test_set, add=add, remove=remove)
        before = model.versions[-1] if model.versions else {}
        if before == model.members:
            if model.versions or not model.members:
                with pytest.raises(NothingToFreeze):
                    actions.freeze_rows(actor=people.actor(project), test_set=test_set, reason="step")
            continue
        version = actions.freeze_rows(actor=people.actor(project), test_set=test_set, reason="step")
        model.versions.append(dict(model.members))
        versions.append(version)
        now = model.members
        changed = [index for index in now if index in before and now[index] != before[index]]
        assert (version.added, version.removed, version.changed) == (len(now.keys() - before), len(before.keys() - now), len(changed))
    for version, expected in zip(versions, model.versions, strict=True):
        roots = trees.rebuilt_roots(trees.members_of(version), project.key_prefix, ["in-b"])
        assert version.root == roots[trees.LINES]
        assert version.header["strata"][0]["members"] == roots["in-b"]
        assert version.header["strata"][0]["cases"] == sum(site == "b" for _, site in expected.values())
        pinned = trees.members_of(version).values_list("case_id", "label_revision__number")
        assert dict(pinned) == {cases[index].pk: revision for index, (revision, _) in expected.items()}
