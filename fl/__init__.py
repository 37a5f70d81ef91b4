"""Federated training with Flower: server and client apps, strategies, privacy and the household agent."""
