"""How the page looks: Gradio's variables here, everything of our own in `static/page.css`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import gradio as gr
from gradio.themes import Base, Color, sizes

CLAY = Color(
    "#fdf5f1", "#fae5db", "#f4c9b6", "#eba488", "#df7c57", "#cf5b33", "#b94720", "#983818", "#762c14", "#552010",
    "#33130a", name="clay",
)  # fmt: skip
STONE = Color(
    "#faf9f7", "#f3f1ee", "#e6e2dd", "#d3cdc6", "#a8a097", "#6c655d", "#5b554e", "#46413b", "#2c2926", "#1d1b19",
    "#131211", name="stone",
)  # fmt: skip
SCRIPTS = [
    (Path(__file__).parent / "static" / f"{name}.js").read_text() for name in ("answers", "draft", "radios", "tabs")
]
HEAD = "".join((
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    *(f"<script>{script}</script>" for script in SCRIPTS),
))  # fmt: skip

html = partial(gr.HTML, apply_default_css=False)
"""Our own HTML, styled by `static/page.css` alone."""


def theme() -> Base:
    """Warm greys, one accent, the system's own fonts: nothing is loaded from elsewhere."""
    sans = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
    return gr.themes.Base(
        primary_hue=CLAY, secondary_hue=CLAY, neutral_hue=STONE,
        font=sans, font_mono=mono, radius_size=sizes.radius_lg, spacing_size=sizes.spacing_md,
    ).set(
        body_background_fill="*neutral_50", body_background_fill_dark="*neutral_950",
        background_fill_primary="white", background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50", background_fill_secondary_dark="*neutral_950",
        block_background_fill="white", block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200", block_border_color_dark="*neutral_800",
        block_label_background_fill="white", block_label_background_fill_dark="*neutral_900",
        block_radius="14px", container_radius="14px", button_large_radius="12px", button_medium_radius="10px",
        block_shadow="none", block_shadow_dark="none",
        block_title_text_weight="600", block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        body_text_color="*neutral_800", body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400",
        border_color_primary="*neutral_200", border_color_primary_dark="*neutral_800",
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600", button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white", button_primary_text_color_dark="white",
        button_secondary_background_fill="white", button_secondary_background_fill_dark="*neutral_800",
        button_secondary_border_color="*neutral_300", button_secondary_border_color_dark="*neutral_700",
        button_large_text_weight="600",
        input_border_width="1px", input_radius="10px",
        input_background_fill="white", input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300", input_border_color_dark="*neutral_700",
        color_accent_soft="*primary_50", color_accent_soft_dark="*primary_950",
    )  # fmt: skip
