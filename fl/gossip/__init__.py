"""FedBGS: a federation without a server. Peers train, and merge what their neighbours in a drawn graph publish.

What is pure stands in `fixed_point`, `segments`, `draws`, `topology`, `merge`, `blocks`, `clusters` and `epoch`:
whoever has the published blocks and the epoch's seed recomputes every merge to the bit. The chain is behind
`registry`, which `api` fills in.
"""
