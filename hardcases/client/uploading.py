"""One `hardcases upload` from start to end: what there is, what becomes of it, and the sentence that says so."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from hardcases.client.client import Client
from hardcases.client.progress import Meter, State, Tally, sized
from hardcases.client.sending import Sender
from hardcases.client.upload import ManifestError, Wanted
from hardcases.client.verdicts import Exit

Say = Callable[[str], None]
Show = Callable[[dict[str, Any]], None]


class UploadRun:
    """`say` takes sentences for a person, `show` (if any) one result a case for a script."""

    def __init__(self, client: Client, wanted: Wanted, console: Console, *, say: Say, show: Show | None) -> None:
        self._client, self._wanted, self._console = client, wanted, console
        self._say, self._show = say, show

    def _counted(self) -> tuple[int, int]:
        """(cases, bytes). Raises ManifestError for a path or a line that is none, before anything is sent."""
        cases = size = 0
        for source in self._wanted:
            cases += 1
            size += source.size
        if not cases:
            raise ManifestError("There is nothing to send. Name files, folders of pictures or a manifest.")
        return cases, size

    def look(self) -> Exit:
        """Open everything and send nothing."""
        cases = size = bad = 0
        for source in self._wanted:
            cases += 1
            size += source.size
            trouble = source.trouble()
            if trouble:
                bad += 1
                self._say(trouble)
            if self._show:
                found = {"file": source.label if source.item.file is not None else None, **source.item.document()}
                self._show(found | ({"problem": trouble} if trouble else {}))
        if not cases:
            raise ManifestError("There is nothing to send. Name files, folders of pictures or a manifest.")
        self._say(f"Nothing was sent. {cases - bad:,} of {cases:,} cases ({sized(size)}) can be read.")
        return Exit.PARTLY_REJECTED if bad else Exit.DONE

    def send(self, *, jobs: int, resume: bool, restart: bool) -> Exit:
        """Send what the server lacks. Raises StateError, ManifestError, ProblemError, NoAnswerError."""
        began = time.monotonic()
        target = f"{self._client.url} {self._client.project}"
        paths = list(self._wanted.paths) or ([self._wanted.manifest] if self._wanted.manifest else [])
        state = State.beside(paths, target)
        cases, size = self._counted()
        if state.load(wanted=resume, restart=restart):
            self._say("Going on with an interrupted upload.")
        self._say(f"Found {cases:,} cases ({sized(size)}).")
        state.save(now=True)
        tally = Tally()
        with Meter(self._console, cases=cases, size=size) as meter:
            sender = Sender(self._client.transport, self._client.path_of, state=state, tally=tally, meter=meter, jobs=jobs)
            for result in sender.run(self._wanted):
                if self._show:
                    self._show(result)
        state.forget()
        self._say(tally.sentence(time.monotonic() - began))
        self._say(f"Inbox: {self._client.url}/p/{self._client.project}/inbox/")
        return Exit.PARTLY_REJECTED if tally.rejected else Exit.DONE
