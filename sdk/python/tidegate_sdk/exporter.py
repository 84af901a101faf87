"""Exporters: the journal's entries on their way out."""

from . import _world
from ._plugin import Served, half
from ._world import record

_exporter = _world.module("exports.exporter")


class Batch:
    """Entries that follow each other without a gap."""

    def __init__(self, wire):
        self.log = wire.log
        self.first_seq = wire.first_seq
        self.encoding = wire.encoding
        self.data = wire.data
        self.ends = wire.ends
        self.attempt = wire.attempt

    def __len__(self):
        return len(self.ends)

    def entries(self):
        """The entries as pairs of sequence number and bytes, without their line feeds."""
        start = 0
        for at, end in enumerate(self.ends):
            yield self.first_seq + at, self.data[start:end].rstrip(b"\n")
            start = end

    def all(self):
        """The number of the last entry: what to return when all of it was taken."""
        return self.first_seq + len(self.ends) - 1


def serve(plugin_class, **description):
    """Exports a class with `deliver(batch)`, which returns the number of the last entry that was
    taken, or a pair of it and rejected entries as (number, reason); and `probe()`.

    Returns the two classes that the module must have as `Plugin` and `Exporter`.
    """
    served = Served(plugin_class)

    class Exporter(_world.protocol("Exporter")):
        def deliver(self, batch):
            taken = served.call(lambda plugin: plugin.deliver(Batch(batch)))
            through, rejects = taken if isinstance(taken, tuple) else (taken, ())
            rejects = [record(_exporter, "Reject", seq=seq, reason=reason) for seq, reason in rejects]
            return record(_exporter, "Ack", through_seq=through, rejects=rejects)

        def probe(self):
            served.call(lambda plugin: plugin.probe())

    return half(served, **description), Exporter
