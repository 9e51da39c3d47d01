// npm install @gradio/client
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Client, handle_file } from "@gradio/client";

const [picture, address] = process.argv.slice(2);
const file = new File([await readFile(picture)], basename(picture), { type: "image/jpeg" });
const client = await Client.connect(address, { events: ["status", "data"] });
for await (const event of client.submit("/generate", { image: handle_file(file), generator: "local" })) {
  if (event.type === "status" && event.stage === "error") throw new Error(event.message);
  if (event.type === "data") console.log(event.data[0].url, event.data[1].faces, "faces");
  else for (const step of event.progress_data ?? []) console.log(step.desc, step.progress);
}
process.exit(0); // the client keeps its connection open
