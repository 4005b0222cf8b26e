"""What upper rooms hand to lower ones, in one place: each room's handlers are entered here, once, when the apps are ready."""

from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext_lazy as _

from hardcases.audit import sentences
from hardcases.audit.guards import AUDIT_GUARDS, expect
from hardcases.blobs.owners import register_blobs
from hardcases.cases import sweeps as cases
from hardcases.cases.actions import on_erase
from hardcases.cases.guards import GUARDS as CASE_GUARDS
from hardcases.cases.models import Case
from hardcases.cases.queries import CASE_FACTS, QUERY_TERMS, arrivals
from hardcases.cases.steps import ON_SET_ASIDE
from hardcases.labels.actions import forget_notes
from hardcases.labels.guards import GUARDS as LABEL_GUARDS
from hardcases.labels.queries import label_term, newest_labels
from hardcases.projects import jobs as project_jobs
from hardcases.repairs import jobs as repairs
from hardcases.repairs.queries import APPLY
from hardcases.repairs.steps import mend_reports
from hardcases.sampling.queries import ARRIVALS
from hardcases.testsets import jobs as test_sets
from hardcases.testsets.erasure import erase_case as erase_from_test_sets
from hardcases.testsets.guards import GUARDS as TEST_SET_GUARDS
from hardcases.testsets.models import Snapshot
from hardcases.testsets.queries import stratum_term
from hardcases.work import upkeep
from hardcases.work.registry import register_job, register_sweep

SENTENCES = {
    "case.created": _("sent the case %(object)s"),
    "case.seen_again": _("sent %(object)s again"),
    "case.batch_reported": _("sent a batch of cases"),
    "case.accepted": _("accepted %(object)s"),
    "case.declined": _("declined %(object)s"),
    "case.snoozed": _("put %(object)s off"),
    "case.woken": _("brought %(object)s back to the inbox"),
    "case.reopened": _("took the decision on %(object)s back"),
    "case.changed": _("changed %(object)s (%(changed)s)"),
    "case.erased": _("erased %(object)s for good"),
    "case.repaired": _("repaired %(cases)s cases by rule: %(action)s, %(field)s"),
    "repair.started": _("asked for a repair of what was set aside: %(action)s, %(field)s"),
    "repair.kept": _("keeps a repair for reports to come: %(action)s, %(field)s"),
    "repair.retired": _("stopped a repair of reports to come: %(action)s, %(field)s"),
    "sampling.changed": _("changed the sampling rules"),
    "sampling.forgotten": _("erased what was said about a content that was left out"),
    "case.labelled": _("labelled %(object)s"),
    "case.batch_labelled": _("labelled several cases"),
    "test_set.created": _("made the test set %(slug)s"),
    "stratum.created": _("named the stratum %(slug)s"),
    "draft.changed": _("changed a draft: %(added)s cases added, %(removed)s removed"),
    "version.frozen": _("froze version %(number)s of %(test_set)s: %(reason)s"),
    "version.member_erased": _("marked a frozen version: a member was lawfully erased"),
}


def connect() -> None:
    """Register the handlers of the rooms of this app. Running it twice changes nothing."""
    sentences.register(SENTENCES)
    register_sweep("audit.seal", project_jobs.unsealed)
    register_sweep("audit.head", project_jobs.head_of_the_day)
    register_job(project_jobs.HEAD, project_jobs.note_head)
    register_sweep("cases", cases.sweep)
    QUERY_TERMS["label"] = label_term
    CASE_FACTS["label"] = newest_labels
    on_erase(forget_notes)
    if mend_reports not in ON_SET_ASIDE:
        ON_SET_ASIDE.append(mend_reports)
    if arrivals not in ARRIVALS:
        ARRIVALS.append(arrivals)
    register_job(APPLY, repairs.apply)
    QUERY_TERMS["stratum"] = stratum_term
    register_job(test_sets.FREEZE, test_sets.freeze_large)
    register_job(test_sets.SNAPSHOT, test_sets.write_snapshot)
    on_erase(erase_from_test_sets)
    register_sweep("work.upkeep", upkeep.upkeep_of_the_day)
    register_job(upkeep.UPKEEP, upkeep.tidy)
    key = Concat("project__key_prefix", Value("-"), Cast("number", CharField()))
    register_blobs(Case, "stored_sha256", "thumbnail_sha256", "display_sha256", mentions=("sha256",), where=~Q(state="erased"), called=key)
    register_blobs(Snapshot, "sha256")
    expect([*AUDIT_GUARDS, *CASE_GUARDS, *LABEL_GUARDS, *TEST_SET_GUARDS])
