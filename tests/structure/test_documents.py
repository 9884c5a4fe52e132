"""What is read out of a database is read as the release after this one may have written it."""

import ast

from tests.structure.repository import tracked_files

OFFENDER = "def word_from(row):\n    return Word(**row['word'])\n"
# Documents are read there, and payloads of work, which are documents too.
READERS = ("adapters", "handlers", "servicekit")
# What is given to a library is no document.
OPTIONS = "client_options()"


def unpacked(source: str) -> list[str]:
    """Return the calls of classes that take whatever a mapping has, which is an error for more."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [
        ast.unparse(call)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id[0].isupper()
        and any(
            keyword.arg is None and not ast.unparse(keyword.value).endswith(OPTIONS)
            for keyword in call.keywords
        )
    ]


def test_documents_are_read_by_the_fields_that_are_known() -> None:
    """Both releases run on one database: a field more must not break the one before (`read_as`)."""
    assert unpacked(OFFENDER) == ["Word(**row['word'])"]
    readers = [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.parts[-2] in READERS and "src" in path.parts
    ]
    assert {path.parts[-2] for path in readers} == set(READERS) and len(readers) > 4 * 15
    found = {path.name: calls for path in readers if (calls := unpacked(path.read_text()))}
    assert found == {}
