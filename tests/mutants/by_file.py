"""A plugin of pytest: mutmut names tests in any order; a file's fixtures are made once in one."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.nodeid.partition("::")[0])
