"""How the homes' updates become the next global model: strategies, and rules that withstand wrong updates."""
