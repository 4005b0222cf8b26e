"""A project in which everything has happened once, and for every address the path that leads to it and a body that is right.

An address that takes a body and has no row here fails `test_hostile`, so that nobody adds one that is never attacked.
"""

import io
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.test import Client
from django.urls import reverse

from hardcases.cases.bulk import Change
from hardcases.cases.bulk_actions import start_bulk
from hardcases.cases.models import DECLINE_REASONS, Case
from hardcases.groups import actions as group_actions
from hardcases.models import ApiToken, Export, User
from hardcases.projects import people as accounts
from hardcases.projects import teams
from hardcases.projects.authentication import person
from hardcases.projects.documents import document_of
from hardcases.projects.forms import ProjectForm
from hardcases.projects.permissions import Role
from hardcases.repairs import actions as repairs
from hardcases.repairs.queries import findings
from hardcases.repairs.rules import Rule
from hardcases.sampling.actions import set_rules
from hardcases.uploads import actions as uploads
from hardcases.work.tasks import all_due
from tests.builders import cases, groups, people, runs, testsets, transfers
from tests.builders.http import Api
from tests.builders.releases import GUARD, OVERALL, Scene, a_scene
from tests.builders.uploads import sha
from tests.contracts.test_permissions import Address

PICTURE = cases.a_picture("hostile")
LARGE = cases.a_picture("in parts")


@dataclass(frozen=True)
class Stage:
    """Who attacks, and the names of what is there."""

    scene: Scene
    member: User
    names: dict[str, Any]

    def client(self) -> Client:
        """A browser of the member; a fault becomes an answer of 500."""
        client = Client(raise_request_exception=False)
        self.member.refresh_from_db()  # an attack may have changed the password
        client.force_login(self.member)
        return client

    def arguments(self, address: Address) -> dict[str, Any]:
        """What the address needs to lead to something that is there."""
        found = {name: self.names[name] for name in address.pattern.pattern.converters}
        for part, name, other in (
            ("runs/", "number", "run"),
            ("releases/", "number", "release"),
            ("/parts/", "number", "part"),
            ("/erase/", "key", "erasable"),
            ("<int:act>", "group", "split"),
            ("quarantine/", "number", "repair"),
            ("teams/", "username", "colleague"),
            ("/start/", "import_id", "unread"),
            ("/undo/", "job", "bulk"),
            ("/transfers/imports/", "import_id", "unread"),
        ):
            if part in address.route and name in found:
                found[name] = self.names[other]
        return found

    def path(self, address: Address, **other: Any) -> str:
        """The path to something that is there."""
        assert address.name is not None
        return reverse(address.name, kwargs=self.arguments(address) | other)


