"""Live meters: `data.sources.source` is the interface, each other module one way to ask one."""
