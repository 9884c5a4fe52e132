"""What is read out of a database is read as the release after this one may have written it."""

import ast

from tests.structure.repository import tracked_files

OFFENDER = "def word_from(row):\n    return Word(**row['word'])\n"


def unpacked(source: str) -> list[str]:
    """Return the calls of classes that take whatever a mapping has, which is an error for more."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [
        ast.unparse(call)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id[0].isupper()
        and any(keyword.arg is None for keyword in call.keywords)
    ]


def test_documents_are_read_by_the_fields_that_are_known() -> None:
    """Both releases run on one database: a field more must not break the one before (`read_as`)."""
    assert unpacked(OFFENDER) == ["Word(**row['word'])"]
    adapters = [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.parts[-2] == "adapters" and "src" in path.parts
    ]
    assert len(adapters) > 4 * 5
    found = {path.name: calls for path in adapters if (calls := unpacked(path.read_text()))}
    assert found == {}