def a_stage() -> Stage:
    """One of everything: an inbox, a frozen version, two model versions, a run with its report, one that waits, a judged release, a token, an invitation."""
    scene = a_scene(20)
    project = scene.project
    member = people.a_member(project, *Role)
    for name in ("a", "b", "c"):
        cases.a_case(project, name, attributes={"site": "clinic-1", "age": 40, "unknown": [1]}, tags=["night"], external_id=name)
    cases.a_text(project, "The scan is unclear.")
    cases.a_record(project, {"age": 40, "smoker": None})
    looks_alike = groups.a_group(project, 1)
    second, split = groups.a_group(project, 2), groups.a_group(project, 3)
    apart = group_actions.split_group(
        actor=person(member), group=split, cases=[Case.objects.filter(group_number=split.number).latest("pk")]
    )
    testsets.draft(scene.version.test_set, add=[testsets.a_case(project)])
    release = scene.release(OVERALL, GUARD | {"name": "Guard", "min_n": 1_000, "if_too_few": "accept"})
    waiting = runs.start(scene.run.model_version, scene.version)
    owner = person(project.owner)
    imported = transfers.uploaded(project, transfers.jsonl({"text": "Imported."}, {"text": " "}), actor=owner)
    transfers.run(imported, actor=owner)
    unread = transfers.uploaded(project, transfers.jsonl({"text": "Not yet.", "label": "cyst"}), actor=owner)
    transfers.check(unread, actor=owner)
    transfers.exported(project, kind="jsonl")
    bulk = start_bulk(actor=owner, project=project, q="kind:record", change=Change(add_tags=("bulk",)))
    for due in all_due():  # thumbnails; the run waits for its predictions
        due.task(**due.kwargs)
    people.a_token(project, "report", by=member)
    upload = uploads.announce(
        actor=person(member),
        project=project,
        announced=uploads.Announced(sha256=sha(LARGE), size=len(LARGE), name="large.png", purpose="case", said={}),
    )
    uploads.put_part(upload=upload, number=1, stream=io.BytesIO(LARGE), length=len(LARGE))
    guest, code = accounts.invite(actor=person(member), project=project, username="guest", roles=[Role.VIEWER])
    team = teams.create_team(actor=person(member), slug="readers", name="Readers", default_role=Role.VIEWER)
    colleague, _ = accounts.invite_to_team(actor=person(member), team=team, username="colleague")
    repair = repairs.keep_rule(actor=person(member), project=project, rule=Rule(action="drop", field="attributes.nothing"))
    sampling = {
        "when": {"reason": "random_sample", "attributes": {"site": ["clinic-1"]}},
        "quota": {"per": "day", "limit": 5, "by": ["site"]},
    }
    set_rules(actor=person(member), project=project, documents=[sampling, {"when": {"reason": "nothing"}, "keep": 0}])
    left_out = Api(project).post("cases/", {"input": {"text": "Left out."}, "reason": "nothing"}).json()["sha256"]
    names = {
        "repair": repair.pk,
        "finding": findings(project).findings[0].id,
        "left_out": left_out,
        "project": project.slug,
        "key": f"{project.key_prefix}-21",
        "erasable": f"{project.key_prefix}-22",
        "group": looks_alike.key,
        "second": second.key,
        "split": split.key,
        "chosen": [case.key for case in Case.objects.filter(group_number=looks_alike.number).select_related("project")[:1]],
        "act": apart.pk,
        "test_set": scene.version.test_set.slug,
        "number": scene.version.number,
        "a": 1,
        "part": 1,
        "b": 1,
        "model": scene.run.model_version.model.slug,
        "version": scene.run.model_version.version,
        "policy": str(release.policy_version),
        "run": scene.run.number,
        "waiting": waiting.number,
        "release": release.number,
        "upload": upload.pk,
        "token": ApiToken.objects.filter(created_by=member).get().pk,
        "team": team.slug,
        "username": guest.username,
        "colleague": colleague.username,
        "code": code,
        "job": UUID(int=0),
        "bulk": bulk.pk,
        "import_id": imported.pk,
        "unread": unread.pk,
        "export_id": Export.objects.get().pk,
    }
    return Stage(
        scene,
        member,
        names
        | {
            "digest": release.evidence_digest,
            "pks": (release.candidate_id, release.baseline_id, release.test_set_version_id, release.policy_version_id),
        },
    )


ONNX = {"kind": "onnx", "input": {"mode": "L", "size": [8, 8], "layout": "flat", "scale": 1, "mean": 0, "std": [1]}, "output": "x"}


