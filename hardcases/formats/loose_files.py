"""Archives of nothing but pictures, or of DICOM files: every file is a case, and its folder may be its class."""

from collections.abc import Iterator

from hardcases.errors import Invalid, Refusal
from hardcases.formats.archives import DamagedMember
from hardcases.formats.classes import Classes, UnknownClassError
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.pictures import is_picture
from hardcases.formats.rows import shown
from hardcases.formats.tally import Tally

_HEAD = 132


def read_zip(package: Package, options: Options) -> Iterator[Item | Finding]:
    """Every file as a picture, whatever its name; what it is, the intake decides by its bytes. `folders: "class"` in the mapping makes folders the labels."""
    reader = _Folders(options)
    for name in package.names():
        if is_picture(name):
            yield reader.item(name)
        else:
            yield Finding(place=name, problem=f"{shown(name)} does not end like a picture and was not read.")
    yield from reader.tally.findings()


def read_dicom_zip(package: Package, options: Options) -> Iterator[Item | Finding]:
    """Every file that is DICOM by its bytes, with or without an ending; `DICOMDIR` lists others and is no picture itself."""
    reader = _Folders(options)
    for name in package.names():
        if name.rpartition("/")[2].upper() == "DICOMDIR":
            reader.tally.add(name, "DICOMDIR only lists the other files and was not read.")
            continue
        try:
            with package.open(name) as file:
                head = file.read(_HEAD)
        except (DamagedMember, Refusal) as refusal:
            yield Finding(place=name, problem=getattr(refusal, "sentence", str(refusal)))
            continue
        if head[128:] == b"DICM" or name.lower().endswith((".dcm", ".dicom")):
            yield reader.item(name)
        else:
            yield Finding(place=name, problem=f"{shown(name)} is no DICOM file.")
    yield from reader.tally.findings()


class _Folders:
    """Makes items of files, with the class that their innermost folder names, if the mapping asks for it."""

    def __init__(self, options: Options) -> None:
        way = options.mapping.get("folders")
        if way not in (None, "class"):
            raise Invalid("In the mapping, “folders” is “class” or left out. Nothing was imported. Correct the mapping.")
        if way and options.task not in {"classification", "multilabel"}:
            raise Invalid(f"A folder is a class, which is no label in a {options.task} project. Nothing was imported. Leave “folders” out.")
        self._by_class, self._task, self._classes, self.tally = bool(way), options.task, Classes(options), Tally()

    def item(self, name: str) -> Item:
        """The item of one file."""
        return Item(place=name, file=name, label=self._label(name) if self._by_class else None)

    def _label(self, name: str) -> dict[str, object] | None:
        folder = name.rpartition("/")[0].rpartition("/")[2]
        if not folder:
            self.tally.add(name, "A file in no folder has no class.")
            return None
        try:
            known = self._classes.of(folder)
        except UnknownClassError as error:
            self.tally.add(name, f"The label was left out: {error}", unknown_class=error.name)
            return None
        if known is None:
            return None
        return {"label": known} if self._task == "classification" else {"labels": [known]}
