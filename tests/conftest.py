"""Settings of all tests: hypothesis judges laws, never speed (timing belongs in bench/).

`ci`, the default, tries the same examples each time; `deep` (`make test-deep`) tries others in each run, and more.
"""

import os

from hypothesis import settings  # noqa: TID251 - the profiles themselves

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: test processes share the cores, one each (see api.cli)

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", deadline=None, derandomize=False, print_blob=True, max_examples=2000)
settings.load_profile("ci")
