"""The beginning of a cluster's processes: settings, logs, and one line for what is wrong."""

from __future__ import annotations

import logging
import sys

from .. import __version__
from ..errors import ErrorCode, SettingsError
from ..ops import log_config
from ..settings import load

log = logging.getLogger(__name__)


def main(command: str) -> None:
    """Run a `worker`, the `beat` or a `scheduler`; a wrong setting ends it with one line and status 2."""
    try:
        settings = load()
        log_config.configure(settings)
        log.info("image2model %s: %s starts", __version__, command)
        try:
            from . import processes
        except ModuleNotFoundError as error:
            hint = "Install image2model with its extra `cluster`."
            raise SettingsError(ErrorCode.SETTING_WRONG, f"The package {error.name} is missing.", hint) from None
        run = {"worker": processes.run_worker, "beat": processes.run_beat, "scheduler": processes.run_scheduler}
        run[command](settings)
    except SettingsError as error:
        print(f"image2model: {error}", file=sys.__stderr__)
        raise SystemExit(2) from None
    log.info("image2model: %s stops", command)
    logging.shutdown()
