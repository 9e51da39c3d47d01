"""Views of batches by the settings of this installation."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..generators.base import Generator
from ..jobs.models import Batch
from ..jobs.storage import retention_rules
from ..jobs.views import BatchView, batch_view
from ..settings import Settings


class ViewBuilder:
    """Builds views; a batch of a generator that is gone is shown with the default one's name and times."""

    def __init__(self, settings: Settings, generators: Mapping[str, Generator]) -> None:
        self._settings, self._generators = settings, generators

    def __call__(self, batch: Batch, ahead: int = 0) -> BatchView:
        """Return the view of a batch; `ahead` counts the waiting jobs of older batches of the same generator."""
        known = self._generators.get(batch.generator) or self._generators[self._settings.default_generator]
        over = retention_rules.batch_end([job.finished_at for job in batch.jobs])
        return batch_view(
            batch, known.spec, time.time(), ahead,
            kept_until=retention_rules.kept_until(over, batch.pinned, self._settings.retention_hours),
            kept_while_space=bool(self._settings.max_data_gb or self._settings.keep_free_gb),
        )  # fmt: skip
