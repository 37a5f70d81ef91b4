"""The load forecaster: the float LSTM, its baselines and evaluation, and the integer model that is proven."""
