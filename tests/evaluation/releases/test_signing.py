"""Signing: bound to the evidence that was shown, by a person with the right, never by who made the candidate, once."""

import threading

import pytest
from django.db import DatabaseError, connection, transaction

from evaluation.releases import actions
from evaluation.releases.models import Release, SignOff
from evaluation.releases.queries import before_it_can_be_signed
from hardcases.audit.actors import Actor
from hardcases.audit.models import AuditEvent
from hardcases.errors import Forbidden, Invalid
from hardcases.projects.authentication import person
from hardcases.projects.models import Membership
from hardcases.projects.permissions import Role
from tests.builders.people import PASSWORD
from tests.builders.releases import OVERALL, a_scene


def _sign(actor: Actor, release: Release, **changes: str) -> SignOff:
    given = {"password": PASSWORD, "evidence_digest": release.evidence_digest or "", "meaning": "approve", "comment": ""} | changes
    return actions.sign_release(actor=actor, release=release, **given)


@pytest.mark.django_db
class SigningTests:
    def test_the_signature_holds_name_meaning_statement_and_digest(self) -> None:
        scene = a_scene(200)
        release = scene.release()
        signature = _sign(scene.signer_actor, release)
        release.refresh_from_db()
        assert (release.state, signature.printed_name) == ("signed", scene.signer.printed_name)
        assert signature.evidence_digest == release.evidence_digest
        assert f"I approve {release}" in signature.statement
        assert f"sha256:{release.evidence_digest}" in signature.statement
        assert AuditEvent.objects.filter(action="release.signed", object_id=str(release)).count() == 1

    def test_a_wrong_password_signs_nothing(self) -> None:
        scene = a_scene(200)
        release = scene.release()
        with pytest.raises(Forbidden, match="password"):
            _sign(scene.signer_actor, release, password="guess")
        assert not SignOff.objects.exists()

    def test_other_evidence_than_shown_is_refused(self) -> None:
        scene = a_scene(200)
        release = scene.release()
        with pytest.raises(actions.EvidenceChanged):
            _sign(scene.signer_actor, release, evidence_digest="0" * 64)

    def test_who_registered_or_started_the_candidate_may_not_sign(self) -> None:
        scene = a_scene(200)
        Membership.objects.create(project=scene.project, user=scene.engineer, role=Role.RELEASE_MANAGER)
        release = scene.release()
        with pytest.raises(Forbidden, match="registered"):
            _sign(scene.engineer_actor, release)

    def test_the_policy_may_let_them(self) -> None:
        scene = a_scene(200)
        Membership.objects.create(project=scene.project, user=scene.engineer, role=Role.RELEASE_MANAGER)
        release = scene.release(signing={"not_by_registrant": False, "not_by_starter": False})
        assert _sign(scene.engineer_actor, release).meaning == "approve"

    def test_a_token_never_signs(self) -> None:
        scene = a_scene(200)
        release = scene.release()
        token = Actor(
            kind="token",
            name="t",
            user_id=scene.signer.pk,
            token_id="x",
            scopes=frozenset({"admin", "run", "read"}),
            project_id=scene.project.pk,
        )
        with pytest.raises(Forbidden):
            _sign(token, release)

    def test_an_engineer_may_not_sign(self) -> None:
        scene = a_scene(200)
        with pytest.raises(Forbidden):
            _sign(scene.engineer_actor, scene.release())

    def test_an_unapproved_policy_gives_a_verdict_but_no_signature(self) -> None:
        scene = a_scene(200)
        release = scene.release(approved=False)
        assert release.verdict == "pass"
        assert "policy_approved" in [item.code for item in before_it_can_be_signed(release) if item.state == "open"]
        with pytest.raises(actions.NotYet):
            _sign(scene.signer_actor, release)

    def test_a_failed_release_can_be_rejected_with_a_reason_but_not_approved(self) -> None:
        scene = a_scene(200, candidate_wrong=range(60))
        release = scene.release(OVERALL)
        assert release.verdict == "fail"
        with pytest.raises(actions.NotYet):
            _sign(scene.signer_actor, release)
        with pytest.raises(Invalid):
            _sign(scene.signer_actor, release, meaning="reject")
        _sign(scene.signer_actor, release, meaning="reject", comment="It misses nodules.")
        release.refresh_from_db()
        assert release.state == "rejected"

    def test_a_closed_release_takes_no_second_signature(self) -> None:
        scene = a_scene(200)
        release = scene.release()
        _sign(scene.signer_actor, release)
        with pytest.raises(actions.Closed):
            _sign(scene.approver_actor, release)

    def test_who_may_sign_is_named(self) -> None:
        scene = a_scene(200)
        waiting = [item for item in before_it_can_be_signed(scene.release()) if item.code == "signature"]
        assert {scene.signer.username, scene.approver.username} <= set(waiting[0].who.split(", "))

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE evaluation_signoff SET printed_name = 'Somebody'",
            "DELETE FROM evaluation_signoff",
            "UPDATE evaluation_release SET evidence_digest = 'x'",
            "UPDATE evaluation_policyversion SET number = 7",
            "DELETE FROM evaluation_release",
        ],
    )
    def test_the_database_itself_refuses_to_change_what_was_signed(self, statement: str) -> None:
        scene = a_scene(200)
        _sign(scene.signer_actor, scene.release())
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_two_who_sign_at_once_end_in_one_order() -> None:
    scene = a_scene(200)
    release = scene.release()
    start, outcomes = threading.Barrier(2), []

    def sign(actor: Actor) -> None:
        start.wait()
        try:
            _sign(actor, release)
            outcomes.append("signed")
        except actions.Closed:
            outcomes.append("closed")
        finally:
            connection.close()

    threads = [threading.Thread(target=sign, args=[person(user)]) for user in (scene.signer, scene.approver)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["closed", "signed"]
