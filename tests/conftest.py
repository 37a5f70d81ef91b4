"""Settings of all tests: hypothesis judges laws, never speed (timing belongs in bench/)."""

from hypothesis import settings

settings.register_profile("laws", deadline=None)
settings.load_profile("laws")
