#!/usr/bin/env bash
set -euo pipefail
pictures=("${@:1:$#-1}") server=${*: -1}
address=$server/gradio_api
python_value='import json, sys; value = json.load(sys.stdin)
for key in sys.argv[1:]: value = value[int(key) if key.isdigit() else key]
print(value)'
call() { # endpoint, parameters -> the last answer
  local event
  event=$(curl -sSf -H "Content-Type: application/json" -d '{"data": ['"$2"']}' "$address/call/$1" |
    python3 -c "$python_value" event_id)
  curl -sSfN "$address/call/$1/$event" | sed -n 's/^data: //p' | grep -v '^null$' | tail -1
}

images=
for picture in "${pictures[@]}"; do
  path=$(curl -sSf -F "files=@$picture" "$address/upload" | python3 -c "$python_value" 0)
  images+="${images:+, }"'{"path": "'$path'", "meta": {"_type": "gradio.FileData"}}'
done
batch=$(call submit_batch "[$images], \"local\", null, {\"detail\": \"low\"}" | python3 -c "$python_value" 0 batch_id)
call watch_batch "\"$batch\"" | python3 -c "$python_value" 0 message
curl -sSf -o models.zip "$server/batches/$batch/zip"
