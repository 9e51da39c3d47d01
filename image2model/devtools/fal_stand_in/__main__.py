"""Start the stand-in for fal by hand: `python -m image2model.devtools.fal_stand_in --port 9911 --run-seconds 8`."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from .script import Script
from .server import KEY, FalServer


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A stand-in for fal.ai: try its models without paying.")
    parser.add_argument("--port", type=int, default=9911)
    parser.add_argument("--queue-seconds", type=float, default=1.0, help="how long each job waits in fal's queue")
    parser.add_argument("--run-seconds", type=float, default=8.0, help="how long each job runs")
    parser.add_argument("--spread", type=float, default=0.0, help="share by which runs are shorter or longer")
    parser.add_argument("--concurrency", type=int, default=0, help="jobs running at the same time; 0: any number")
    parser.add_argument("--certificate", type=Path, help="PEM file with key and certificates: listen over TLS")
    given = parser.parse_args()
    script = Script(queue_seconds=given.queue_seconds, run_seconds=given.run_seconds, spread=given.spread)
    with FalServer(script, port=given.port, concurrency=given.concurrency, certificate=given.certificate) as server:
        print(
            "The stand-in for fal is up. Run the app against it:\n\n"
            f"    FAL_HOST={server.url} FAL_KEY={KEY} python -m image2model\n"
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()
