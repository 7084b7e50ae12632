"""The HTTP surface. Handlers translate between the wire and `vivavoce.service`; nothing else."""
