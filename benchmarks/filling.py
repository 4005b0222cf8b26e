"""A project with very many accepted, labelled cases, written below the ORM: data for benchmarks, made as fast as the database takes rows."""

from django.db import connection, transaction

from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.projects.authentication import person
from hardcases.projects.models import Attribute, Counter, Project, Team, User
from hardcases.testsets import actions
from hardcases.testsets.models import TestSet

SPARE = 1_000  # cases that are left out of the first draft, to be added later
NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {cases})",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, {cases}))",
}
DIALECT = {
    "sqlite": {
        "uid": "lower(printf('%012x4%03x8%015x', i * 2654435761 % 281474976710656, i % 4096, i * 40503 % 1152921504606846976))",
        "digest": "lower(printf('%016x%016x%016x%016x', i, i * 7919, i * 104729, i * 1299709))",
        "attributes": "json_object('site', 'clinic-' || (i % 12), 'age', i % 90, 'portable', json(CASE i % 5 WHEN 0 THEN 'true' ELSE 'false' END))",
        "salt": "randomblob(16)",
    },
    "postgresql": {
        "uid": "gen_random_uuid()",
        "digest": "encode(sha256(i::text::bytea), 'hex')",
        "attributes": "jsonb_build_object('site', 'clinic-' || (i % 12), 'age', i % 90, 'portable', i % 5 = 0)",
        "salt": "substr(sha256(i::text::bytea), 1, 16)",
    },
}
STATEMENTS = (
    """INSERT INTO hardcases_case (uid, project_id, number, kind, sha256, stored_sha256, size, media_type, file_name, state, decided_by, reason,
         source, model, attributes, attributes_salt, tags, quarantine, sightings_count, media_state, media_attempt, media_failure, received_at, last_seen_at)
       {n} SELECT {uid}, {project}, i, 'text', {digest}, {digest}, 100, 'text/plain', '', 'accepted', '', 'doctor_disagreed', 'clinic', 'net@1',
         {attributes}, {salt}, '[]', '[]', 1, 'none', 0, '', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM n""",
    """INSERT INTO hardcases_labelrevision (case_id, number, label, digest, note, author_id, author_name, at)
       SELECT id, 1, '{{"label": "nodule"}}', sha256, '', {user}, 'owner', CURRENT_TIMESTAMP FROM hardcases_case""",
    "INSERT INTO hardcases_currentlabel (case_id, revision_id, value) SELECT case_id, id, 'nodule' FROM hardcases_labelrevision",
    """INSERT INTO hardcases_draftchange (test_set_id, case_id, adds, by, at)
       SELECT {test_set}, id, {true}, 'sql', CURRENT_TIMESTAMP FROM hardcases_case WHERE number <= {cases} - {spare}""",
)


def a_project_with(cases: int) -> None:
    """Project “big” with cases 1 to `cases`, and test set “big” with all but the last SPARE in its draft."""
    owner = User.objects.create_user("owner")
    project = Project.objects.create(
        slug="big",
        name="Big",
        team=Team.objects.create(slug="t", name="T"),
        owner=owner,
        task="classification",
        key_prefix="XR",
        classes=["normal", "nodule"],
        positive_class="nodule",
    )
    types = [("site", "category", None), ("age", "number", [0, 18, 65]), ("portable", "boolean", None)]
    Attribute.objects.bulk_create([Attribute(project=project, position=i, name=n, type=t, bins=b) for i, (n, t, b) in enumerate(types)])
    Counter.objects.create(project=project, kind="case", value=cases)
    who = person(owner)
    actions.create_stratum(actor=who, project=project, slug="portable-old", name="Portable, old", q="portable:true age:>=65")
    test_set = actions.create_test_set(actor=who, project=project, slug="big")
    _fill(project, test_set, cases)


def _fill(project: Project, test_set: TestSet, cases: int) -> None:
    say: dict[str, object] = {"n": NUMBERS[connection.vendor].format(cases=cases), "cases": cases, "spare": SPARE, "test_set": test_set.pk}
    say |= DIALECT[connection.vendor] | {"project": project.pk, "user": project.owner_id, "true": "true"}
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SET LOCAL session_replication_role = replica"
            )  # foreign keys are right by construction: not a million times three checks
        for statement in STATEMENTS:
            cursor.execute(statement.format(**say))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def found() -> tuple[Actor, TestSet, list[int]]:
    """(actor, test set, ids of the spare cases) of a project that was made before."""
    test_set = TestSet.objects.select_related("project__owner").get(slug="big")
    last = Counter.objects.get(project=test_set.project, kind="case").value
    spare = Case.objects.filter(project=test_set.project, state="accepted", number__lte=last).order_by("-number")[:SPARE]
    return person(test_set.project.owner), test_set, sorted(spare.values_list("pk", flat=True))
