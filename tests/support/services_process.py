"""Services in a process of their own, without a page: settings from the environment, commands as JSON lines on stdin.

Each command is answered by one JSON line on stdout:
`{"submit": [paths], "sides": …}`, `{"retry": id}`, `{"cancel": id}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from image2model.errors import Image2ModelError
from image2model.services import Picture, Services, SubmitRequest, group_sides
from image2model.settings import load


async def main() -> None:
    """Work until stdin ends or the process is killed."""
    services = Services(load())
    await services.start()
    print(json.dumps({"started": True}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await answer(services, json.loads(line))), flush=True)
    await services.close()


async def answer(services: Services, command: dict[str, Any]) -> dict[str, Any]:
    """Do what a command says."""
    try:
        if paths := command.get("submit"):
            pictures = [Picture(Path(path), Path(path).name) for path in paths]
            return {"batch": (await services.submit(SubmitRequest(group_sides(pictures, command.get("sides"))))).id}
        if batch_id := command.get("retry"):
            return {"view": (await services.retry(batch_id, command.get("numbers"))).to_dict()}
        return {"view": (await services.cancel(command["cancel"])).to_dict()}
    except Image2ModelError as error:
        return {"refused": error.code}


if __name__ == "__main__":
    asyncio.run(main())
