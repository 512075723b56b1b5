"""What a model saw in one image-report pair, and how far that can be trusted."""

from .explanation import Explanation, explain, file_name

__all__ = ["Explanation", "explain", "file_name"]
