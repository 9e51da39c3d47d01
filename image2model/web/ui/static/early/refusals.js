// Show only the message of a refused upload: Gradio shows the whole JSON of the answer (gradio 6.31, `upload_files` of
// its JavaScript client).
(() => {
  const fetch = window.fetch.bind(window);

  window.fetch = async (...request) => {
    const response = await fetch(...request);
    const path = new URL(request[0].url ?? request[0], location.href).pathname;
    if (response.ok || !path.endsWith("/gradio_api/upload")) return response;
    const { message } = await response.clone().json().catch(() => ({}));
    return message ? new Response(message, { status: response.status }) : response;
  };
})();
