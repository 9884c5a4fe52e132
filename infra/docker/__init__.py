"""Images of the suite, and an engine that builds and runs them where the machine has none."""

from infra.docker.engine import Engine, EngineUnavailable, engine_in_use
from infra.docker.images import build_images, image_of

__all__ = ["Engine", "EngineUnavailable", "build_images", "engine_in_use", "image_of"]
