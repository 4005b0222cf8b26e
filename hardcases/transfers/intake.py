"""One chunk of a file: its contents taken in, then everything that it says filed in one transaction, or only foreseen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

from hardcases.audit.actors import Actor
from hardcases.cases import content as contents
from hardcases.cases.access import number_in
from hardcases.cases.actions import report_cases
from hardcases.cases.content import File, Sent
from hardcases.cases.models import Case
from hardcases.cases.steps import Report as CaseReport
from hardcases.cases.steps import lock_cases
from hardcases.errors import Refusal
from hardcases.formats.exchange import Finding, Item, Package
from hardcases.labels.actions import Labelled, Statement, label_numbers
from hardcases.projects.models import Attribute, Project
from hardcases.transfers import items as said
from hardcases.transfers.planning import Memory, Planned, Planner, Prepared, Said, remember
from hardcases.transfers.reports import ALREADY_HERE, LABELLED, NEW, REJECTED, SEEN_AGAIN, WARNING, Report
from hardcases.work.pause import point

CHUNK, WITHOUT_CONTENT = 200, 1_000  # items of a transaction: those that bring content, and those that only speak of cases
OPEN_AT_ONCE = 20  # contents that are received, decoded and synced together
Entry = Item | Finding


def chunks(entries: Iterator[Entry], names: frozenset[str]) -> Iterator[list[Entry]]:
    """The entries in runs of one transaction each."""
    chunk: list[Entry] = []
    weight = 0
    for entry in entries:
        chunk.append(entry)
        weight += WITHOUT_CONTENT // CHUNK if isinstance(entry, Item) and _brings(entry, names) else 1
        if weight >= WITHOUT_CONTENT:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


def _brings(item: Item, names: frozenset[str]) -> bool:
    return item.text is not None or item.record is not None or item.file in names


class Intake:
    """Takes in the chunks of one file. `rehearse`: nothing is written, not even a blob, and the report says what would have become of each row."""

    def __init__(self, actor: Actor, project: Project, package: Package, *, rehearse: bool) -> None:
        self.actor, self.project, self.package, self.rehearse = actor, project, package, rehearse
        self.names = frozenset(package.names())
        self.declared = list(Attribute.objects.filter(project=project))
        self.memory = Memory()
        self.said: Said = {}

    def recall(self, entries: Iterable[Entry], rows: Iterable[Mapping[str, Any]]) -> None:
        """Go past the entries that were done before, with the report of them: of their labels the first of each case is kept in mind."""
        keys: dict[str, str] = {}
        for row in rows:
            if "key" in row:
                keys.setdefault(row["place"], row["key"])
        labelled = (
            (entry, number_in(self.project, keys[place]))
            for entry in entries
            if isinstance(entry, Item) and entry.label is not None and (place := said.place_of(entry.place)) in keys
        )
        while some := list(islice(labelled, WITHOUT_CONTENT)):
            numbers = {number for _, number in some if number is not None}
            digests = dict(Case.objects.filter(project=self.project, number__in=numbers).values_list("number", "sha256"))
            for item, number in some:
                if number in digests:
                    remember(self.project, self.said, digests[number], item)

    def prepare(self, entries: Sequence[Entry]) -> list[Prepared]:
        """Check what the items say, and take in their contents. Outside of any transaction: it writes files."""
        prepared = [self._prepared(entry) for entry in entries if isinstance(entry, Item)]
        bringing = [entry for entry in prepared if entry.refusal is None and _brings(entry.item, self.names)]
        for first in range(0, len(bringing), OPEN_AT_ONCE):
            self._take(bringing[first : first + OPEN_AT_ONCE])
        return prepared

    def _prepared(self, item: Item) -> Prepared:
        try:
            return Prepared(item, fields=said.fields_for(item))
        except Refusal as refusal:
            return Prepared(item, refusal=refusal)

    def _take(self, entries: Sequence[Prepared]) -> None:
        with ExitStack() as opened:
            sent: list[tuple[Prepared, Sent]] = []
            for entry in entries:
                try:
                    content = said.content_of(entry.item, self.package, self.names)
                except Refusal as refusal:
                    entry.refusal = refusal
                    continue
                assert content is not None
                if isinstance(content, File):
                    opened.callback(content.source.close)
                sent.append((entry, content))
            taken = contents.take(self.project, [content for _, content in sent], rehearse=self.rehearse)
        for (entry, _), outcome in zip(sent, taken, strict=True):
            if isinstance(outcome, Refusal):
                entry.refusal = outcome
            else:
                entry.content = outcome

    def file(self, entries: Sequence[Entry], prepared: Sequence[Prepared]) -> Report:
        """What becomes of the chunk. For an import within the transaction in which everything about the chunk is written."""
        if not self.rehearse:
            lock_cases(self.project)  # of two imports of the same file one finds what the other has filed
            self.memory = Memory()
        planned = Planner(self.project, self.declared, self.memory, self.said, labels=self.rehearse).plan(prepared)
        keys = {} if self.rehearse else self._write(planned)
        return self._report(entries, planned, keys)

    def _write(self, planned: Sequence[Planned]) -> dict[int, str]:
        """File and label; returns the key of each plan's case, by the plan's place."""
        numbers = {plan.digest: plan.case.number for plan in planned if plan.case is not None}
        numbers |= self._report_cases([plan for plan in planned if plan.filed])
        point("transfers.import.filed")
        found = {place: numbers[plan.digest] for place, plan in enumerate(planned) if plan.refusal is None}
        self._label(planned, found)
        return {place: f"{self.project.key_prefix}-{number}" for place, number in found.items()}

    def _report_cases(self, filing: Sequence[Planned]) -> dict[str, int]:
        """File; returns the number of each filed content's case."""
        reports = [CaseReport(content=plan.content, fields=plan.fields) for plan in filing if plan.content]
        numbers: dict[str, int] = {}
        if not reports:
            return numbers
        for plan, outcome in zip(filing, report_cases(actor=self.actor, project=self.project, reports=reports), strict=True):
            if isinstance(outcome, Refusal):
                plan.refusal = outcome
            else:
                plan.created = outcome.created
                numbers[outcome.case.sha256] = outcome.case.number
        return numbers

    def _label(self, planned: Sequence[Planned], numbers: dict[int, int]) -> None:
        found = ((planned[place], number) for place, number in numbers.items())
        saying = [(plan, number) for plan, number in found if plan.item.label is not None and plan.label_refusal is None]
        if not saying:
            return
        statements = [Statement(number, plan.item.label, plan.item.note) for plan, number in saying]
        outcomes = label_numbers(actor=self.actor, project=self.project, statements=statements)
        for (plan, _), outcome in zip(saying, outcomes, strict=True):
            if isinstance(outcome, Labelled):
                plan.labelled = outcome.created
            else:
                plan.label_refusal = outcome

    def _report(self, entries: Sequence[Entry], planned: Sequence[Planned], keys: dict[int, str]) -> Report:
        report, places = Report(), enumerate(planned)
        for entry in entries:
            report.counts["entries"] += 1
            place = said.place_of(entry.place)
            if isinstance(entry, Finding):
                report.add(place, REJECTED if entry.lost else WARNING, problem=entry.problem, times=entry.count)
            else:
                number, plan = next(places)
                _tell(report, place, plan, keys.get(number))
        return report


def _tell(report: Report, place: str, plan: Planned, key: str | None) -> None:
    """One item's row, and a warning for each part of it that could not be used."""
    if plan.refusal is not None:
        report.add(place, REJECTED, problem=plan.refusal.sentence)
        return
    if not plan.filed and plan.label_refusal is not None:  # there was nothing else to it
        report.add(place, REJECTED, key=key, problem=plan.label_refusal.sentence)
        return
    status = NEW if plan.created else SEEN_AGAIN if plan.filed else LABELLED if plan.labelled else ALREADY_HERE
    report.add(place, status, key=key, labelled=plan.labelled)
    for misfit in plan.misfits:
        report.add(place, WARNING, key=key, problem=f"{misfit['field']}: {misfit['problem']} It is kept aside with the case.")
    if plan.label_refusal is not None:
        report.add(place, WARNING, key=key, problem=plan.label_refusal.sentence)
