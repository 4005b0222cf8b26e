"""Signing: bound to the evidence that was shown, by a person with the right, never by who made the candidate, once."""

import threading

import pytest
from django.db import DatabaseError, connection, transaction

from evaluation.releases import actions, jobs, steps
from evaluation.releases.models import Acceptance, Release, SignOff
from evaluation.releases.queries import before_it_can_be_signed
from evaluation.runs.models import Part
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

    def test_who_sent_the_predictions_counts_with_who_started_the_run(self) -> None:
        scene = a_scene(200)  # the engineer started the run; somebody with every role sent the file
        sender = Part.objects.get(run=scene.run).sent_by
        assert sender is not None
        with pytest.raises(Forbidden, match="sent its predictions"):
            _sign(person(sender), scene.release())

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


@pytest.mark.django_db
class AcceptanceAgainstSignatureTests:
    def test_an_acceptance_that_comes_while_somebody_signs_is_not_left_out_of_the_evidence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scene = a_scene(40)
        release = scene.release({**OVERALL, "min_n": 1_000, "if_too_few": "accept"})
        judged = actions.judge_release

        def then_accepted(*, actor: Actor, release: Release) -> Release:
            found = judged(actor=actor, release=release)
            Acceptance.objects.create(
                release=release, check_name="Overall", strata=["all"], reason="A pilot.", by=scene.approver, by_name="Somebody"
            )
            return found

        monkeypatch.setattr(actions, "judge_release", then_accepted)
        with pytest.raises(actions.EvidenceChanged):
            _sign(scene.signer_actor, release, meaning="reject", comment="Too few.")
        assert not SignOff.objects.exists()

    def test_a_closed_release_takes_no_acceptance_even_from_a_page_that_saw_it_open(self) -> None:
        scene = a_scene(40)
        seen_open = scene.release({**OVERALL, "min_n": 1_000, "if_too_few": "accept"})
        _sign(scene.signer_actor, Release.objects.get(pk=seen_open.pk), meaning="reject", comment="Too few.")
        with pytest.raises(actions.Closed):
            actions.accept_too_few(actor=scene.approver_actor, release=seen_open, check_name="Overall", reason="A pilot.")
        assert not Acceptance.objects.exists()

    def test_a_judgement_computed_before_an_acceptance_does_not_overwrite_the_one_after_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scene = a_scene(40)
        release = scene.release({**OVERALL, "min_n": 1_000, "if_too_few": "accept"})
        compute, calls = steps.judgement_of, []

        def slowly(about: Release) -> dict[str, object]:
            found = compute(about)
            if not calls:
                calls.append(1)
                actions.accept_too_few(actor=scene.signer_actor, release=release, check_name="Overall", reason="A pilot.")
            return found

        monkeypatch.setattr(steps, "judgement_of", slowly)
        late = actions.judge_release(actor=scene.engineer_actor, release=Release.objects.get(pk=release.pk))
        assert [check["accepted"] for check in late.judgement["checks"]] == [["all"]]


@pytest.mark.django_db
def test_a_release_that_names_a_run_before_its_end_is_judged_when_it_has_ended() -> None:
    scene = a_scene(40)
    release = scene.release()
    Release.objects.filter(pk=release.pk).update(evidence_digest=None, verdict="not_run", judgement={})
    assert jobs.waiting() == [release.pk]
    jobs.judge_waiting(release.pk)
    release.refresh_from_db()
    assert release.evidence_digest is not None
    assert jobs.waiting() == []
