"""The ASGI application: routes, each with and without `/v1`, between the error table and the id."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from vivavoce import __version__
from vivavoce.api import errors
from vivavoce.api.catalog import catalog_router
from vivavoce.api.clone import CLONE_PATH, clone_router
from vivavoce.api.consents import CONSENTS_PATH, consents_router
from vivavoce.api.health import health_router
from vivavoce.api.keys import KeyGuard
from vivavoce.api.live.route import live_router
from vivavoce.api.middleware import BodyLimit, RequestContext
from vivavoce.api.operation import operation_router
from vivavoce.api.page import page_router
from vivavoce.api.pages import PageGuard
from vivavoce.api.plain_streams import plain_streams_router
from vivavoce.api.pronunciations import pronunciations_router
from vivavoce.api.speech import speech_router
from vivavoce.api.speech_plan import speech_plan_router
from vivavoce.api.timestamps import timestamps_router
from vivavoce.api.voices import IMPORT_PATH, VOICES_PATH, voices_router
from vivavoce.service.consents import Consents
from vivavoce.service.voice_maker import VoiceMaker, VoiceRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.keys import KeyRing
    from vivavoce.service.speech import SpeechService


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Who may call: holders of keys (None: everybody), which web pages, by which names."""

    keys: KeyRing | None = None
    public_lists: bool = False
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()


def create_app(
    service: SpeechService,
    limits: ApiLimits,
    access: ApiAccess,
    *,
    voice_rules: VoiceRules | None = None,
    gpus: tuple[str, ...] = (),
    preload: bool = False,
    beside: AbstractAsyncContextManager[object] | None = None,
) -> FastAPI:
    """Return the application; its start starts the service, its shutdown closes it.

    `beside` is another server of the same service: entered when this one starts, left before the
    service is closed.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start(preload=preload)
        async with beside or nullcontext():
            yield
        await service.close()

    app = FastAPI(
        title="vivavoce",
        version=__version__,
        summary="Speech for any OpenAI client",
        lifespan=lifespan,
        # The interactive pages load scripts from elsewhere; /openapi.json needs nobody.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    errors.install(app)
    app.include_router(page_router())
    app.include_router(health_router(service, gpus))
    maker = VoiceMaker(service, voice_rules or VoiceRules())
    consents = Consents(service.studio.voice_store, maker)
    routers = (
        (speech_router(service, limits), "audio"),
        (timestamps_router(service, limits), "audio"),
        (plain_streams_router(service, limits), "audio"),
        (live_router(service, limits), "audio"),
        (clone_router(service, limits), "audio"),
        (voices_router(service, maker, limits), "voices"),
        (consents_router(consents), "voices"),
        (speech_plan_router(service, limits), "audio"),
        (pronunciations_router(service.pronunciations), "audio"),
        (operation_router(service), "operation"),
        (catalog_router(service.models), "catalog"),
    )
    for router, tag in routers:
        app.include_router(router, prefix="/v1", tags=[tag])
        app.include_router(router, include_in_schema=False)
    app.add_api_route("/v1", lambda: {"name": "vivavoce"}, include_in_schema=False)
    # By this answer wyoming-openai knows a server that lists its voices.
    app.add_api_route("/v1/test", lambda: {"status": "ok"}, include_in_schema=False)
    # Added last is outermost: every answer passes RequestContext.
    app.add_middleware(
        BodyLimit,
        max_bytes=limits.max_body_bytes,
        uploads=dict.fromkeys(
            (CLONE_PATH, VOICES_PATH, IMPORT_PATH, CONSENTS_PATH), limits.max_upload_bytes
        ),
        timeout_s=limits.receive_timeout_s,
    )
    app.add_middleware(
        KeyGuard,
        ring=access.keys,
        public_lists=access.public_lists,
        on_refused=lambda key, reason: service.metrics.key_refused.labels(key, reason).inc(),
    )
    app.add_middleware(PageGuard, origins=access.cors_origins, hosts=access.allowed_hosts)
    if access.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(access.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    app.add_middleware(RequestContext)
    app.openapi = _with_error_schema(app)  # type: ignore[method-assign]
    return app


def _with_error_schema(app: FastAPI) -> Any:
    """Add OpenAI's error shape to the description; no handler declares it as a model."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        schema = describe()
        text_or_null = {"anyOf": [{"type": "string"}, {"type": "null"}]}
        error = {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": text_or_null,
                "code": text_or_null,
            },
        }
        schema.setdefault("components", {}).setdefault("schemas", {})["ErrorBody"] = {
            "type": "object",
            "required": ["error"],
            "properties": {"error": error},
        }
        return schema

    return openapi
