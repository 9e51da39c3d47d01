"""One picture, to a file that can be printed and to a light one for a game engine: pip install gradio_client."""

import shutil
import sys

from gradio_client import Client, handle_file

picture, address = sys.argv[1:]
client = Client(address, verbose=False)
batch = client.predict(images=[handle_file(picture)], generator="local", api_name="/submit_batch")["batch_id"]
*_, status = client.submit(batch_id=batch, api_name="/watch_batch")
job = status["jobs"][0]
print(f"{job['filename']}: {job['facts']['faces']:,} faces, {'closed' if job['facts']['watertight'] else 'open'}")

check = client.predict(batch_id=batch, number=1, size=80, measure="height", api_name="/print_check")
print(f"80 mm high: {'ready' if check['ready'] else 'not ready'} to print", *check["problems"], *check["advice"])

for format, options in (("stl", {"size": 80, "measure": "height", "repair": "solid"}), ("glb", {"face_limit": 5000})):
    path, facts = client.predict(batch, 1, format, options, api_name="/export")
    shutil.copy(path, facts["name"])
    sides = " × ".join(f"{side:.3g}" for side in facts["dimensions"])
    print(f"{facts['name']}: {facts['faces']:,} faces, {sides} {facts['unit']}.", *facts["notes"])
print("batch", batch)
