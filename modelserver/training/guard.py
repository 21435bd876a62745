"""Ends this process when it is cancelled, and when the process that started it is gone.

A worker that is killed must leave no training behind that keeps its cores busy and its files open.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType

CANCELLED = 143
POLL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


def install() -> None:
    """Exit with status 143 on SIGTERM and when the parent process dies. Call it first, in the main thread."""
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _cancel)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # Covers other systems, and a parent that died before the kernel was asked to tell.
    threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _cancel(number: int, frame: FrameType | None) -> None:
    # SystemExit lets open files and half-written folders be cleaned up on the way out.
    raise SystemExit(CANCELLED)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(CANCELLED)
