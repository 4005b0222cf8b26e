"""A release's verdict for people and for CI: exit code, Markdown, JUnit XML."""

from enum import IntEnum
from typing import Any
from xml.etree import ElementTree as ET

Json = dict[str, Any]
WORDS = {
    "pass": "Passed",
    "fail": "Failed",
    "not_enough_evidence": "Too few cases",
    "error": "Error",
    "not_run": "Not run",
    "waived": "Waived",
}


class Exit(IntEnum):
    """Exit codes of the command line: part of its contract."""

    DONE = 0
    NO_ANSWER = 1
    WRONG_USAGE = 2
    GATE_FAILED = 3
    NOT_ALLOWED = 4
    NOT_ENOUGH_EVIDENCE = 5
    PARTLY_REJECTED = 6
    PENDING = 8
    INTERRUPTED = 130


_OF_VERDICT = {
    "pass": Exit.DONE,
    "fail": Exit.GATE_FAILED,
    "not_enough_evidence": Exit.NOT_ENOUGH_EVIDENCE,
    "not_run": Exit.PENDING,
    None: Exit.PENDING,
}


def exit_of(release: Json) -> Exit:
    """Pass is 0 and nothing else is; a verdict this client does not know is no answer."""
    return _OF_VERDICT.get(release.get("verdict"), Exit.NO_ANSWER)


def exit_of_status(status: int) -> Exit:
    """What a refused request means for the caller's script."""
    if status in {401, 403}:
        return Exit.NOT_ALLOWED
    return Exit.NO_ANSWER if status in {408, 425, 429} or status >= 500 or status < 400 else Exit.WRONG_USAGE


def as_markdown(release: Json, title: str) -> str:
    lines = [
        f"## {title}: {WORDS.get(str(release.get('verdict')), 'Pending')}",
        "",
        "| Check | Result | n | needed | |",
        "|---|---|---:|---:|---|",
    ]
    for check in release.get("checks", []):
        cells = [
            check.get("name"),
            WORDS.get(check.get("result"), check.get("result")),
            check.get("n"),
            check.get("n_needed"),
            check.get("sentence"),
        ]
        lines.append("| " + " | ".join("" if cell is None else str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def as_junit(release: Json, title: str) -> bytes:
    """One test case a check: Failed is a failure, Error an error, what did not decide is skipped but for a blocking overall verdict."""
    checks = release.get("checks", [])
    suite = ET.Element("testsuite", name=title, tests=str(len(checks)))
    for check in checks:
        case = ET.SubElement(suite, "testcase", classname=title, name=str(check.get("name")))
        tag = {"fail": "failure", "error": "error", "not_enough_evidence": "failure", "not_run": "skipped"}.get(check.get("result"))
        if tag:
            ET.SubElement(case, tag, message=_printable(str(check.get("sentence") or "")))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def _printable(text: str) -> str:
    """XML cannot hold most control characters, and sentences may quote hostile names."""
    return "".join(max(character, " ") for character in text)
