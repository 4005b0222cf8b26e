"""What upper rooms hand to lower ones, in one place: each room's handlers are entered here, once, when the apps are ready."""

from django.utils.translation import gettext_lazy as _

from evaluation.registry import jobs as registry
from evaluation.registry.guards import GUARDS as REGISTRY_GUARDS
from evaluation.registry.leakage import LISTING, trained_on, trained_on_cases
from evaluation.registry.models import Replicate
from evaluation.releases import tasks as releases
from evaluation.releases.guards import GUARDS as RELEASE_GUARDS
from evaluation.releases.steps import mark_erasure
from evaluation.runs import tasks as runs
from evaluation.runs.guards import GUARDS as RUN_GUARDS
from evaluation.runs.models import Part, Run
from hardcases.audit import sentences
from hardcases.audit.guards import expect
from hardcases.blobs.owners import register_blobs
from hardcases.cases.actions import on_erase
from hardcases.cases.queries import CASE_FACTS, CASE_SLOTS
from hardcases.cases.steps import TRAINED_ON
from hardcases.work.registry import register_job, register_sweep

SENTENCES = {
    "model.registered": _("registered the model %(slug)s"),
    "model_version.registered": _("registered %(model_version)s, replicate %(replicate)s"),
    "model_version.marked_production": _("marked %(model_version)s as being in production"),
    "run.started": _("started run %(number)s of %(model_version)s on %(test_set)s"),
    "run.succeeded": _("finished run %(number)s of %(model_version)s"),
    "run.failed": _("gave up run %(number)s of %(model_version)s: %(failure)s"),
    "run.predictions_accepted": _("handed in predictions for the run %(object)s"),
    "run.cancelled": _("cancelled the run %(object)s"),
    "policy.proposed": _("proposed the policy %(object)s"),
    "policy.approved": _("approved the policy %(object)s"),
    "release.opened": _("opened the release %(object)s"),
    "release.judged": _("had the release %(object)s judged"),
    "release.signed": _("signed the release %(object)s"),
    "release.rejected": _("rejected the release %(object)s"),
    "release.member_erased": _("noted on the release %(object)s that a member of its test set was erased"),
    "release.too_few_accepted": _("accepted too few cases in the release %(object)s"),
}


def connect() -> None:
    """Register the handlers of the rooms of this app. Running it twice changes nothing."""
    sentences.register(SENTENCES)
    register_job(LISTING, registry.list_digests)
    register_sweep("registry", registry.unlisted)
    CASE_FACTS["trained_on"] = trained_on_cases
    if trained_on not in TRAINED_ON:
        TRAINED_ON.append(trained_on)
    register_sweep("runs", runs.due)
    register_sweep("releases", releases.due)
    on_erase(mark_erasure)
    register_blobs(Replicate, "artefact_sha256", "training_digests_sha256")
    register_blobs(Run, "report_sha256", "figures_sha256")
    register_blobs(Part, "sha256", "side_sha256", mentions=("received_sha256",))
    expect([*REGISTRY_GUARDS, *RUN_GUARDS, *RELEASE_GUARDS])
    if "case-answers" not in CASE_SLOTS:
        CASE_SLOTS.append("case-answers")
