"""The limit of requests: who is too fast is told so, and nothing is done."""

from infra.sandbox.provider.client import SandboxClient
from infra.sandbox.provider.limit import Limit


def test_no_more_are_taken_than_the_limit_gives() -> None:
    """A second's worth at once, then as many a second, whatever comes."""
    now = [0.0]
    limit = Limit(lambda: now[0])
    assert all(limit.refusal(0) is None for _ in range(500))
    limit.taken = 0
    for _ in range(1_000):
        limit.refusal(20)
        now[0] += 0.01
    assert 195 <= limit.taken <= 221 and limit.taken + limit.turned_away == 1_000
    assert limit.refusal(0) is None


async def test_a_request_too_many_is_turned_away(client: SandboxClient) -> None:
    """429 with the time to wait; the same key goes through later, and control is not counted."""
    await client.change_settings(requests_per_second=1)
    parameters = {"amount": 500, "currency": "eur"}
    answers = [await client.post("/v1/topups", parameters, key=str(n)) for n in range(50)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (refused.headers["Retry-After"], refused.json()["error"]["code"]) == ("1", "rate_limit")
    counts = (await client.book())["requests"]
    assert counts["turned_away"] == sum(answer.status_code == 429 for answer in answers)
    await client.change_settings(requests_per_second=0)
    again = [await client.post("/v1/topups", parameters, key=str(n)) for n in range(50)]
    assert {answer.status_code for answer in again} == {200}
    assert (await client.get("/v1/balance")).json()["available"][0]["amount"] == 50 * 500
