"""What people and machines run, a package for each actor. Nothing else of ours imports it; it alone sees all."""
