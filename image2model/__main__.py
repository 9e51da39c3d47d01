"""`image2model` and `python -m image2model`: start the app."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the app until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="image2model",
        description="Start the web app that turns pictures into 3D meshes, by default at http://127.0.0.1:7860.",
        epilog="Settings come from environment variables or from a file .env: see docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.parse_args(arguments)

    from .web.server import main as serve  # worker processes import this file and must not import the page

    serve()


if __name__ == "__main__":
    main()