def documents(stage: Stage) -> dict[str, Any]:
    """JSON that is right, by the name of the address."""
    names, project = stage.names, stage.scene.project
    prefix = project.key_prefix
    said = {
        "external_id": "e-1",
        "captured_at": "2024-05-01T10:00:00Z",
        "reason": "override",
        "source": "clinic-7",
        "model": "net@1.0",
        "prediction": {"label": "nodule", "scores": {"nodule": 0.7}},
        "correction": {"label": "normal"},
        "attributes": {"site": "clinic-1", "age": 44.5, "portable": True, "other": {"deep": [1]}},
        "tags": ["night"],
    }
    attributes = [
        {"name": "age", "type": "number", "values": None, "bins": [0, 18.5]},
        {"name": "patient", "type": "category", "values": ["p1", "p2"], "bins": None},
    ]
    a_project = {
        "slug": "other",
        "name": "Other",
        "team": None,
        "task": "classification",
        "key_prefix": "OT",
        "classes": ["a", "b"],
        "positive_class": "b",
        "attributes": attributes,
        "cluster_attribute": "patient",
        "strip_metadata": True,
        "leaks": "refuse",
        "dicom": {"attributes": {"PatientAge": "age"}, "identifiers": "refuse", "pseudonyms": ["STUDY-"]},
    }
    version = {
        "version": "3.0",
        "replicate": 0,
        "seed": 1,
        "adapter": {"kind": "http", "url": "http://127.0.0.1:9/", "protocol": "v2"},
        "operating_threshold": 0.5,
        "intended_choices": [{"name": "loss", "value": "focal"}],
        "unintended_choices": [],
        "provenance": {
            "code": {"commit": "abc"},
            "packages": {"numpy": "2"},
            "data": [{"name": "train", "sha256": "0" * 64}],
            "parameters": {"lr": 0.1},
        },
        "training_digests": ["0" * 64],
    }
    policy = {
        "slug": "strict",
        "min_n": 1,
        "min_clusters": 2,
        "missing": "wrong",
        "checks": [OVERALL, GUARD | {"alpha": 0.05, "min_n": 5, "if_too_few": "accept"}],
        "signing": {"not_by_registrant": True},
    }
    model = f"{names['model']}@{names['version']}"
    test_set = f"{names['test_set']}@{names['number']}"
    return {
        "api-project-list": a_project,
        "api-project": document_of(project).as_json() | {"name": "Renamed"},
        "api-case-list": said | {"input": {"record": {"age": 1, "name": "x"}}},
        "api-case-batch": said | {"input": {"text": "Unclear."}},
        "api-upload-list": {"sha256": "0" * 64, "size": 20_000_000, "name": "x.png", "purpose": "case", "case": said},
        "api-upload-confirm": {},
        "api-case-digests": {"sha256": ["0" * 64, "a" * 64]},
        "api-case": {
            "state": "declined",
            "decline_reason": DECLINE_REASONS[0],
            "attributes": {"site": "clinic-1", "age": 44.5, "portable": True},
            "tags": ["day"],
        },
        "api-group-decide": {"state": "declined", "decline_reason": DECLINE_REASONS[0], "upto": names["key"]},
        "api-group-merge": {"into": names["second"]},
        "api-group-split": {"cases": names["chosen"]},
        "api-group-undo": {},
        "api-repairs": {
            "rule": {"action": "map", "field": "attributes.age", "value": "x", "to": 4},
            "dry_run": True,
            "remember": False,
        },
        "api-repair-retire": {},
        "api-sampling": {
            "rules": [
                {"name": "A tenth", "when": {"reason": ["random_sample"], "source": "x", "model": "m", "correction": False}, "keep": 0.1},
                {"when": {"attributes": {"portable": True}}, "quota": {"per": "week", "limit": 5, "by": ["site", "reason"]}},
                {"when": {}, "reservoir": {"size": 3, "per": "day"}},
            ],
            "seen": ["1"],
            "dry_run": True,
        },
        "api-sampling-forget": {"sha256": names["left_out"], "reason": "asked for"},
        "api-label-list": [{"case": f"{prefix}-22", "label": {"label": "normal"}, "note": "seen"}],
        "api-case-bulk": {"q": "kind:record", "action": {"add_tags": ["x"], "remove_tags": ["y"]}, "dry_run": False},
        "api-case-bulk-undo": {},
        "api-import-start": {"mapping": {"classes": {"cyst": "nodule"}, "columns": {"a": None}, "member": "x"}, "dry_run": True},
        "api-export-list": {"test_set": test_set, "format": "jsonl", "media": False},
        "api-test-set-list": {"slug": "other", "purpose": "x"},
        "api-draft": {"add": [f"{prefix}-1"], "remove": {"q": "portable:true"}},
        "api-version-list": {"reason": "more"},
        "api-stratum-list": {"slug": "old", "name": "Old", "q": "age:>=65", "minimum": 3},
        "api-model-list": {"slug": "other", "name": "Other"},
        "api-model-version-list": version,
        "api-model-version-production": {},
        "api-run-list": {
            "model": model,
            "replicates": [0],
            "test_set": test_set,
            "baseline": None,
            "plan": {"home": "stratum:portable"},
        },
        "api-run-cancel": {},
        "api-run-retry": {},
        "api-policies": policy,
        "api-releases": {
            "candidate": model,
            "baseline": f"{names['model']}@1.0",
            "test_set": test_set,
            "policy": names["policy"],
            "runs": [str(names["run"])],
        },
    }


