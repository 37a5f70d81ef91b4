"""The integer LSTM as a relation."""
