"""The REST API: what programs written for the first image2model call, on the same server as the page."""
