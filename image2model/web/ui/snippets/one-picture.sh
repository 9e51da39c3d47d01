#!/usr/bin/env bash
set -euo pipefail
picture=$1 address=$2/gradio_api
python_value='import json, sys; value = json.load(sys.stdin)
for key in sys.argv[1:]: value = value[int(key) if key.isdigit() else key]
print(value)'

path=$(curl -sSf -F "files=@$picture" "$address/upload" | python3 -c "$python_value" 0)
image='{"path": "'$path'", "meta": {"_type": "gradio.FileData"}}'
event=$(curl -sSf -H "Content-Type: application/json" -d '{"data": ['"$image"', "local", null, null]}' \
  "$address/call/generate" | python3 -c "$python_value" event_id)
answer=$(curl -sSfN "$address/call/generate/$event" | sed -n 's/^data: //p' | tail -1)
echo "$answer" | python3 -c "$python_value" 1 faces
curl -sSf -o model.glb "$(echo "$answer" | python3 -c "$python_value" 0 url)"
