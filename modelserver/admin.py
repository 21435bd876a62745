from __future__ import annotations

from lifecycle.admin import show
from modelserver.models import ModelVersion, TrainingRun

show(ModelVersion, ("name", "version", "data_rows", "seed", "created_at"))
show(TrainingRun, ("key", "state", "attempts", "started_at", "ended_at", "error"), ("state",))
