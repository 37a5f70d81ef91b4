"""One-shot federated learning: each home sends sums over its days once, and the sums alone give the models.

`shape` says which sums, `statistics` makes them at home, `moments` reads their total. `gaussian_heads`, `fisher_mix`
and `proto_hyper` make classifiers of it (GH-OFL: Turazza, Picone and Mamei, ICLR 2026, arXiv 2602.01186), `ridge`
makes the regression twin. `peak_class` and `load_inputs` turn a home's days into what is summed.
"""
