"""What gateways, operator and auditor exchange: proof bundles, secure-sum messages, the bounded HTTP client."""
