"""Records (tables' rows, measurements, forms) under stress: faults of entry, of units and of interfaces, by the record's declared schema.

Only declared fields are touched, only in ways that their kind allows, and a field that is already missing stays missing.
"""

import datetime
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from evaluation.engine.arrays import BadInput
from evaluation.engine.seeds import generator
from evaluation.engine.stress.base import Domain, Perturbation, named, seed_of
from evaluation.engine.stress.draws import below, chosen, words
from evaluation.engine.stress.edits import double, drop, swap

Value = str | int | float | bool | None
Record = Mapping[str, Value]
Kind = Literal["number", "category", "date", "text", "boolean"]
SHARES = (10, 20, 30, 40, 50)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One declared field. Numbers: `low` and `high` bound what is plausible; `whole` ones stay integers. Categories: `values` are the allowed ones."""

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    whole: bool = False
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "category" and not self.values:
            raise BadInput(f"field {self.name!r} is a category and declares no values")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise BadInput(f"field {self.name!r} has no range: low {self.low} is not below high {self.high}")

    def check(self, value: Value) -> None:
        """Raises BadInput where a value, other than a missing one, is not of the field's kind."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {
            "number": number and math.isfinite(float(value or 0)),
            "boolean": isinstance(value, bool),
            "date": isinstance(value, str) and _date(value) is not None,
        }.get(self.kind, isinstance(value, str))
        if value is not None and not fits:
            raise BadInput(f"field {self.name!r} holds {value!r}, which is no {self.kind}; correct the record or its schema")


@dataclass(frozen=True, kw_only=True)
class RecordPerturbation(Perturbation):
    """`fits` says which filled fields can be changed; `apply` takes their values, the fields, the severity's number and a Generator, and gives new values."""

    fits: Callable[[Field], bool]
    apply: Callable[[Record, Sequence[Field], int, np.random.Generator], Record]
    domain: Domain = "record"


@dataclass(frozen=True)
class PerturbedRecord:
    """`digest` is over the record as JSON with sorted keys; `touched` names the fields that differ."""

    record: dict[str, Value]
    digest: str
    touched: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.touched)


def perturb_record(
    record: Record, schema: Sequence[Field], name: str, severity: int, *, case_digest: str, seed: int = 0
) -> PerturbedRecord:
    """`record` under one perturbation. Raises BadInput for a value that is not of its field's kind or no JSON, a repeated field, and as `perturb_text` does."""
    perturbation = named(RECORDS, name)
    step, seeded = perturbation.step(severity), seed_of(case_digest, name, severity, seed)
    names = [field.name for field in schema]
    if len(set(names)) < len(names):
        raise BadInput(f"the schema names {next(name for name in names if names.count(name) > 1)!r} twice")
    for field in schema:
        field.check(record.get(field.name))
    filled = [field for field in schema if record.get(field.name) is not None and perturbation.fits(field)]
    made = {**record, **perturbation.apply(record, filled, step, generator(seeded))}
    touched = tuple(name for name in names if made.get(name) != record.get(name))
    try:
        canonical = json.dumps(made, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"the record is not plain JSON ({error}); leave that field out or correct it") from error
    return PerturbedRecord(made, hashlib.sha256(canonical.encode()).hexdigest(), touched)


