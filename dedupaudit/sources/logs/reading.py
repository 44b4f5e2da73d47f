"""Reads the blocks of one file with the built-in profiles and the user's patterns."""

from __future__ import annotations

from dedupaudit.sources.logs.blocks import Block
from dedupaudit.sources.logs.clock import Clock
from dedupaudit.sources.logs.columns import line_within, rendered
from dedupaudit.sources.logs.encodings import MISREAD
from dedupaudit.sources.logs.lines import LineParser
from dedupaudit.sources.logs.own import OwnPatterns
from dedupaudit.sources.logs.protocol import NO_SPAN, LogEvent, LogFile, Span
from dedupaudit.sources.logs.quick import QuickParser, narrowed
from dedupaudit.sources.logs.words import classifier, literals


class Reading:
    """The events of one file's blocks; the blocks may come in any order."""

    def __init__(
        self, file: LogFile, clock: Clock, wanted: frozenset[str] | None, own: OwnPatterns | None = None
    ) -> None:
        self.file, self._clock, self._wanted, self._own = file, clock, wanted, own
        self._literals = literals(wanted)
        self._lossy = False
        self._quick = self._made()

    def events(self, block: Block) -> list[LogEvent]:
        """Return a block's events; what the user's patterns find goes behind what the line says in known words."""
        looked_at = self._looked_at(block)
        events = self._quick.events(looked_at)
        return self._with_own(events, block) if self._own else events

    def lines(self, block: Block, number: int, span: Span) -> tuple[int, bytes]:
        """Return how many events a block has, and those within the span as columns.py has them."""
        if self._own:
            events = self.events(block)
            return len(events), rendered(events, number, span)
        looked_at = self._looked_at(block)
        found = self._quick.lines(looked_at, number)
        kept = found if span == NO_SPAN else [line for line in found if line_within(line, span)]
        return len(found), ("\n".join(kept) + "\n").encode("utf-8") if kept else b""

    def _looked_at(self, block: Block) -> Block:
        """Return the lines that are worth a look, and see that the parser is one for the file's encoding."""
        lossy = self.file.encoding == MISREAD
        if lossy != self._lossy:
            self._lossy, self._quick = lossy, self._made(lossy=lossy)
        return block if self._literals is None or lossy else narrowed(block, self._literals)

    def _made(self, *, lossy: bool = False) -> QuickParser:
        parser = LineParser(classifier(lossy=lossy), self._clock)
        return QuickParser(parser, self._clock, self.file.name, self._wanted)

    def _with_own(self, events: list[LogEvent], block: Block) -> list[LogEvent]:
        hits = self._own.hits(block) if self._own else []
        if not hits:
            return events
        seen = {(event.line, event.event, event.id) for event in events}
        lines = block.text.split(b"\n")
        begins = [0]
        for line in lines:
            begins.append(begins[-1] + len(line) + 1)
        for hit in hits:
            number, offset = block.place(hit.line_index, begins[hit.line_index])
            if (number, hit.event, hit.id) in seen or (self._wanted is not None and hit.event not in self._wanted):
                continue
            seen.add((number, hit.event, hit.id))
            at = self._clock.value(hit.time) if hit.time else self._clock.find(lines[hit.line_index])
            events.append(LogEvent(hit.event, hit.id, at, hit.device, self.file.name, number, offset))
        return sorted(events, key=lambda event: event.line)
