"""Gradio's own variables, set to the page's tokens (`static/css/tokens.css`), so that its components look like ours."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
from gradio.themes import Base, Color, sizes

CLAY = Color(
    "#fcefe9", "#f8dccf", "#f2bda6", "#f0835a", "#d9653a", "#c4532a", "#b5431c", "#98350f", "#76290c", "#521d09",
    "#37211a", name="clay",
)  # fmt: skip
STONE = Color(
    "#f9fafb", "#f3f4f6", "#e2e5e9", "#c9ced6", "#878e98", "#626973", "#4d545d", "#34393f", "#272b30", "#17191c",
    "#0f1113", name="stone",
)  # fmt: skip
SANS = ("Inter", "ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
SAME_IN_DARK: dict[str, Any] = {
    "body_background_fill": "var(--canvas)",
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--ink-2)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--canvas)",
    "block_background_fill": "var(--surface)",
    "block_border_color": "var(--line)",
    "block_label_background_fill": "var(--surface)",
    "block_label_text_color": "var(--ink-2)",
    "block_title_text_color": "var(--ink)",
    "block_info_text_color": "var(--ink-2)",
    "block_shadow": "none",
    "border_color_accent": "var(--accent)",
    "border_color_primary": "var(--line)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent-hover)",
    "button_primary_text_color": "var(--on-accent)",
    "button_secondary_background_fill": "var(--raised)",
    "button_secondary_background_fill_hover": "var(--hover)",
    "button_secondary_border_color": "var(--line)",
    "button_secondary_text_color": "var(--ink)",
    "checkbox_background_color": "var(--surface)",
    "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--edge)",
    "color_accent": "var(--accent)",
    "color_accent_soft": "var(--accent-soft)",
    "error_background_fill": "var(--bad-soft)",
    "error_text_color": "var(--bad)",
    "input_background_fill": "var(--surface)",
    "input_border_color": "var(--edge)",
    "input_placeholder_color": "var(--ink-3)",
    "link_text_color": "var(--accent-ink)",
    "link_text_color_hover": "var(--accent-ink)",
    "panel_background_fill": "var(--surface)",
    "slider_color": "var(--accent)",
}
"""The app's CSS variables, which have dark values of their own."""

html = partial(gr.HTML, apply_default_css=False, elem_classes="ours")
"""A gr.HTML, styled by the app's style sheets only."""


def theme() -> Base:
    """One accent, one typeface that the app serves itself; nothing is loaded from elsewhere."""
    both = {**SAME_IN_DARK, **{f"{name}_dark": value for name, value in SAME_IN_DARK.items() if name != "color_accent"}}
    return gr.themes.Base(
        primary_hue=CLAY, secondary_hue=CLAY, neutral_hue=STONE,
        font=SANS, font_mono=MONO, radius_size=sizes.radius_lg, spacing_size=sizes.spacing_md,
    ).set(
        **both, block_radius="12px", container_radius="12px", block_title_text_weight="550",
        button_large_radius="12px", button_medium_radius="8px", button_small_radius="8px",
        button_large_text_weight="550", button_medium_text_weight="550",
        input_border_width="1px", input_radius="8px",
    )  # fmt: skip
