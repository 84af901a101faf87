"""The generated bindings: there inside a component, stood in for by plain objects elsewhere."""

import importlib
from types import SimpleNamespace

try:
    from componentize_py_types import Err

    INSIDE = True
except ImportError:

    class Err(Exception):
        """As the generated one: a failure in order."""

        def __init__(self, value):
            super().__init__(value)
            self.value = value

    INSIDE = False


def module(*names):
    """Returns the first of these generated modules that is there, else None."""
    if not INSIDE:
        return None
    for name in names:
        try:
            return importlib.import_module(f"wit_world.{name}")
        except ImportError:
            continue
    return None


def protocol(name):
    """Returns the generated class that an export of this name must have as its base."""
    exports = module("exports")
    return getattr(exports, name) if exports else object


def record(of, kind, /, **members):
    """Makes a record of the contract."""
    return getattr(of, kind)(**members) if of else SimpleNamespace(**members)


def case(of, name, *payload):
    """Makes a case of a variant of the contract."""
    if of:
        return getattr(of, name)(*payload)
    return SimpleNamespace(case=name, value=payload[0] if payload else None)


# The interface has a longer name where another one of its name is imported as well.
types = module("imports.types", "imports.tidegate_base_types")
