"""The app that a skilled person writes in an hour: Gradio, files in and out, fal-client, nothing kept.

    FAL_HOST=https://127.0.0.1:9911 FAL_KEY=test-key PORT=7861 python -m benchmarks.plain_app

The baseline of `benchmarks.plain_rival`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import fal_client.client
import gradio as gr
import httpx

MODEL = "tripo3d/tripo/v2.5/image-to-3d"
POLL_SECONDS = 0.5

host = os.environ["FAL_HOST"]
fal_client.client.QUEUE_URL_FORMAT = f"{host}/"
fal_client.client.REST_URL = fal_client.client.CDN_URL = host


async def make(client: fal_client.AsyncClient, http: httpx.AsyncClient, picture: str, folder: Path) -> str:
    """Turn one picture into one GLB in `folder`; return its path."""
    address = await client.upload_file(picture)
    handle = await client.submit(MODEL, {"image_url": address})
    async for _ in handle.iter_events(interval=POLL_SECONDS):
        pass
    result = await handle.get()
    target = folder / f"{Path(picture).stem}.glb"
    target.write_bytes((await http.get(result["model_mesh"]["url"])).content)
    return str(target)


async def make_all(pictures: list[str]) -> list[str]:
    """Turn all pictures into GLBs at the same time."""
    client, folder = fal_client.AsyncClient(), Path(tempfile.mkdtemp())
    async with httpx.AsyncClient() as http:
        return await asyncio.gather(*(make(client, http, picture, folder) for picture in pictures))


if __name__ == "__main__":
    pictures = gr.File(file_count="multiple", label="Pictures")
    meshes = gr.File(file_count="multiple", label="Meshes")
    page = gr.Interface(make_all, pictures, meshes, api_name="make")
    page.launch(server_port=int(os.environ["PORT"]), ssr_mode=False, quiet=True)
