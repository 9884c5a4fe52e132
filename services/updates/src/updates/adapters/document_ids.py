"""The ids of documents that are named by several names; what is stored once keeps its form."""


def joined_id(*names: str) -> str:
    """Return a document's id: no two lists of names give the same, whatever is in them."""
    return "|".join(name.replace("%", "%25").replace("|", "%7C") for name in names)


def plain_id(*names: str) -> str:
    """Return a document's id in the form of the collections that are older than `joined_id`.

    Unambiguous as long as no name but the last has a bar in it: a person's id may, and stands last.
    """
    return "|".join(names)
