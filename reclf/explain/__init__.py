"""What a model saw in one image-report pair, as plain arrays."""

from .explanation import Explanation, explain, file_name, load_explanations

__all__ = ["Explanation", "explain", "file_name", "load_explanations"]
