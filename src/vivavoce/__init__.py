"""vivavoce: a self-hosted speech server that any OpenAI client can point at."""

__all__ = ["__version__"]

__version__ = "0.1.0"
