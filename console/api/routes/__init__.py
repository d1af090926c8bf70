"""The routes of the API, a module a subject."""

from fastapi import APIRouter

from console.api.routes import (
    dead_letters,
    destinations,
    figures,
    health,
    keys,
    kinds,
    models,
    node_settings,
    queues,
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
    models.router,
    destinations.router,
    queues.router,
    dead_letters.router,
    figures.router,
    trail.router,
    trail_streams.router,
    users.router,
    keys.router,
    node_settings.router,
    kinds.router,
)
