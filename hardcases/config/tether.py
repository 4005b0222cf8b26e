"""`python tether.py COMMAND…`: become COMMAND, and get SIGTERM when the process that started us is gone.

The supervisor may be killed, or fall over because nobody reads its output any more. Its children would live on, hold the port and work beside those of the next
start. The kernel tells them instead. (Linux only; elsewhere the command runs untethered.) Imports nothing of ours, because it runs before everything else.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tether() -> None:
    """Ask for SIGTERM at the parent's death; if it died before we asked, end here."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("the supervisor is gone")


if __name__ == "__main__":
    tether()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - the supervisor's own file names the command
