// npm install @gradio/client
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Client, handle_file } from "@gradio/client";

const pictures = process.argv.slice(2, -1);
const client = await Client.connect(process.argv.at(-1), { events: ["status", "data"] });
const images = [];
for (const picture of pictures) {
  images.push(handle_file(new File([await readFile(picture)], basename(picture), { type: "image/jpeg" })));
}
const submitted = await client.predict("/submit_batch", { images, generator: "local", options: { detail: "low" } });
const { batch_id, rejected } = submitted.data[0];
for (const { name, message } of rejected) console.log("left out:", name, message);

let status;
for await (const event of client.submit("/watch_batch", { batch_id })) {
  if (event.type === "status" && event.stage === "error") throw new Error(event.message);
  if (event.type === "data") console.log((status = event.data[0]).message);
}
for (const job of status.jobs) console.log(job.filename, job.state, job.url ?? job.error);
console.log(status.zip);
process.exit(0); // the client keeps its connection open
