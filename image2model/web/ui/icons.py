"""Icons."""

from __future__ import annotations

from markupsafe import Markup


def icon(name: str, kind: str = "") -> Markup:
    """An icon as SVG; `kind` "s" is the small size."""
    return Markup(  # noqa: S704  our own drawings
        f'<svg class="i {kind}" viewBox="0 0 24 24" aria-hidden="true"><path d="{ICONS[name]}"/></svg>'
    )


ICONS = {
    "arrow": "M4 12h15m0 0-5.5-5.5M19 12l-5.5 5.5",
    "bad": "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7.5V13M12 16.2v.2",
    "bin": "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5",
    "blender": "M3 15 13 7H8M13 7l3 2.5M15 10a5 5 0 1 0 .1 0M15 13.5a1.5 1.5 0 1 0 .1 0",
    "close": "M6 6l12 12M18 6 6 18",
    "code": "m8 7-5 5 5 5M16 7l5 5-5 5",
    "crop": "M7 3v14h14M3 7h14v14",
    "cube": "M12 3 4 7.5v9L12 21l8-4.5v-9L12 3ZM4 7.5l8 4.5 8-4.5M12 12v9",
    "dots": "M5 11.3a.7.7 0 1 0 .1 0M12 11.3a.7.7 0 1 0 .1 0M19 11.3a.7.7 0 1 0 .1 0",
    "down": "M6 9.5l6 6 6-6",
    "full": "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
    "grid": "M4 4h6v6H4ZM14 4h6v6h-6ZM4 14h6v6H4ZM14 14h6v6h-6Z",
    "image": "M4 5h16v14H4ZM4 16l4.5-4.5 4 4 2.5-2.5 5 5M15 9.5h.01",
    "keyboard": "M3 7h18v11H3ZM7 11h.01M11 11h.01M15 11h.01M8 14.5h8",
    "link": "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
    "list": "M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01",
    "lock": "M5.5 11h13v9h-13ZM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
    "mesh": "M12 3 4 7.5v9L12 21l8-4.5v-9L12 3ZM12 3v18M4 7.5l16 9M20 7.5l-16 9",
    "moon": "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z",
    "offline": "M3 4l18 17M8.5 15.5a5 5 0 0 1 6-.8M5.5 12a9 9 0 0 1 4-2.3M18.5 12a9 9 0 0 0-4.5-2.4M12 19h.01",
    "pause": "M9 6v12M15 6v12",
    "phone": "M7.5 3h9v18h-9ZM11 18h2",
    "play": "M8 5.5v13l10.5-6.5Z",
    "plus": "M12 5v14M5 12h14",
    "printer": "M5 20h14M8 20v-3h8v3M12 4v5M9.5 4h5v3L12 9.5 9.5 7V4ZM4 14h16",
    "right": "M9.5 6l6 6-6 6",
    "save": "M12 4v12m0 0-4.5-4.5M12 16l4.5-4.5M4.5 20h15",
    "search": "M11 4.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13M16 16l4 4",
    "sliders": "M4 7h10M18 7h2M4 17h4M12 17h8M14 5v4M10 15v4",
    "sun": "M12 9a3 3 0 1 0 .1 0M12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2 2M16.4 16.4l2 2M18.4 5.6l-2 2M7.6 16.4l-2 2",
    "tick": "m5 12.5 4.5 4.5L19 7.5",
    "upload": "M12 16V4m0 0L7.5 8.5M12 4l4.5 4.5M4 15v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3",
    "warn": "M12 4 2.8 19.5h18.4L12 4ZM12 10v4M12 16.8v.2",
}  # fmt: skip
"""Paths of the icons, on a square of 24."""
