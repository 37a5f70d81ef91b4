"""The HTTP server: routes, refusals, bounds and queues, and the web page."""
