"""All perturbations by name, whatever they change."""

from collections.abc import Iterable

from evaluation.engine.stress.base import Domain, Perturbation, named
from evaluation.engine.stress.images import IMAGES
from evaluation.engine.stress.records import RECORDS
from evaluation.engine.stress.text import TEXTS

PERTURBATIONS: dict[str, Perturbation] = {row.name: row for row in (*IMAGES, *TEXTS, *RECORDS)}


def perturbation(name: str) -> Perturbation:
    """The registry's entry. Raises BadInput that lists the names there are."""
    return named(tuple(PERTURBATIONS.values()), name)


def of_domain(domain: Domain) -> Iterable[Perturbation]:
    """Those for pictures, texts or records, in the registry's order."""
    return (row for row in PERTURBATIONS.values() if row.domain == domain)
