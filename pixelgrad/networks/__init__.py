"""Networks by name: the bundled one, those of the catalogue once they are fetched, and one's own."""

from pixelgrad.networks.files import Progress
from pixelgrad.networks.lookup import Located, add, facts, find_network, load_network, locate, remove
from pixelgrad.networks.spec import Model, NetworkSpec, is_model
from pixelgrad.networks.store import Check, Record, is_offline, leftovers, pull, pulled, record_of, records, verify

__all__ = [
    "Check",
    "Located",
    "Model",
    "NetworkSpec",
    "Progress",
    "Record",
    "add",
    "facts",
    "find_network",
    "is_model",
    "is_offline",
    "leftovers",
    "load_network",
    "locate",
    "pull",
    "pulled",
    "record_of",
    "records",
    "remove",
    "verify",
]
