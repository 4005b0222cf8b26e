"""How long a cell of CSV may be. Python keeps the limit for the whole process, so it is set once, before anything is read: else what is read would depend on what was
read before.
"""

import csv

MAX_CELL = 2**22  # characters; a text may have a million and its JSON more
csv.field_size_limit(MAX_CELL)


def problem(error: Exception) -> str:
    """Why reading ended, as a sentence. A quoted cell may hold line ends, so where the next row begins cannot be known."""
    if str(error).startswith("field larger than"):
        return f"This row has a cell of more than {MAX_CELL:,} characters; from here on nothing was read."
    return f"From here on the file could not be read as CSV: {error}."
