"""A household's gateway: trains, forecasts, proves, submits and claims. Holds readings; trusts no other party."""
