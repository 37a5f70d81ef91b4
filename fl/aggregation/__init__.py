"""How the homes' updates become the next global model: strategies, and rules that tolerate wrong updates."""
