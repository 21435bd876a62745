"""What is left to do after texts were erased."""

from __future__ import annotations

from django.db import models

from collection.models.studies import Experiment


class FilesToErase(models.Model):
    """Texts of an experiment were erased ``since``, and files of its training data may hold them still.

    It goes when all these files were looked through and none is left (see collection.erased_files).
    """

    experiment = models.OneToOneField(Experiment, on_delete=models.PROTECT, related_name="files_to_erase")
    since = models.DateTimeField()
    looked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"files of {self.experiment}"
