"""What skill is measured in, for who needs the numbers without the proof system."""

BENCHMARK_DAYS = tuple(range(7, 14))
"""How many days before the scored one each benchmark's day is; together they fill the ring."""
BUCKET_WH = 100
ENERGY_PER_BUCKET_WH = 2_000
