"""The policy document: read strictly, kept as it was sent, frozen by its digest. Pure."""

from dataclasses import dataclass
from typing import Any

from evaluation.engine.metrics import DEFINITIONS
from hardcases.errors import Invalid
from hardcases.web.documents import Reader

# What each kind of check takes beside name, kind, role and if_too_few; the value says whether the field is required.
_STRATUM_FIELDS = {"metric": True, "stratum": False, "alpha": False, "min_n": False}
KINDS: dict[str, dict[str, bool]] = {
    "no_regression": {**_STRATUM_FIELDS, "margin": True},
    "no_proven_loss": {**_STRATUM_FIELDS, "eps": False},
    "floor": {**_STRATUM_FIELDS, "floor": True},
    "sanity": {},
    "coverage": {"floor": False},
}
LATER = ("pinned", "integration", "determinism", "stress", "replicates", "out_of_domain", "visual_review", "wear", "latency")
ROLES = ("gating", "guard", "watch")
IF_TOO_FEW = ("block", "accept", "inform")
DEFAULT_ALPHA = 0.05
DEFAULT_MIN_CLUSTERS = 20
# A COCO AP is optimistic with few objects, and no interval repairs it; a floor belongs on sensitivity instead.
NO_FLOOR = ("coco_",)
ERRORS = frozenset(name for name, definition in DEFINITIONS.items() if not definition.higher_is_better)


class PolicyRefused(Invalid):
    """The document breaks rules; `errors` lists each with its pointer."""

    code, title = "policy_refused", "The policy was not stored"


@dataclass(frozen=True, kw_only=True)
class CheckSpec:
    """One check as the policy states it. `strata`: stratum ids, `stratum:*`, `attribute=*` or `*`. Fractions, never percent; `alpha` is one-sided."""

    name: str
    kind: str
    role: str
    metric: str | None
    strata: tuple[str, ...]
    margin: float
    eps: float
    floor: float
    alpha: float
    min_n: int
    if_too_few: str


@dataclass(frozen=True, kw_only=True)
class PolicySpec:
    """A policy with every default filled in.

    `forbid_registrant`: who registered the candidate may not sign it; `forbid_starter`: nor who started its run or sent its predictions.
    """

    slug: str
    min_n: int
    min_clusters: int
    checks: tuple[CheckSpec, ...]
    forbid_registrant: bool
    forbid_starter: bool


def read_policy(document: Any, *, new: bool = False) -> PolicySpec:
    """The document as a `PolicySpec`. Raises `PolicyRefused` with every finding; of a `new` one also with what could be stored before and never passes."""
    read = Reader()
    body = read.mapping(document, ())
    read.refuse_if_any(PolicyRefused)
    read.fields(body, (), {"slug", "min_n", "min_clusters", "missing", "checks", "signing"})
    slug = read.text(body.get("slug"), ("slug",), 64)
    if slug and not all(part.isalnum() and part.isascii() for part in slug.replace("_", "-").split("-")):
        read.wrong(("slug",), "A slug is made of letters, digits, - and _.")
    read.choice(body.get("missing", "wrong"), ("missing",), ("wrong",))
    min_n = read.integer(body.get("min_n", 0), ("min_n",), 0, 10_000_000)
    checks = [
        _check(read, item, index, min_n, new=new) for index, item in enumerate(read.sequence(body.get("checks"), ("checks",), 1, 200))
    ]
    names = [check.name for check in checks]
    for index, name in enumerate(names):
        if name and names.index(name) != index:
            read.wrong(("checks", index, "name"), "Two checks have this name. Give each its own.")
    if checks and not any(check.role == "gating" for check in checks):
        read.wrong(("checks",), "At least one check must be gating: a policy without one could never pass a release.")
    signing = read.mapping(body.get("signing", {}), ("signing",))
    read.fields(signing, ("signing",), {"not_by_registrant", "not_by_starter"})
    spec = PolicySpec(
        slug=slug,
        min_n=min_n,
        min_clusters=read.integer(body.get("min_clusters", DEFAULT_MIN_CLUSTERS), ("min_clusters",), 2, 1_000_000),
        checks=tuple(checks),
        forbid_registrant=read.flag(signing.get("not_by_registrant", True), ("signing", "not_by_registrant")),
        forbid_starter=read.flag(signing.get("not_by_starter", True), ("signing", "not_by_starter")),
    )
    read.refuse_if_any(PolicyRefused)
    return spec


