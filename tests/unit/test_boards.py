"""The board of a batch, rendered once for all who watch it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image2model.jobs.views import Cost, Counts
from image2model.web import board_stream
from image2model.web.board_stream import RenderedBoards
from image2model.web.ui import results
from tests.support.blank_views import BLANK_BATCH


def test_same_view_is_rendered_once():
    """Two hundred watchers of one view get the same bytes; the owner's and a friend's board differ."""
    boards, view = RenderedBoards(), replace(BLANK_BATCH, batch_id="a")
    own = [boards.event(view, shared=False) for _ in range(200)]
    assert all(event is own[0] for event in own)
    assert b"data-shared" in boards.event(view, shared=True)
    assert boards.event(view, shared=False) is own[0]


def test_changed_view_is_rendered_again():
    """The next view of the same batch is shown, also where only time has passed."""
    boards, view = RenderedBoards(), replace(BLANK_BATCH, batch_id="a")
    before = boards.event(view, shared=False)
    assert boards.event(replace(view, seconds_left=40.0), shared=False) != before


def test_few_boards_are_kept(monkeypatch: pytest.MonkeyPatch):
    """The number of rendered boards in memory is bounded."""
    monkeypatch.setattr(board_stream, "MAX_BOARDS", 3)
    boards = RenderedBoards()
    for number in range(10):
        boards.event(replace(BLANK_BATCH, batch_id=str(number)), shared=False)
    assert len(boards._newest) == 3


@pytest.mark.parametrize(("visitor", "own"), [("me", True), ("you", False), ("", False)])
def test_visitor_is_not_in_the_public_view(visitor: str, own: bool):
    """The view recognises the visitor who made the batch, and its public form does not contain the visitor."""
    view = replace(BLANK_BATCH, visitor="me")
    assert view.is_of(visitor) is own
    assert not replace(BLANK_BATCH, visitor="").is_of(visitor)
    assert "visitor" not in view.to_dict()


@pytest.mark.parametrize(
    ("done", "seconds", "cost", "title", "line"),
    [
        (5, 18.4, Cost(0, 0, 0), "5 models", "All done in 18 s"),
        (5, None, Cost(1.5, 1.5, 0), "5 models", "All done · $1.50 spent"),
        (2, 70.0, Cost(1.5, 0.6, 0.9), "2 of 5 made", "$0.60 to $1.50 spent"),
        (0, 70.0, Cost(1.5, 0.0, 0.0), "None of 5 made", "$0.00 spent"),
    ],
)
def test_head_of_a_finished_board(done: int, seconds: float | None, cost: Cost, title: str, line: str):
    """The head says how many models were made, the duration if all were, and the cost."""
    counts = Counts(5, done, 5 - done, 0, 0)
    view = replace(BLANK_BATCH, state="done", counts=counts, seconds_taken=seconds, cost=cost)
    assert results.headline(view) == (title, line)
