# pip install gradio_client
import sys

from gradio_client import Client, handle_file

picture, address = sys.argv[1], sys.argv[2]
client = Client(address, verbose=False)
mesh, facts = client.predict(image=handle_file(picture), generator="local", api_name="/generate")
print(mesh, facts["faces"], "faces")
