"""A faster way on the CPU: transformers as onnxruntime graphs, their weights in few bits."""
