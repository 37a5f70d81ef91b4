"""A deployed training asks for nothing that shows the homes' days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.operator.community import Community
from api.operator.training import coordinator_app
from fl.errors import FederationError
from fl.settings import FederationSettings
from tests.api.conftest import small_config


def community(folder: Path, told: dict[str, Any]) -> Community:
    federation = FederationSettings.model_validate(told)
    return Community(small_config(folder).model_copy(update={"federation": federation}))


def test_a_coordinator_asks_for_no_gradients_that_nothing_hides(tmp_path: Path) -> None:
    with pytest.raises(FederationError, match=r"220 asks the homes for gradients after round 40.*rounds: 40 on"):
        coordinator_app(community(tmp_path, {}))
    coordinator_app(community(tmp_path, {"rounds": 40}))
    alone = {"privacy": {"mode": "local"}, "strategy": {"weighting": "equal"}, "evaluate_every": 0}
    coordinator_app(community(tmp_path, alone | {"rounds": 41}))
