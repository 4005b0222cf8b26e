"""What the project already has of the items of one chunk: asked of the database in a handful of queries, whatever their number."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from hardcases.cases.access import number_in
from hardcases.cases.models import Case, ExternalId, Sighting
from hardcases.database.prepared import Given, PreparedMany
from hardcases.errors import Conflict, NotFound
from hardcases.formats.exchange import Item
from hardcases.labels.models import CurrentLabel
from hardcases.projects.models import Project
from hardcases.transfers.items import SAID, distinct, facts_of, last_part
from hardcases.web.pages import FILE_TYPES

SIGHTINGS = 50  # of a case, on average, that are looked through for what was said before
_KEPT = tuple(name for name in SAID if name != "external_id")


class Known(NamedTuple):
    """A case as far as an import needs it."""

    pk: int
    number: int
    kind: str
    sha256: str
    stored_sha256: str
    size: int
    state: str
    file_name: str
    media_type: str


_BY: dict[str, PreparedMany[tuple[Any, ...]]] = {
    column: PreparedMany(
        lambda values, column=column: (  # type: ignore[misc]  # the default keeps each query's own column
            Case.objects.filter(project_id=Given("project"), **{f"{column}__among": values}).order_by("pk").values_list(*Known._fields)
        )
    )
    for column in ("number", "sha256", "file_name")
}
_BY_NAME: PreparedMany[tuple[Any, ...]] = PreparedMany(
    lambda names: ExternalId.objects.filter(project_id=Given("project"), value__among=names).values_list(
        "value", *(f"case__{column}" for column in Known._fields)
    )
)
_SAID: PreparedMany[tuple[Any, ...]] = PreparedMany(lambda pks: Case.objects.filter(pk__among=pks).values_list("pk", *_KEPT))
_NAMES: PreparedMany[tuple[int, str]] = PreparedMany(lambda pks: ExternalId.objects.filter(case__among=pks).values_list("case_id", "value"))
_LABELS: PreparedMany[tuple[int, str]] = PreparedMany(
    lambda cases: CurrentLabel.objects.filter(case__among=cases).values_list("case_id", "revision__digest")
)


class NotHere(NotFound):
    code, title = "not_here", "The project has no such case"


class NamesDiffer(Conflict):
    code, title = "names_differ", "The names in this row mean different cases"


class Knowledge:
    """Of a chunk's items: cases by each of their names, and what was said of them."""

    def __init__(self, project: Project, items: Sequence[Item], digests: Iterable[str]) -> None:
        self.project = project
        self.by_digest = self._cases("sha256", {*digests, *distinct(item.sha256 for item in items)})
        self._numbers = {key: number_in(project, key) for key in distinct(item.key for item in items)}
        self.by_number = self._cases("number", {number for number in self._numbers.values() if number is not None})
        self.by_name = self._named(distinct([*(item.external_id for item in items), *(item.file for item in items), *map(_last, items)]))
        self._by_file: dict[str, list[Known]] | None = None
        self._items = items
        self.told: dict[int, set[int]] = {}
        self.labels: dict[int, str] = {}

    def _cases(self, column: str, values: Collection[Any]) -> dict[Any, Known]:
        place = Known._fields.index(column)
        return {row[place]: Known._make(row) for row in _BY[column].all(values, project=self.project.pk)}

    def _named(self, names: Sequence[str]) -> dict[str, Known]:
        return {name: Known._make(row) for name, *row in _BY_NAME.all(names, project=self.project.pk)}

    def key(self, case: Known) -> str:
        """XR-1061."""
        return f"{self.project.key_prefix}-{case.number}"

    def meant(self, item: Item) -> list[Known]:
        """The cases that the item's names mean, each once. Raises NotHere for a digest or a key that means none."""
        found: dict[int, Known] = {}
        if item.sha256:
            self._find(found, self.by_digest.get(item.sha256), "content", item.sha256[:12] + "…")
        if item.key:
            number = self._numbers[item.key]
            self._find(found, None if number is None else self.by_number.get(number), "key", item.key)
        named = self.by_name.get(item.external_id) if item.external_id else None
        if named is not None:
            found[named.pk] = named
        return list(found.values())

    @staticmethod
    def _find(found: dict[int, Known], case: Known | None, what: str, name: str) -> None:
        if case is None:
            raise NotHere(f"The project has no case of the {what} {name[:80]}. This row was not imported.")
        found[case.pk] = case

    def case_of(self, item: Item) -> Known:
        """The one case that an item without content speaks of. Raises NotHere and NamesDiffer."""
        found = self.meant(item)
        if len(found) > 1:
            keys = " and ".join(self.key(case) for case in found)
            raise NamesDiffer(f"The names in this row mean {keys}. Nothing of it was imported. Leave out the name that is wrong.")
        if found:
            return found[0]
        if item.file:
            named = self.by_name.get(item.file) or self.by_name.get(last_part(item.file))
            return named or self._of_file(last_part(item.file))
        if item.external_id:
            name = last_part(item.external_id)  # some tools know a picture by nothing but the name of its file
            if self._by_file_name(name):
                return self._of_file(name)
            raise NotHere(
                f"The project has no case of the external id “{item.external_id[:80]}”, and the row brings no content. It was not imported."
            )
        raise NotHere(
            "The row brings no content and no name of a case: a key, an external id, a SHA-256 or a file name. It was not imported."
        )

    def _by_file_name(self, name: str) -> list[Known]:
        if self._by_file is None:
            self._by_file = self._files()
        return self._by_file.get(name, [])

    def _of_file(self, name: str) -> Known:
        """By the name its picture was sent with, where only one case has it; or by the name that our own exports give it."""
        found = self._by_file_name(name)
        if len(found) == 1:
            return found[0]
        if found:
            keys = ", ".join(self.key(case) for case in found[:3])
            raise NamesDiffer(
                f"Several cases were sent as {name[:80]}: {keys}. This row was not imported. Name the case by its key or its SHA-256."
            )
        raise NotHere(
            f"The package holds no file {name[:80]}, and the project has no case that was sent under this name. This row was not imported."
        )

    def _files(self) -> dict[str, list[Known]]:
        names = {last_part(name) for item in self._items for name in (item.file, item.external_id) if name}
        found: dict[str, list[Known]] = {}
        for case in map(Known._make, _BY["file_name"].all(names, project=self.project.pk)):
            found.setdefault(case.file_name, []).append(case)
        numbers = {
            name: number for name in names - found.keys() if (number := number_in(self.project, name.rpartition(".")[0])) is not None
        }
        cases = self._cases("number", set(numbers.values()))
        for name, number in numbers.items():
            meant = cases.get(number)
            if meant is not None and name == exported_name(self.project, meant.number, meant.media_type):
                found[name] = [meant]
        return found

    def learn(self, cases: Collection[Known]) -> None:
        """Read what was ever said of these cases."""
        pks = [case.pk for case in cases]
        if not pks:
            return
        for pk, *values in _SAID.all(pks):
            self.told[pk] = facts_of(dict(zip(_KEPT, values, strict=True)))
        for pk, name in _NAMES.all(pks):
            self.told[pk] |= facts_of({"external_id": name})
        bodies = Sighting.objects.filter(case__among=pks, body__isnull=False).order_by("-pk").values_list("case_id", "body")
        for pk, body in bodies[: SIGHTINGS * len(pks)]:
            self.told[pk] |= facts_of(body or {})

    def learn_labels(self, cases: Collection[Known]) -> None:
        """Read the digests of their newest labels."""
        self.labels.update(_LABELS.all([case.pk for case in cases]))


def _last(item: Item) -> str | None:
    return last_part(item.file) if item.file else None


def exported_name(project: Project, number: int, media_type: str) -> str:
    """What a case's file is called in an export: `XR-1061.png`."""
    return f"{project.key_prefix}-{number}{FILE_TYPES.get(media_type, '')}"
