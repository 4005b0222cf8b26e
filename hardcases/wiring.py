"""What upper rooms hand to lower ones, in one place: each room's handlers are entered here, once, when the apps are ready."""

from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext_lazy as _

from hardcases.audit import sentences
from hardcases.audit.guards import AUDIT_GUARDS, expect
from hardcases.blobs.owners import register_blobs
from hardcases.cases import bulk_jobs, refusals
from hardcases.cases import jobs as case_jobs
from hardcases.cases import sweeps as cases
from hardcases.cases.actions import on_erase
from hardcases.cases.guards import GUARDS as CASE_GUARDS
from hardcases.cases.models import Case
from hardcases.cases.queries import CASE_FACTS, QUERY_TERMS, arrivals
from hardcases.cases.received import sent_by
from hardcases.cases.steps import ON_DECIDING, ON_SET_ASIDE
from hardcases.groups import jobs as group_jobs
from hardcases.groups import sweeps as groups
from hardcases.groups.actions import JOB as GROUP_ACT
from hardcases.groups.erasure import forget_case
from hardcases.groups.guards import GUARDS as GROUP_GUARDS
from hardcases.groups.queries import group_term
from hardcases.groups.steps import hold_groups_of
from hardcases.labels.actions import forget_notes
from hardcases.labels.guards import GUARDS as LABEL_GUARDS
from hardcases.labels.queries import label_term, newest_labels
from hardcases.projects import jobs as project_jobs
from hardcases.projects.upload import SENT_BY
from hardcases.repairs import jobs as repairs
from hardcases.repairs.queries import APPLY
from hardcases.repairs.steps import mend_reports
from hardcases.sampling.queries import ARRIVALS
from hardcases.testsets import jobs as test_sets
from hardcases.testsets.erasure import erase_case as erase_from_test_sets
from hardcases.testsets.guards import GUARDS as TEST_SET_GUARDS
from hardcases.testsets.models import Snapshot
from hardcases.testsets.queries import stratum_term
from hardcases.transfers import expiry, exporting
from hardcases.transfers import jobs as transfers
from hardcases.transfers import sweeps as transfer_sweeps
from hardcases.transfers.models import Export, Import
from hardcases.uploads import jobs as upload_jobs
from hardcases.uploads import sweeps as uploads
from hardcases.uploads.models import Upload
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
    "case.bulk_asked": _("asked to change the %(matched)s cases of a search: %(q)s"),
    "case.bulk_changed": _("changed %(changed)s cases at once"),
    "case.bulk_undo_asked": _("asked to take a bulk change back"),
    "case.bulk_undone": _("took a bulk change of %(changed)s cases back"),
    "case.erased": _("erased %(object)s for good"),
    "case.moved": _("put %(object)s into the group %(group)s"),
    "group.accepted": _("accepted the group %(object)s, %(cases)s cases"),
    "group.declined": _("declined the group %(object)s, %(cases)s cases"),
    "group.snoozed": _("put the group %(object)s off, %(cases)s cases"),
    "group.merged": _("merged the group %(object)s into %(into)s, %(cases)s cases"),
    "group.split": _("split %(cases)s off the group %(object)s, as %(into)s"),
    "group.moved": _("moved %(cases)s from the group %(object)s to %(into)s"),
    "group.undone": _("took back what was done with the group %(object)s (%(act)s, %(cases)s cases)"),
    "case.repaired": _("repaired %(cases)s cases by rule: %(action)s, %(field)s"),
    "repair.started": _("asked for a repair of what was set aside: %(action)s, %(field)s"),
    "repair.kept": _("keeps a repair for reports to come: %(action)s, %(field)s"),
    "repair.retired": _("stopped a repair of reports to come: %(action)s, %(field)s"),
    "sampling.changed": _("changed the sampling rules"),
    "sampling.forgotten": _("erased what was said about a content that was left out"),
    "case.labelled": _("labelled %(object)s"),
    "case.batch_labelled": _("labelled several cases"),
    "import.started": _("began to import %(file)s"),
    "export.asked": _("asked for an export of %(of)s as %(format)s"),
    "export.made": _("had an export of %(of)s made: %(cases)s cases"),
    "export.downloaded": _("downloaded an export of %(of)s"),
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
    register_sweep("groups", groups.sweep)
    register_job(GROUP_ACT, group_jobs.carry_out)
    on_erase(forget_case)
    if hold_groups_of not in ON_DECIDING:
        ON_DECIDING.append(hold_groups_of)
    QUERY_TERMS["group"] = group_term
    register_job(case_jobs.UPKEEP, case_jobs.forget_refused)
    register_sweep("uploads", uploads.sweep)
    register_job(upload_jobs.UPKEEP, upload_jobs.forget_strays)
    SENT_BY[:] = [sent_by]
    register_job(bulk_jobs.BULK, bulk_jobs.change_all)
    register_job(bulk_jobs.UNDO, bulk_jobs.take_back)
    QUERY_TERMS["label"] = label_term
    CASE_FACTS["label"] = newest_labels
    on_erase(refusals.forget)
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
    register_job(transfers.CHECK, transfers.check)
    register_job(transfers.IMPORT, transfers.run_import)
    register_job(exporting.EXPORT, exporting.run_export)
    register_sweep("transfers", transfer_sweeps.sweep)
    on_erase(expiry.forget)
    register_sweep("work.upkeep", upkeep.upkeep_of_the_day)
    register_job(upkeep.UPKEEP, upkeep.tidy)
    key = Concat("project__key_prefix", Value("-"), Cast("number", CharField()))
    register_blobs(Case, "stored_sha256", "thumbnail_sha256", "display_sha256", mentions=("sha256",), where=~Q(state="erased"), called=key)
    register_blobs(Snapshot, "sha256")
    expect([*AUDIT_GUARDS, *CASE_GUARDS, *GROUP_GUARDS, *LABEL_GUARDS, *TEST_SET_GUARDS])
    register_blobs(Import, "sha256", called=Concat(Value("import of "), "file_name"))
    register_blobs(Export, "sha256")
    register_blobs(Upload, mentions=("sha256",))
