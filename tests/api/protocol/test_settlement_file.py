"""What was settled by the hour stays as it was written, byte for byte, and holds."""

from pathlib import Path

from api.audit.settlement import audit_settlement
from api.protocol import settlement_file

BY_HOUR = Path(__file__).parent / "vectors" / "settlement-by-hour.json"
"""Three homes and two days, settled by the release that knew hours only."""


def test_a_settlement_by_the_hour_is_written_as_before_and_holds() -> None:
    data = BY_HOUR.read_bytes()
    settlement, meters = settlement_file.read(data)
    assert settlement_file.written(settlement, meters) == data
    assert settlement.period.interval == 60 and settlement.late == ()
    found = list(audit_settlement(data))
    assert not any(finding.kind == "failed" for finding in found)
    assert found[0].what == "The file is a settlement of 'Three Roofs', days 17287 to 17288, and its sums follow."
