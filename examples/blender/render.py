# /// script
# requires-python = "==3.11.*"
# dependencies = ["bpy==4.5.*"]
# ///
"""Make the example pictures again: all of them, or those that are named.

    uv run examples/blender/render.py [--to FOLDER] [--side 1024] [--samples 16] [mug toy_car …]

Blender comes as the Python package bpy (about 350 MB, for Python 3.11 alone); no Blender needs to be installed.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

import services

OBJECTS = ("chair", "mug", "mushroom_house", "robot", "shoe", "toy_car")


def main() -> None:
    """Render each object to its own file."""
    parser = argparse.ArgumentParser(description="Render the example pictures.")
    parser.add_argument("objects", nargs="*", metavar="OBJECT", default=OBJECTS, help=f"of {', '.join(OBJECTS)}")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent.parent, help="folder for the JPEG files")
    parser.add_argument("--side", type=int, default=1024, help="width and height in pixels")
    parser.add_argument("--samples", type=int, default=16, help="samples for each pixel, before denoising")
    arguments = parser.parse_args()
    for name in arguments.objects:
        subject = import_module(name)
        services.empty_scene()
        subject.build()
        services.photograph(
            subject.SHOT, arguments.to / f"{name.replace('_', '-')}.jpg", arguments.side, arguments.samples
        )


if __name__ == "__main__":
    main()
