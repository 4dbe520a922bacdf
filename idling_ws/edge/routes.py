"""Every route, one line each."""

from __future__ import annotations

from aiohttp import web

from idling_ws.edge import (
    admin,
    analytics,
    browser_errors,
    devices,
    docs,
    emojis,
    events,
    files,
    health,
    inspector,
    login,
    notifications,
    rest,
    sign_in,
)
from idling_ws.edge.pages import TOP_LEVEL, Pages, static_dir
from idling_ws.edge.upgrade import open_socket


def add_routes(app: web.Application) -> None:
    """Put all routes on ``app``."""
    pages = Pages(static_dir())
    get, post, patch = app.router.add_get, app.router.add_post, app.router.add_patch

    # A HEAD must open neither a socket nor a stream.
    get("/ws", open_socket, allow_head=False)

    post("/api/mutations", rest.post_mutations)
    get("/api/mutations", inspector.list_mutations)
    get("/api/snapshot", rest.get_snapshot)
    get("/api/events", events.get_events, allow_head=False)
    post("/api/sessions/create", rest.create_session)
    post("/api/sessions/heartbeat", rest.heartbeat_session)
    post("/api/sessions/end", rest.end_session)
    post("/api/sessions/pause", rest.pause_session)
    post("/api/sessions/resume", rest.resume_session)
    get("/api/sessions", rest.list_sessions)
    get("/api/sessions/active", rest.active_session)
    get("/api/lobby", rest.get_lobby)
    get("/api/profile", rest.get_profile)
    patch("/api/profile", rest.patch_profile)
    get("/api/preferences", rest.get_preferences)
    patch("/api/preferences", rest.patch_preferences)
    get("/api/users/{id}", rest.get_user)

    get("/api/notifications", notifications.list_notifications)
    post("/api/notifications/read", notifications.mark_read)
    get("/api/push/key", notifications.get_push_key)
    get("/api/announcements", notifications.list_announcements)
    get("/api/notices", notifications.list_notices)

    get("/api/emojis/categories", emojis.get_categories)
    get("/api/emojis/categories/{id}", emojis.get_category)
    get("/api/emojis/search", emojis.search)
    get("/api/emojis/favorites", emojis.get_favorites)
    app.router.add_put("/api/emojis/favorites/{emoji}", emojis.put_favorite)
    app.router.add_delete("/api/emojis/favorites/{emoji}", emojis.delete_favorite)
    post("/api/emojis/usage", emojis.post_usage)
    get("/api/emojis/usage", emojis.get_usage)
    get("/api/emojis/popular", emojis.get_popular)
    get("/api/analytics/overview", analytics.get_overview)
    get("/api/analytics/emojis", analytics.get_emojis)
    get("/api/analytics/errors", analytics.get_errors)
    get("/api/analytics/me", analytics.get_own)

    post("/api/errors/browser", browser_errors.post_browser_errors)
    app[browser_errors.TOLD] = browser_errors.Told()

    post("/api/emojis/custom", files.post_custom)
    get("/api/emojis/custom", files.list_custom)
    get("/files/{digest}", files.get_file)

    post("/auth/guest", login.post_guest)
    post("/auth/token", login.post_token)
    post("/auth/refresh", login.post_refresh)
    get("/auth/providers", sign_in.get_providers)
    get("/auth/login/{provider}", sign_in.get_login, allow_head=False)
    get("/auth/callback/{provider}", sign_in.get_callback, allow_head=False)
    post("/auth/logout", devices.post_logout)
    post("/auth/logout-everywhere", devices.post_logout_everywhere)
    get("/api/devices", devices.list_devices)
    app.router.add_delete("/api/devices/{id}", devices.delete_device)
    get("/.well-known/jwks.json", login.get_jwks)

    get("/healthz", health.healthz)
    get("/readyz", health.readyz)
    get("/metrics", health.metrics)
    get("/version", health.version)

    get("/api/admin/instances", admin.list_instances)
    get("/api/admin/users", admin.find_users)
    get("/api/admin/users/{id}", admin.get_user)
    get("/api/admin/users/{id}/entries", admin.list_entries)
    post("/api/admin/users/{id}/disconnect", admin.disconnect)

    get("/api/openapi.json", docs.get_openapi)
    get("/api/asyncapi.json", docs.get_asyncapi)
    api_pages = docs.Docs(pages)
    get("/api/docs", api_pages.page)
    get("/api/docs/{name}", api_pages.file)

    get("/", pages.index)
    get("/inspector", inspector.Inspector(pages).get)
    get("/admin", admin.AdminPage(pages).get)
    for name in TOP_LEVEL:
        get(f"/{name}", pages.top)
    get("/static/{path:.+}", pages.static)
