"""The routes of the API, a module a subject."""

from fastapi import APIRouter

from console.api.routes import (
    health,
    keys,
    kinds,
    node_settings,
    results,
    studies,
    study_changes,
    study_search,
    trail,
    trail_streams,
    users,
)

#: Every router, in the order of the documents.
ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    study_search.router,
    studies.router,
    study_changes.router,
    results.of_studies,
    results.router,
    trail.router,
    trail_streams.router,
    users.router,
    keys.router,
    node_settings.router,
    kinds.router,
)
