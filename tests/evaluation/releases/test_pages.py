"""The release pages as a person sees them."""

import re
from typing import Any

import pytest
from django.test import Client

from evaluation.releases import actions
from hardcases.projects.models import User
from hardcases.projects.permissions import Role
from tests.builders import people
from tests.builders.releases import Scene, a_scene

pytestmark = pytest.mark.django_db
LOST = range(0, 50, 2)  # the candidate is wrong on half of the portable stratum


def _page(scene: Scene, path: str, user: User) -> str:
    client = Client()
    client.force_login(user)
    response = client.get(f"/p/{scene.project.slug}/{path}")
    assert response.status_code == 200, response.content[:500]
    return str(response.content.decode())


def _words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def _sign(scene: Scene, release: Any, meaning: str) -> None:
    actions.sign_release(
        actor=scene.signer_actor,
        release=release,
        password=people.PASSWORD,
        evidence_digest=release.evidence_digest,
        meaning=meaning,
        comment="",
    )


def test_a_blocked_release_shows_the_worst_first_and_what_is_open() -> None:
    scene = a_scene(200, candidate_wrong=LOST)
    release = scene.release()
    User.objects.filter(pk=scene.signer.pk).update(first_name="Sam", last_name="Ivanov")
    html = _page(scene, f"releases/{release.number}/", scene.signer)
    said = _words(html)
    assert "Not ready to sign Worse on" in said
    assert "Still open: a check has failed, the signature is missing." in said
    assert "Intervals in these sentences: 90%" in said
    assert "Sam Ivanov" in said.split("Before it can be signed")[1]
    results = re.findall(r'<td><span class="chip (\w+)"', html)
    assert results == sorted(results, key=["failed", "passed"].index)
    assert results[0] == "failed"
    assert "Sign release…" not in said
    assert "Reject…" in said


def test_a_passing_release_is_signed_or_rejected_and_then_lacks_nothing() -> None:
    scene = a_scene(200)
    release = scene.release()
    address = f"releases/{release.number}/"
    said = _words(_page(scene, address, scene.signer))
    assert "Checks passed" in said
    assert "Sign release…" in said
    assert "A release manager signs here." in _words(_page(scene, address, scene.engineer))
    signing, rejecting = (_page(scene, f"{address}sign/{query}", scene.signer) for query in ("", "?meaning=reject"))
    assert re.search(r'value="approve"[^>]*checked', signing)
    assert re.search(r'value="reject"[^>]*checked', rejecting)
    _sign(scene, release, "approve")
    said = _words(_page(scene, address, scene.signer))
    assert "Before it can be signed" not in said
    assert f"{scene.signer.printed_name} Signed I approve {release}" in said


def test_what_cannot_be_approved_shows_what_a_rejection_says() -> None:
    scene = a_scene(200, candidate_wrong=LOST)
    release = scene.release()
    said = _words(_page(scene, f"releases/{release.number}/sign/", scene.signer))
    assert f"I reject {release}" in said
    assert f"I approve {release}" not in said


def test_the_form_offers_the_newest_against_what_is_in_production() -> None:
    scene = a_scene(60)
    scene.policy()
    html = _page(scene, "releases/new/", scene.engineer)
    assert re.search(r"selected>net@2.0|selected>\S+@2.0", html)
    assert "---------" not in html


@pytest.mark.parametrize("path", ["releases/new/", "runs/new/"])
def test_a_form_that_cannot_be_filled_in_says_what_is_missing(path: str) -> None:
    project = people.a_project()
    client = Client()
    client.force_login(people.a_member(project, Role.ENGINEER))
    html = client.get(f"/p/{project.slug}/{path}").content.decode()
    assert "What is missing:" in html
    assert f"/p/{project.slug}/sets/" in html
    assert "<select" not in html


def test_a_policy_reads_in_words() -> None:
    scene = a_scene(60)
    policy = scene.policy()
    said = _words(_page(scene, f"policies/{policy}/", scene.approver))
    assert "must pass Accuracy all cases" in said
    assert "must not fail Accuracy every stratum" in said
    assert "not ready to sign" in said


def test_the_overview_says_what_stands_and_before_that_what_comes_next() -> None:
    scene = a_scene(60)
    release = scene.release()
    said = _words(_page(scene, "standing/", scene.engineer))
    assert f"{release} {release.candidate}" in said
    assert "No model version is marked as being in production." in said
    assert f"{scene.version.test_set.slug} v1 60 cases" in said
    empty = people.a_project()
    client = Client()
    client.force_login(empty.owner)
    steps = _words(client.get(f"/p/{empty.slug}/standing/").content.decode())
    assert "Next Send the first case" in steps
    assert steps.count("Next") == 1
    assert "releases wait" not in _words(_page(scene, "needs/", scene.engineer))
    assert "1 release waits to be signed or rejected" in _words(_page(scene, "needs/", scene.signer))


def test_a_policy_says_what_it_would_do_on_the_cases_and_flips_of_a_run() -> None:
    scene = a_scene(200, candidate_wrong=range(0, 200, 40))
    policy = scene.policy()
    asked = _words(_page(scene, f"policies/{policy}/", scene.engineer))
    assert "What this policy would do" in asked
    assert "equal to the baseline" not in asked
    html = _page(scene, f"policies/{policy}/?run={scene.run.number}", scene.engineer)
    said = _words(html)
    assert "300 draws of each on 200 cases, of which 2.5% flip" in said
    assert "Taken as passed: Score sanity, Coverage." in said
    shares = [float(value) for value in re.findall(r'data-column="(?:Passed|Failed|Too few cases)">([\d.]+)% <span', html)]
    assert len(shares) % 3 == 0
    for passed, failed, few in zip(shares[::3], shares[1::3], shares[2::3], strict=True):
        assert passed + failed + few == pytest.approx(100, abs=0.2)
    assert shares[1] < 5, "an equal model seldom fails"
    assert shares[6] < 1, "one that is 10 points worse everywhere never passes"
    assert "200 draws" not in _words(_page(scene, f"policies/{policy}/?run=999999", scene.engineer))