def _check(read: Reader, value: Any, index: int, default_min_n: int, *, new: bool) -> CheckSpec:
    place = ("checks", index)
    item = read.mapping(value, place)
    kind = item.get("kind")
    if kind in LATER:
        read.wrong((*place, "kind"), f"Checks of kind {kind} cannot be run by this version. Leave the check out.")
        kind = "sanity"
    else:
        kind = read.choice(kind, (*place, "kind"), tuple(KINDS))
        read.fields(item, place, {"name", "kind", "role", "if_too_few", *KINDS[kind]})
    takes = KINDS[kind]
    for name, required in takes.items():
        if required and name not in item:
            read.wrong((*place, name), f"A check of kind {kind} needs {name}.")
    metric = read.text(item["metric"], (*place, "metric"), 200) if "metric" in takes and "metric" in item else None
    if kind == "floor" and metric and metric.startswith(NO_FLOOR):
        read.wrong(
            (*place, "metric"),
            "A floor on a COCO average precision is not offered. Put it on sensitivity, or take a check of kind no_regression.",
        )
    elif new and kind == "floor" and metric and metric.partition("[")[0] in ERRORS:
        read.wrong(
            (*place, "metric"), f"A floor holds from below, and {metric} is better the smaller it is. Take a check of kind no_regression."
        )
    return CheckSpec(
        name=read.text(item.get("name"), (*place, "name"), 128),
        kind=kind,
        role=read.choice(item.get("role", "gating"), (*place, "role"), ROLES),
        metric=metric,
        strata=_strata(read, item.get("stratum", "all"), (*place, "stratum")),
        margin=read.number(item.get("margin", 0.0), (*place, "margin"), 0.0, 1.0),
        eps=read.number(item.get("eps", 0.0), (*place, "eps"), 0.0, 1.0),
        floor=read.number(item.get("floor", 1.0 if kind == "coverage" else 0.0), (*place, "floor"), 0.0, 1.0),
        alpha=read.number(item.get("alpha", DEFAULT_ALPHA), (*place, "alpha"), 1e-6, 0.5),
        min_n=read.integer(item.get("min_n", default_min_n), (*place, "min_n"), 0, 10_000_000),
        if_too_few=read.choice(item.get("if_too_few", "block"), (*place, "if_too_few"), IF_TOO_FEW),
    )


def _strata(read: Reader, value: Any, place: tuple[str | int, ...]) -> tuple[str, ...]:
    if isinstance(value, str):
        return (read.text(value, place, 500),)
    names = [read.text(name, (*place, i), 500) for i, name in enumerate(read.sequence(value, place, 1, 1_000))]
    return tuple(dict.fromkeys(names))


def chosen(patterns: tuple[str, ...], reported: list[str]) -> tuple[list[str], list[str]]:
    """The reported stratum ids that `patterns` name, in report order, and the patterns that name none.

    `stratum:*` is every named stratum, `site=*` every value of an attribute (not its intersections), `*` every stratum but `all`.
    """
    wanted: set[str] = set()
    unmatched = []
    for pattern in patterns:
        if pattern == "*":
            hits = {name for name in reported if name != "all"}
        elif pattern.endswith("*"):
            hits = {name for name in reported if name.startswith(pattern[:-1]) and " & " not in name}
        else:
            hits = {pattern} & set(reported)
        if not hits:
            unmatched.append(pattern)
        wanted |= hits
    return [name for name in reported if name in wanted], unmatched
