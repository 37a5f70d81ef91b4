"""What gateways, operator and auditor say to each other: proof bundles, secure-sum messages, the bounded client."""
