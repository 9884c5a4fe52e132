"""Form parameters as Stripe encodes them: `amount=1`, `metadata[key]=value`, `list[]=a`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from infra.sandbox.provider.errors import malformed

AMOUNT_MAXIMUM = 900_000_000
# One string, split: a line per currency would bury the rules.
CURRENCY_NAMES = (
    "aud bgn bhd brl cad chf czk dkk eur gbp hkd huf isk jod jpy kwd mxn nok nzd pln ron sek sgd "
    "tnd usd"
)
CURRENCIES = frozenset(CURRENCY_NAMES.split())
INTEGER = re.compile(r"[0-9]{1,12}")
LIST_LIMIT_DEFAULT = 10
LIST_LIMIT_MAXIMUM = 100


class Page(NamedTuple):
    limit: int
    starting_after: str | None
    ending_before: str | None


class Parameters:
    """One request's parameters, read by name; each reader raises `ApiError` (400) when refused."""

    def __init__(self, pairs: Collection[tuple[str, str]]) -> None:
        self.pairs = tuple(pairs)
        self.values: Mapping[str, str] = dict(self.pairs)

    @classmethod
    def decode(cls, encoded: bytes) -> Parameters:
        try:
            text = encoded.decode("ascii")
            return cls(parse_qsl(text, keep_blank_values=True, errors="strict"))
        except (UnicodeDecodeError, ValueError) as error:
            raise malformed("parameter_invalid", "The parameters are not form-encoded.") from error

    def refuse_unknown(self, allowed: Collection[str]) -> None:
        for name in self.values:
            if name.split("[", 1)[0] not in allowed:
                raise malformed("parameter_unknown", f"Received unknown parameter: {name}", name)

    def optional(self, name: str) -> str | None:
        value = self.values.get(name)
        if value == "":
            raise malformed("parameter_invalid_empty", f"{name} may not be empty.", name)
        return value

    def required(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise malformed("parameter_missing", f"Missing required param: {name}.", name)
        return value

    def optional_amount(self) -> int | None:
        value = self.optional("amount")
        if value is None:
            return None
        if not INTEGER.fullmatch(value) or not 0 < int(value) <= AMOUNT_MAXIMUM:
            raise malformed("parameter_invalid_integer", f"Invalid amount: {value}", "amount")
        return int(value)

    def amount(self) -> int:
        self.required("amount")
        amount = self.optional_amount()
        assert amount is not None
        return amount

    def currency(self) -> str:
        value = self.required("currency")
        if value not in CURRENCIES:
            raise malformed("invalid_currency", f"Invalid currency: {value}", "currency")
        return value

    def group(self, name: str) -> dict[str, str]:
        """`name[key]=value` as a dict; an empty value removes the key, as at Stripe."""
        found = {}
        for full, value in self.values.items():
            if full.startswith(f"{name}[") and full.endswith("]") and value != "":
                found[full[len(name) + 1 : -1]] = value
        return found

    def metadata(self) -> dict[str, str]:
        found = self.group("metadata")
        if len(found) > 50 or any(len(k) > 40 or len(v) > 500 for k, v in found.items()):
            raise malformed("parameter_invalid", "Too much metadata: 50 × 40/500.", "metadata")
        return found

    def listed(self, name: str) -> list[str]:
        return [value for full, value in self.pairs if full.startswith(f"{name}[")]

    def page(self) -> Page:
        limit = self.values.get("limit", str(LIST_LIMIT_DEFAULT))
        if not INTEGER.fullmatch(limit) or not 1 <= int(limit) <= LIST_LIMIT_MAXIMUM:
            raise malformed("parameter_invalid_integer", "limit must be 1 to 100.", "limit")
        return Page(int(limit), self.optional("starting_after"), self.optional("ending_before"))
