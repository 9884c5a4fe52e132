"""The issuer over HTTP: its public keys, tokens for the asking, and rotation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from infra.sandbox.issuer.keys import KeyFile
from infra.sandbox.issuer.tokens import DEVELOPMENT_AUDIENCE, VALID_SECONDS, Caller, claims_of

WEEK_SECONDS = 604_800
Word = Annotated[str, Field(min_length=1, max_length=200)]


class TokenBody(BaseModel):
    """Whom the token is for. Negative `seconds_valid` makes one that has expired."""

    model_config = ConfigDict(extra="forbid")

    subject: Word
    roles: Annotated[list[Word], Field(max_length=20)] = []
    audience: Word = DEVELOPMENT_AUDIENCE
    seconds_valid: Annotated[int, Field(ge=-WEEK_SECONDS, le=WEEK_SECONDS)] = VALID_SECONDS


class RotateBody(BaseModel):
    """`forget` also takes the old keys out of what is published."""

    model_config = ConfigDict(extra="forbid")

    algorithm: Literal["EdDSA", "RS256"] = "EdDSA"
    forget: bool = False


def build_app(keys: KeyFile) -> FastAPI:
    app = FastAPI(title="Development issuer", openapi_url=None)

    @app.get("/.well-known/jwks.json")
    async def published_keys() -> dict[str, Any]:
        return {"keys": [key.public() for key in keys.keys]}

    @app.post("/token")
    async def token(body: TokenBody) -> dict[str, Any]:
        caller = Caller(body.subject, tuple(body.roles))
        claims = claims_of(caller, body.seconds_valid, body.audience)
        return {
            "access_token": keys.current.sign(claims),
            "token_type": "Bearer",
            "expires_in": body.seconds_valid,
        }

    @app.get("/token", response_class=PlainTextResponse)
    async def bare_token(subject: Word, role: Annotated[list[Word], Query(max_length=20)]) -> str:
        """Give the token alone, for a shell."""
        return keys.current.sign(claims_of(Caller(subject, tuple(role))))

    @app.post("/control/rotate")
    async def rotate(body: RotateBody) -> dict[str, str]:
        return {"key_id": keys.rotate(body.algorithm, forget=body.forget).key_id}

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
