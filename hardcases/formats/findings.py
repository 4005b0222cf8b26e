"""Findings about an uploaded table, row by row: collected while reading and joining, refused all together."""

from collections.abc import Callable, Iterable

from hardcases.errors import Detail, Invalid

LISTED = 1000


class TableRefused(Invalid):
    """An uploaded table breaks rules; `errors` lists at most a thousand findings and `extra["more"]` counts the rest."""

    code, title = "table_refused", "The file was refused and nothing of it was stored"


class Findings:
    """Keeps the first thousand findings of each kind in the order of the rows, and counts them all.

    Pointers: `/rows/17` is the row with index 17, counted from 0 without header and blank lines; `/columns/<name>` a column;
    `/cases/<key>` a case of the test set that the file does not mention; empty for the file as a whole.
    """

    def __init__(self) -> None:
        self._found: list[tuple[int, Detail]] = []
        self.count = 0

    def file(self, sentence: str) -> None:
        self._add(-2, "", sentence)

    def column(self, name: str, sentence: str) -> None:
        self._add(-1, f"/columns/{_escaped(name)}", sentence)

    def row(self, index: int, sentence: str) -> None:
        self._add(index, f"/rows/{index}", sentence)

    def rows(self, indices: Iterable[int], sentence: Callable[[int], str]) -> None:
        """One finding a row; sentences are only written for those that will be listed."""
        for number, index in enumerate(indices):
            if number < LISTED:
                self._found.append((int(index), Detail(pointer=f"/rows/{index}", detail=sentence(int(index)))))
            self.count += 1

    def cases(self, keys: Iterable[str], count: int, sentence: Callable[[str], str]) -> None:
        """Findings about cases that have no row; `keys` need not go beyond those that can be listed, `count` counts them all."""
        for number, key in enumerate(keys):
            if number < LISTED:
                self._found.append((2**62, Detail(pointer=f"/cases/{_escaped(key)}", detail=sentence(key))))
        self.count += count

    def extend(self, other: "Findings") -> None:
        self._found.extend(other._found)  # noqa: SLF001 - of the same class
        self.count += other.count

    def row_numbers(self) -> set[int]:
        """The rows about which something is kept; those beyond the memory's bound only count."""
        return {order for order, detail in self._found if detail.pointer.startswith("/rows/")}

    def details(self) -> list[Detail]:
        """At most a thousand, the file and its columns first, then the rows in order, then the missing cases."""
        return [detail for _, detail in sorted(self._found, key=lambda found: found[0])[:LISTED]]

    def refuse_if_any(self, rows: int) -> None:
        """Raises `TableRefused` if there is any finding among the `rows` rows of the file."""
        if not self.count:
            return
        listed = self.details()
        more = self.count - len(listed)
        noun = "finding" if self.count == 1 else "findings"
        rest = f" The first {len(listed):,} are listed; there are {more:,} more." if more else ""
        place = f" in {rows:,} rows" if rows else ""
        sentence = (
            f"The file has {self.count:,} {noun}{place}, so nothing of it was stored.{rest} Correct them and send the whole file again."
        )
        raise TableRefused(sentence, errors=listed, extra={"more": more})

    def _add(self, order: int, pointer: str, sentence: str) -> None:
        if self.count < 100 * LISTED:  # enough to fill the list after sorting; a hostile file must not fill the memory
            self._found.append((order, Detail(pointer=pointer, detail=sentence)))
        self.count += 1


def _escaped(name: str) -> str:
    """A reference token of RFC 6901."""
    return name.replace("~", "~0").replace("/", "~1")