def _some(fields: Sequence[Field], percent: int, rng: np.random.Generator) -> list[Field]:
    """That share of the fields, rounded up."""
    return [fields[i] for i in chosen(rng, len(fields), -(-len(fields) * percent // 100))]


def missing_values(_record: Record, fields: Sequence[Field], percent: int, rng: np.random.Generator) -> Record:
    return {field.name: None for field in _some(fields, percent, rng)}


def _unit_error(factor: int) -> Callable[[Record, Sequence[Field], int, np.random.Generator], Record]:
    """Values `factor` times too large or too small; whole numbers too large only, zeros stay."""

    def apply(record: Record, fields: Sequence[Field], percent: int, rng: np.random.Generator) -> Record:
        made: dict[str, Value] = {}
        for field in _some([field for field in fields if record[field.name]], percent, rng):
            value, smaller = _number(record[field.name]), below(rng, 2) == 1
            made[field.name] = value / factor if smaller and not field.whole else value * factor
        return made

    return apply


def swapped_fields(record: Record, fields: Sequence[Field], percent: int, rng: np.random.Generator) -> Record:
    """Pairs of fields of one kind take each other's value; equal values are no swap."""
    order = [fields[i] for i in _shuffled(len(fields), rng)]
    pairs: list[tuple[str, str]] = []
    free = list(order)
    while free:
        first = free.pop()
        other = next((field for field in free if field.kind == first.kind and record[field.name] != record[first.name]), None)
        if other is not None:
            free.remove(other)
            pairs.append((first.name, other.name))
    kept = pairs[: -(-len(fields) * percent // 200)]
    return {name: record[other] for a, b in kept for name, other in ((a, b), (b, a))}


def out_of_range(record: Record, fields: Sequence[Field], percent: int, rng: np.random.Generator) -> Record:
    """One number beyond one end of its range."""
    if not fields:
        return {}
    field = fields[below(rng, len(fields))]
    low, high = _range(field)
    beyond = (high - low) * percent / 100
    value = low - beyond if below(rng, 2) else high + beyond
    return {field.name: (math.floor(value) if value < low else math.ceil(value)) if field.whole else value}


def category_typos(record: Record, fields: Sequence[Field], percent: int, rng: np.random.Generator) -> Record:
    """A slip in the name of a category: never the name of another one. Names too short for a slip gain a space at the end."""
    made: dict[str, Value] = {}
    for field in _some(fields, percent, rng):
        value = str(record[field.name])
        slip = (swap, drop, double)[below(rng, 3)](value, rng)
        made[field.name] = slip if slip is not None and slip not in field.values else value + " "
    return made


def rounding(record: Record, fields: Sequence[Field], per_mille: int, _: np.random.Generator) -> Record:
    """Every number to the nearest multiple of a share of its range."""
    made: dict[str, Value] = {}
    for field in fields:
        low, high = _range(field)
        grid = (high - low) * per_mille / 1000
        value = round(_number(record[field.name]) / grid) * grid
        made[field.name] = round(value) if field.whole else value
    return made


def stale_dates(record: Record, fields: Sequence[Field], days: int, _: np.random.Generator) -> Record:
    """Every date earlier, its time of day kept."""
    made: dict[str, Value] = {}
    for field in fields:
        text = str(record[field.name])
        date = _date(text)
        if date is not None and date.toordinal() > days:
            made[field.name] = (date - datetime.timedelta(days=days)).isoformat() + text[10:]
    return made


def _date(text: str) -> datetime.date | None:
    """The day of an ISO 8601 date, or date and time; None for anything else."""
    try:
        datetime.datetime.fromisoformat(text)
        return datetime.date.fromisoformat(text[:10])
    except ValueError:
        return None


def _number(value: Value) -> int | float:
    assert isinstance(value, int | float)  # Field.check has looked
    return value


def _range(field: Field) -> tuple[float, float]:
    assert field.low is not None
    assert field.high is not None  # _ranged has looked
    return field.low, field.high


def _shuffled(count: int, rng: np.random.Generator) -> list[int]:
    return np.argsort(words(rng, count), kind="stable").tolist() if count else []


def _of(*kinds: Kind) -> Callable[[Field], bool]:
    return lambda field: field.kind in kinds


def _ranged(field: Field) -> bool:
    return field.kind == "number" and field.low is not None and field.high is not None


_row = partial(RecordPerturbation, steps=SHARES, stochastic=True)
_wrong = partial(_row, kind="units", label_kept=False, fits=_of("number"), source="unit of another laboratory or locale")
RECORDS = (
    _row(
        name="missing_values",
        kind="completeness",
        unit="{} % of the filled fields empty, at least one",
        source="interfaces that drop fields",
        fits=lambda _: True,
        apply=missing_values,
    ),
    _wrong(name="unit_error_10", unit="{} % of the numbers 10 times too large or small, at least one", apply=_unit_error(10)),
    _wrong(name="unit_error_1000", unit="{} % of the numbers 1,000 times too large or small, at least one", apply=_unit_error(1000)),
    _row(
        name="swapped_fields",
        kind="entry",
        unit="{} % of the fields exchanged in pairs of one kind, at least one pair",
        label_kept=False,
        source="columns in another order",
        fits=_of("number", "text", "date"),
        apply=swapped_fields,
    ),
    _row(
        name="out_of_range",
        kind="entry",
        steps=(10, 25, 50, 100, 200),
        unit="one number beyond its range by {} % of the range's width",
        label_kept=False,
        source="slips of entry, failing sensors",
        fits=_ranged,
        apply=out_of_range,
    ),
    _row(
        name="category_typos",
        kind="entry",
        unit="{} % of the categories misspelt, at least one",
        source="free text in place of a list",
        fits=_of("category"),
        apply=category_typos,
    ),
    _row(
        name="rounding",
        kind="precision",
        steps=(1, 10, 50, 100, 200),
        unit="every number to the nearest {} ‰ of its range",
        stochastic=False,
        source="display formats that feed other systems",
        fits=_ranged,
        apply=rounding,
    ),
    _row(
        name="stale_date",
        kind="time",
        steps=(1, 7, 30, 90, 365),
        unit="every date {} days earlier",
        stochastic=False,
        source="caches and late interfaces",
        fits=_of("date"),
        apply=stale_dates,
    ),
)
