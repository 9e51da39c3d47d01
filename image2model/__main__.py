"""`image2model` and `python -m image2model`: start the app, or one of a cluster's other processes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import __version__

COMMANDS = {
    "serve": "the web app; this is the default",
    "worker": "a process that works on pictures and meshes for others (Celery)",
    "beat": "what tells workers of regular chores, one of a kind (Celery)",
    "scheduler": "a process that runs jobs, without a page",
    "check-env": "a look at what the settings name, with one line for each problem",
    "migrate": "bring the database to the newest schema, as each start does",
    "backup": "write the batches and their files to a new FOLDER",
    "restore": "put a backup from FOLDER in the place of what is there; stop the app before",
}
FOLDER_COMMANDS = ("backup", "restore")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the app, or the process that a command names, until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="image2model",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Start the web app that turns pictures into 3D meshes, by default at http://127.0.0.1:7860.",
        epilog="commands:\n"
        + "".join(f"  {name:<10} {text}\n" for name, text in COMMANDS.items())
        + "\nSettings come from environment variables or from a file .env: see docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="serve", metavar="command")
    parser.add_argument("folder", nargs="?", type=Path, help="for backup and restore")
    given = parser.parse_args(arguments)
    command = given.command
    if (command in FOLDER_COMMANDS) != bool(given.folder):
        parser.error("`backup` and `restore` take a folder, other commands none")

    _run(command, given.folder)


def _run(command: str, folder: Path | None) -> None:
    """Import what the command needs, and run it: worker processes import this file and must not import the page."""
    if command == "serve":
        from .web.server import main as serve

        serve()
    elif command == "check-env":
        from .ops.check_env import main as check

        check()
    elif command == "migrate":
        from .ops.check_env import migrate

        migrate()
    elif folder:
        from .ops.backup import main as copy

        copy(command, folder)
    else:
        from .worker.main import main as run

        run(command)


if __name__ == "__main__":
    main()
