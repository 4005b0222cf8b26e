"""The last step of the readers of picture formats: the picture is found, the case is named, and what our own exports carry along comes back."""

from collections.abc import Iterator, Mapping
from typing import Any

from hardcases.errors import Invalid
from hardcases.formats import strict
from hardcases.formats.classes import Classes
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.fields import NAMES, item_of, plain
from hardcases.formats.marks import Marks
from hardcases.formats.packages import AmbiguousError, Lookup
from hardcases.formats.pictures import tell_unnamed, upright_size_of
from hardcases.formats.said import same
from hardcases.formats.tally import Tally

CARRIED = "hardcases"  # the member under which our exports keep what their format has no place for
_WAYS = ("external_id", "key", "id")


def carried(item: Item, *leave_out: str) -> dict[str, Any]:
    """What goes under `CARRIED`: the item's values, without those that the format has a place for."""
    return plain(item, frozenset({"file", *leave_out}))


class Assembler:
    """Makes items of one package. Names of pictures are looked up from the folder `base`."""

    def __init__(self, package: Package, options: Options) -> None:
        self.options, self.tally = options, Tally()
        self.classes = Classes(options)
        self.marks = Marks(options, self.classes, self.tally)
        self.base = ""
        self._used: set[str] = set()
        self._package, self._lookup = package, Lookup(package.names())
        self._way = options.mapping.get("names")
        if self._way not in (None, *_WAYS):
            raise Invalid(f"In the mapping, “names” is one of {', '.join(_WAYS)}. Nothing was imported. Correct the mapping.")

    def member(self, name: str) -> str | None:
        """The picture of this name in the package, None where it is not packed. Raises `AmbiguousError`."""
        return self._lookup.find(name, self.base)

    def end(self) -> Iterator[Finding]:
        """What was met many times, once for each kind; and pictures that nothing named."""
        tell_unnamed(self._package, self._used, self.tally)
        return self.tally.findings()

    def size(self, name: str) -> tuple[int, int] | None:
        """Width and height of a packed picture, upright, in pixels; None where it is not packed or cannot be read."""
        try:
            member = self.member(name)
        except AmbiguousError:
            return None
        return upright_size_of(self._package, member) if member is not None else None

    def item(
        self, place: str, fields: dict[str, Any], *, name: str | None, foreign_id: object = None, kept: object = None
    ) -> Iterator[Item | Finding]:
        """The item of a picture that the file calls `name` (and `foreign_id`), with the values `fields`, and `kept` as it stood under `CARRIED`."""
        fields = self._with_carried(place, fields, kept)
        if name is not None:
            try:
                member = self.member(name)
            except AmbiguousError as error:
                yield Finding(place=place, problem=f"{error} It was not imported.")
                return
            fields["file"] = member
            if member is not None:
                self._used.add(member)
            if member is None and not {"text", "record"} & set(fields):
                self.tally.add(place, "The picture is not in the package, so this can only add to a case that is known already.")
            self._name(fields, name, foreign_id, packed=member is not None)
        problem = strict.unfit(fields)
        if problem:
            yield Finding(place=place, problem=problem)
            return
        item, findings = item_of(place, fields)
        yield from findings
        if item is not None:
            yield item

    def named(self, identity: str) -> dict[str, str]:
        """The case that a file calls by nothing but an id: its external id, or its key as “names” in the mapping says."""
        return {"key" if self._way == "key" else "external_id": identity}

    def _with_carried(self, place: str, fields: dict[str, Any], kept: object) -> dict[str, Any]:
        fields = {name: value for name, value in fields.items() if value is not None}
        if kept is None:
            return fields
        if not isinstance(kept, Mapping) or strict.unfit(kept):
            self.tally.add(place, f"What stands under “{CARRIED}” cannot be used and was left out.")
            return fields
        back = {name: value for name, value in kept.items() if name in NAMES and name != "file"}
        if "label" not in fields or not same(fields["label"], _shape(back.get("label"))):
            back.pop("label", None)  # it was changed since
        for said in ("prediction", "correction"):
            if said in fields and not same(fields[said], _shape(back.get(said))):
                back.pop(said, None)
        if isinstance(fields.get("attributes"), Mapping) and isinstance(back.get("attributes"), Mapping):
            back["attributes"] = {**back["attributes"], **fields["attributes"]}
        return {**fields, **back}

    def _name(self, fields: dict[str, Any], name: str, foreign_id: object, *, packed: bool) -> None:
        """A case whose picture is here is known by it; else by the picture's name, or as “names” in the mapping says."""
        if any(fields.get(known) for known in ("key", "external_id", "sha256")) or (packed and self._way is None):
            return
        if self._way == "id":
            fields["external_id"] = None if foreign_id is None else str(foreign_id)
        elif self._way == "key":
            last = name.replace("\\", "/").rpartition("/")[2]
            fields["key"] = last.rpartition(".")[0] or last
        else:
            fields["external_id"] = name


def _shape(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None
