"""Commands that measure what the documentation claims: fidelity of the gradients, cost of a step."""
