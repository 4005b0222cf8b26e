"""Who may sign what, and what is still missing. Pure: rows in, answers out."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from evaluation.releases.documents import PolicySpec
from evaluation.releases.sentences import check_sentence

JSON = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of "before it can be signed". `code` is stable; `state` is done, open (somebody must act) or waiting; `who` is asked to act."""

    code: str
    state: str
    sentence: str
    who: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the answer depends on, fetched by the caller."""

    state: str
    judgement: JSON
    policy: PolicySpec
    policy_name: str
    policy_approved_by: str
    registrants: frozenset[str]
    starters: frozenset[str]  # of the run, and who sent its predictions
    signers: tuple[str, ...]  # names of the people who could sign: release managers of the project


def missing(facts: Facts) -> list[Item]:
    """Every condition of a signature, those that are open first."""
    items = [_policy(facts), *_checks(facts), _signature(facts)]
    order = {"open": 0, "waiting": 1, "done": 2}
    return sorted(items, key=lambda item: order[item.state])


def _policy(facts: Facts) -> Item:
    if facts.policy_approved_by:
        sentence = _("Policy %(policy)s approved by %(name)s") % {"policy": facts.policy_name, "name": facts.policy_approved_by}
        return Item(code="policy_approved", state="done", sentence=sentence, who="")
    sentence = _("Policy %(policy)s needs the approval of a second person") % {"policy": facts.policy_name}
    return Item(code="policy_approved", state="open", sentence=sentence, who=_("release manager"))


def _checks(facts: Facts) -> list[Item]:
    items = []
    for check in facts.judgement.get("checks", []):
        result = check["result"]
        if result in {"pass", "waived"} or check["role"] == "watch" or (check["role"] == "guard" and result == "not_enough_evidence"):
            continue
        if result == "not_run":
            items.append(Item(code="run", state="waiting", sentence=check_sentence(check), who=_("engineer")))
        elif result == "not_enough_evidence":
            accept = check["if_too_few"] == "accept"
            who = _("release manager: accept in writing, or collect more cases") if accept else _("curator: collect more cases")
            items.append(Item(code="too_few", state="open", sentence=check_sentence(check), who=who))
        else:
            items.append(Item(code="check_failed", state="open", sentence=check_sentence(check), who=_("engineer: fix the model")))
    unique = {item.sentence: item for item in items}
    return list(unique.values()) or [Item(code="checks", state="done", sentence=_("Every check that decides has passed"), who="")]


def _signature(facts: Facts) -> Item:
    if facts.state == "signed":
        return Item(code="signature", state="done", sentence=_("Signed"), who="")
    able = [name for name in facts.signers if why_not(facts, name) is None]
    if not able:
        sentence = _(
            "Nobody in this project may sign: every release manager registered the candidate, started its run or sent its predictions"
        )
        return Item(code="signature", state="open", sentence=sentence, who=_("project admin: name another release manager"))
    return Item(code="signature", state="waiting", sentence=_("Signature of a release manager"), who=", ".join(able))


def why_not(facts: Facts, name: str) -> str | None:
    """Why this person may not sign, or None. Roles are checked at the door; this is the rule of four eyes."""
    if facts.policy.forbid_registrant and name in facts.registrants:
        return _("You registered this candidate. The policy asks for the signature of somebody who did not.")
    if facts.policy.forbid_starter and name in facts.starters:
        return _(
            "You started the run of this candidate or sent its predictions. The policy asks for the signature of somebody who did not."
        )
    return None


def statement(
    release_name: str, candidate: str, baseline: str, test_set: str, policy: str, digest: str, judgement: JSON, meaning: str
) -> str:
    """The sentence that is signed, whole, as it is stored."""
    words = {
        "release": release_name,
        "candidate": candidate,
        "baseline": baseline,
        "test_set": test_set,
        "policy": policy,
        "digest": digest,
    }
    if meaning == "reject":
        text = (
            _(
                "I reject %(release)s: %(candidate)s shall not replace %(baseline)s. Evidence: %(test_set)s, policy %(policy)s, digest %(digest)s."
            )
            % words
        )
    else:
        text = (
            _(
                "I approve %(release)s: %(candidate)s may replace %(baseline)s. Evidence: %(test_set)s, policy %(policy)s, digest %(digest)s."
            )
            % words
        )
    named = [f"{check['name']}: {', '.join(check['accepted'])}" for check in judgement.get("checks", []) if check["accepted"]]
    if named:
        text += " " + _("Accepted with too few cases: %(named)s.") % {"named": "; ".join(named)}
    return text
