"""The community's weather: one table for all homes, from a file, from Open-Meteo, or from the operator."""
