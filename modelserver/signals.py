"""What this app tells others, which it may not import."""

from __future__ import annotations

from django.dispatch import Signal

run_ended = Signal()
"""A worker has finished with a training run, well or not. Only a nudge: the run's row says what is so."""
