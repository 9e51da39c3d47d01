// No answer is lost between two streams. Gradio's client reads all answers of a page from one stream; the server ends it
// when everything is answered, and until the client has read that end it takes the stream for open: what is asked for
// meanwhile is answered where nobody listens (gradio 6.31, `open_stream` of its JavaScript client; the farther the server,
// the longer). Here that end is held back while something asked for is not answered, and the stream goes on: however
// busy the page is, so the server need not wait until the end is read, as it does for programs (`stream_end_guard.py`).
(() => {
  const fetch = window.fetch.bind(window);
  const asks = new Set(); // on their way to the server
  const accepted = new Set(); // event ids without an answer
  const answered = new Set(); // event ids whose answer came before the server's word that it accepted them

  const accept = (id) => answered.delete(id) || accepted.add(id);
  const answer = (id) => accepted.delete(id) || answered.add(id);

  async function ask(...request) {
    const response = await fetch(...request);
    if (response.ok) accept((await response.clone().json()).event_id);
    return response;
  }

  // Whether this message is for the client; the end of a stream is said by `listen`.
  function heard(block) {
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
      for (const block of blocks) if (heard(block)) controller.enqueue(encoder.encode(`${block}\n\n`));
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
      await Promise.allSettled(asks);
      while (asks.size || accepted.size) {
        await relay(await connect(request), controller);
        await Promise.allSettled(asks);
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
    const asked = ask(...request).finally(() => asks.delete(asked));
    asks.add(asked);
    return asked;
  };
})();
