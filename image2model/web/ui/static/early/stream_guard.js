// Lose no answer between two streams. Gradio's client reads all answers of a page from one stream; the server closes it
// when everything is answered, and until the client has read that end it believes the stream open: the answer to a
// request sent meanwhile is never read (gradio 6.31, `open_stream` of its JavaScript client; the longer the round trip,
// the likelier). Here the end is withheld while a request is unanswered, and the stream is opened again. So the server
// need not wait until the end is read, as it does for programs (`stream_end_guard.py`).
(() => {
  const fetch = window.fetch.bind(window);
  const joining = new Set(); // requests on their way to the server
  const accepted = new Set(); // event ids without an answer
  const answered = new Set(); // event ids whose answer came before the answer to their request

  const accept = (id) => answered.delete(id) || accepted.add(id);
  const answer = (id) => accepted.delete(id) || answered.add(id);

  async function join(...request) {
    const response = await fetch(...request);
    if (response.ok) accept((await response.clone().json()).event_id);
    return response;
  }

  // Note what the message says; return whether the client gets it. `listen` itself sends the end of the stream.
  function note(block) {
    const message = JSON.parse(block.slice(block.indexOf("{")));
    if (message.msg === "process_completed") answer(message.event_id);
    if (message.msg === "unexpected_error") accepted.clear(); // the session is gone
    return message.msg !== "close_stream";
  }

  async function relay(response, controller) {
    const encoder = new TextEncoder();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const blocks = (text + read.value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) if (note(block)) controller.enqueue(encoder.encode(`${block}\n\n`));
    }
  }

  function connect(request) {
    const marked = new Request(...request);
    marked.headers.set("X-Holds-The-End", "yes");
    return fetch(marked);
  }

  async function listen(...request) {
    const first = await connect(request);
    if (!first.ok) return first;
    async function stream(controller) {
      await relay(first, controller);
      await Promise.allSettled(joining);
      while (joining.size || accepted.size) {
        await relay(await connect(request), controller);
        await Promise.allSettled(joining);
      }
      controller.enqueue(new TextEncoder().encode('data: {"msg": "close_stream"}\n\n'));
      controller.close();
    }
    const body = new ReadableStream({ start: (controller) => void stream(controller).catch((error) => controller.error(error)) });
    return new Response(body, first);
  }

  window.fetch = (...request) => {
    const path = new URL(request[0].url ?? request[0], location.href).pathname;
    if (path.endsWith("/queue/data")) return listen(...request);
    if (!path.endsWith("/queue/join")) return fetch(...request);
    const joined = join(...request).finally(() => joining.delete(joined));
    joining.add(joined);
    return joined;
  };
})();
