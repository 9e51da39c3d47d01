# pip install gradio_client
import sys

from gradio_client import Client, handle_file

*pictures, address = sys.argv[1:]
client = Client(address, verbose=False)
batch = client.predict(
    images=[handle_file(picture) for picture in pictures],
    generator="local",
    options={"detail": "low"},
    api_name="/submit_batch",
)
for refused in batch["rejected"]:
    print("left out:", refused["name"], refused["message"])
for status in client.submit(batch_id=batch["batch_id"], api_name="/watch_batch"):
    print(status["message"])
for job in status["jobs"]:
    print(job["filename"], job["state"], job["url"] or job["error"])
print(client.predict(batch_id=batch["batch_id"], api_name="/download_batch"))
