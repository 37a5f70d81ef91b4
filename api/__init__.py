"""What people and machines run, a package for each actor. Nothing else of ours imports it; it alone sees all."""

from api.config.deferred import defer_key_files

defer_key_files()  # before anything loads eth_account
