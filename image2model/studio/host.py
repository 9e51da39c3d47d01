"""The use cases of the host: what goes on, what it costs, what may go from the disk."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..batches import money
from ..batches.desk import Desk
from ..batches.folders import Folders
from ..batches.runner import Runner
from ..batches.store import SpendingBy
from ..errors import NotFound
from ..generators.base import Generator
from ..settings import Settings

HOUR = 3600.0
ATTENTION: Mapping[str, tuple[str, str]] = {
    "key_refused": ("fal refuses the host's key, or does not let it run a model.", "Check FAL_KEY."),
    "balance_exhausted": ("The host's fal account has no credit left.", "Top up at fal.ai/dashboard/billing."),
    "account_locked": ("fal has locked the host's account.", "Ask fal's support why."),
}
"""What only the host can mend, by the code of the failures that tell of it: a sentence and the next step."""
UNCOLLECTED = ("fal does not let the host's key collect what it has paid for.", "Check FAL_KEY. Nothing is lost yet.")


class Host:
    """One studio's, as `Studio.host`; rights are the caller's to check."""

    def __init__(
        self, settings: Settings, generators: Mapping[str, Generator], folders: Folders, desk: Desk, runner: Runner
    ) -> None:
        self._settings, self._generators = settings, generators
        self._folders, self._desk, self._runner = folders, desk, runner

    async def overview(self) -> dict[str, Any]:
        """For the host: counts of batches and jobs by state, money, outcomes of 24 hours, breakers, disk (bytes).

        Money is of the host's key, in US dollars: spent, or perhaps to be asked for, today and this month (UTC).
        `attention` lists what only the host can mend (see there); it is empty when all is well.
        """
        now = time.time()
        used = await asyncio.to_thread(_size, self._folders.data)
        disk = shutil.disk_usage(self._folders.data)
        return {
            "counts": await self._desk.call(self._desk.store.counts),
            "data_bytes": used,
            "disk_free_bytes": disk.free,
            "disk_total_bytes": disk.total,
            "spent_today": await self._desk.call(self._desk.store.spent, money.day_start(now)),
            "spent_this_month": await self._desk.call(self._desk.store.spent, money.month_start(now)),
            "daily_budget": self._settings.daily_budget,
            "outcomes": await self._desk.call(self._desk.store.outcomes, now - money.DAY),
            "breakers": self._runner.breakers(),
            "attention": await self.attention(now),
        }

    async def attention(self, now: float) -> list[dict[str, Any]]:
        """What only the host can mend at fal: key refused, balance exhausted, account locked, results held back.

        Each entry has `code`, `message` and `hint` (plain words), `count` (pictures) and `last_seen` (since 1970).
        It is of the last 24 hours, and goes away when fal has taken a picture on the host's key again.
        """
        refused = await self._desk.call(self._desk.store.refusals, tuple(ATTENTION), now - money.DAY)
        found = [_entry(row["code"], ATTENTION[row["code"]], row["count"], row["last_seen"]) for row in refused]
        waiting = await self._desk.call(self._desk.store.waiting_for, "collect_refused")
        return [*found, _entry("collect_refused", UNCOLLECTED, waiting, now)] if waiting else found

    def reset_breaker(self, generator: str) -> None:
        """Let jobs pass to a generator again at once; raises NotFound."""
        if generator not in self._generators:
            raise NotFound("generator_unknown", f"There is no generator called {generator!r}.")
        self._runner.breaker(generator).reset()

    async def spending(self, by: SpendingBy, since: float = 0.0) -> list[dict[str, Any]]:
        """The ledger (`Store.spending`), for the host."""
        return await self._desk.call(self._desk.store.spending, by, since)

    async def sweep(self) -> int:
        """Remove what nobody owns: batch folders without a row, uploads that no batch took; return how many."""
        known = await self._desk.call(self._desk.store.ids)
        orphans = await asyncio.to_thread(self._folders.sweep, known)
        return orphans + await asyncio.to_thread(self._folders.sweep_uploads, 24 * HOUR)


def _entry(code: str, words: tuple[str, str], count: int, last_seen: float) -> dict[str, Any]:
    message, hint = words
    return {"code": code, "message": message, "hint": hint, "count": count, "last_seen": last_seen}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
