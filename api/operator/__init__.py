"""The community's work: training, the chain, the database, and the totals of a day. Holds no reading."""
