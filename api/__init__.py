"""The doors: HTTP, web page and command line. The only room that sees all the others."""
