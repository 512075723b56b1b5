"""Which file of a project imports which, read from the source, so that nothing is run.

    folders of packages -> module names -> imports of each -> circles, closures, lines

Imports inside functions and under TYPE_CHECKING count; those by name at run time do not.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

Graph = dict[str, set[str]]


def find_modules(roots: Iterable[Path]) -> dict[str, Path]:
    """Module name -> file, of every package in folders that hold packages."""
    found = {}
    for root in roots:
        for path in sorted(root.glob("*/**/*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if (root / parts[0] / "__init__.py").exists():
                found[".".join(parts).removesuffix(".__init__")] = path
    return found


def import_graph(modules: dict[str, Path]) -> Graph:
    """Module -> the modules of the project that it names in imports."""
    return {name: _imports(name, path, modules) for name, path in modules.items()}


def _imports(name: str, path: Path, modules: dict[str, Path]) -> set[str]:
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= (names & modules.keys()) or {base}
    return (found & modules.keys()) - {name}


def find_circles(graph: Graph) -> list[tuple[str, ...]]:
    """Groups of nodes that reach each other, each sorted."""
    reached = {name: reach(graph, [name]) for name in graph}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached.get(other, ())))
        for name in graph
    }
    return sorted(group for group in groups if len(group) > 1)


def reach(graph: Graph, start: Iterable[str]) -> set[str]:
    """All nodes that are reached from some, those included."""
    found, left = set(), list(start)
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += graph.get(name, ())
    return found


def closure_lines(modules: dict[str, Path], graph: Graph, name: str) -> int:
    """Lines of all files of the project that importing a module may run, packages included."""

    def with_packages(module: str) -> set[str]:
        parts = module.split(".")
        return {".".join(parts[:k]) for k in range(1, len(parts) + 1)}

    whole = {
        module: {p for other in [module, *others] for p in with_packages(other)} & modules.keys()
        for module, others in graph.items()
    }
    return sum(line_count(modules[module]) for module in reach(whole, [name]))


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