def forms(stage: Stage) -> dict[str, dict[str, str]]:
    """Forms that are right, by the name of the address."""
    names = stage.names
    model, test_set = f"{names['model']}@{names['version']}", f"{names['test_set']}@{names['number']}"
    candidate, baseline, version, policy = map(str, names["pks"])
    project = {
        "name": "Other",
        "slug": "form",
        "key_prefix": "FO",
        "team": "",
        "task": "classification",
        "classes": "a\nb",
        "positive_class": "b",
        "attributes": "age number: 0, 18\npatient category",
        "cluster_attribute": "patient",
    }
    passwords = {"password1": people.PASSWORD, "password2": people.PASSWORD}
    return {
        "project-new": project,
        "project-settings": {
            name: str(value) for name, value in ProjectForm.initial_of(document_of(stage.scene.project)).items() if name in project
        },
        "project-upload": {"name": "service", "scopes": "report", "days": "30"},
        "token-revoke": {},
        "token-replace": {},
        "upload-test": {},
        "member-invite": {"username": "another", "roles": "viewer"},
        "member-roles": {"roles": "viewer"},
        "team-new": {"name": "Other", "slug": "other", "default_role": "viewer"},
        "team": {"name": "Readers", "default_role": "annotator"},
        "team-invite": {"username": "third"},
        "team-member": {"do": "manage"},
        "case-decide": {"state": "snoozed", "decline_reason": "", "days": "7"},
        "group-decide": {"state": "snoozed", "decline_reason": "", "days": "7", "back": "inbox", "upto": "900"},
        "group-merge": {"into": names["second"], "back": "group"},
        "group-split": {"case": names["chosen"][0], "into": "", "back": "group"},
        "group-undo": {"back": "group"},
        "case-undo": {},
        "case-erase": {"reason": "asked for", "key": names["erasable"]},
        "quarantine": {},
        "quarantine-finding": {
            "action": "rename",
            "to": "site",
            "decimal": "comma",
            "kind": "text",
            "decline_reason": "unreadable",
            "do": "apply",
        },
        "repair-retire": {},
        "sampling": {
            "do": "add",
            "seen": "",
            "name": "A tenth",
            "reason": "random_sample",
            "source": "",
            "model": "",
            "attributes": "site = clinic-1",
            "kind": "keep",
            "share": "10",
            "size": "5",
            "per": "day",
            "by": "site",
        },
        "case-label": {"label": "normal", "note": "seen"},
        "import-new": {"format": "jsonl", "file": "x"},
        "export-new": {"version": test_set, "q": "", "format": "jsonl", "pictures": "on"},
        "import-page": {"checked": "", "format": "jsonl", "columns-0": "label", "classes-0": "nodule", "do": "check"},
        "test-set-new": {"slug": "form", "purpose": "x"},
        "draft-page": {"q": "", "keys": "XR-1, XR-2", "do": "remove"},
        "freeze-page": {"reason": "more"},
        "stratum-list-page": {"name": "Form", "slug": "form", "q": "age:>=65", "minimum": "3"},
        "model-version-mark": {},
        "run-new": {"model": model, "test_set": test_set, "baseline": f"{names['model']}@1.0"},
        "run-cancel": {},
        "run-retry": {},
        "policy-propose": {"document": "slug: form\nchecks: [{name: A, kind: sanity}]"},
        "policy-page": {},
        "release-open": {"candidate": candidate, "baseline": baseline, "version": version, "policy": policy},
        "release-accept": {"check_name": "Guard", "reason": "rare"},
        "release-sign": {"meaning": "reject", "comment": "no", "looked": "", "password": "wrong", "evidence_digest": names["digest"]},
        "account": {"old": people.PASSWORD, **passwords},
        "invite": {"name": "Guest", **passwords},
        "account_login": {"login": "nobody", "password": "wrong"},
        "account_reauthenticate": {"password": "wrong"},
        "sign_out": {},
    }
