"""The routes of the API, a module a subject."""

from fastapi import APIRouter

from console.api.routes import health, kinds, studies

#: Every router, in the order of the documents.
ROUTERS: tuple[APIRouter, ...] = (health.router, studies.router, kinds.router)
