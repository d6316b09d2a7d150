"""Keeping decoding to a grammar, with llguidance (https://github.com/guidance-ai/llguidance).

A row of the batch has a matcher, and with it an ending: tokens that would complete its text now. No token is taken
behind which no ending is known that fits in what is left of the row, so no text is cut off before it is whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from torch import Tensor

from latentopt.errors import LatentoptError
from latentopt.t5vae.brackets import balance
from latentopt.t5vae.codec import T5VAECodec
from latentopt_grammar.bounding import bounded
from latentopt_grammar.reasons import reason

ENDINGS = (")", "]", "}", '"', "'", "0", "x")
LIKELY = 6
"""How many of the likeliest tokens are tried before all that the grammar allows is asked for, which takes longer."""
CHOICES = 4
"""How many tokens that the grammar allows are looked at, the likeliest first, before the known ending is taken."""
CLOSE = 2
"""With this little room left behind a token that was refused, the text ends as it can: the decoder would end it so too."""
WANTED = 3
"""Where the decoder would end a text that it has begun, but may not, it is ended as it can in so many tokens or fewer."""
AHEAD, AHEAD_AT_FIRST = 8, 64
"""How many tokens a search for an ending looks at before it takes one: for a row, and for the grammar's shortest text."""
BOUNDS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64, 128, 256)
"""The most characters of a piece, in turn, in the search for a grammar's shortest text; see `latentopt_grammar.bounding`."""
SHORT = 8
"""With so few tokens the text that a first walk finds is short enough."""


@dataclass
class _Row:
    matcher: LLMatcher
    ending: list[int]  # empty once the end token was taken
    room: int  # the tokens it can still hold
    taken: list[int] = field(default_factory=list)


class GrammarConstraint:
    """Texts of a grammar alone: a `latentopt.constraint.Constraint`.

    Endings that are found for one row are tried for the others, so where little room is left a text may depend on its batch.

    Args:
        codec: whose tokens are chosen.
        grammar: as ``LLMatcher.grammar_from_lark``, ``grammar_from_regex`` or ``grammar_from_json_schema`` give it.
        endings: pieces of text that often complete a text of the grammar, the likeliest first. They save a search.

    Raises:
        LatentoptError: when the grammar is broken, or no text of it is found that is short enough for the codec.
    """

    def __init__(self, codec: T5VAECodec, grammar: str, endings: Sequence[str] = ENDINGS) -> None:
        if not isinstance(codec, T5VAECodec):
            raise LatentoptError(f"a grammar needs the tokens of a T5-VAE, which {codec.name!r} is not")
        tokenizer: Any = codec.tokenizer
        self.fingerprint = hashlib.sha256(repr((codec.fingerprint, grammar, tuple(endings))).encode()).hexdigest()[:16]
        self.tokenizer, self.balances = tokenizer, codec.model.config.balance_brackets
        self.vocabulary = from_tokenizer(tokenizer, n_vocab=codec.model.config.vocab_size)
        self.fresh = LLMatcher(self.vocabulary, grammar, log_level=0)
        if self.fresh.is_error():
            raise LatentoptError(f"the grammar is refused: {reason(self.fresh.get_error())}")
        self.end, self.pad = tokenizer.eos_token_id, tokenizer.pad_token_id
        tokens = [tokenizer.decode([token]) for token in range(len(tokenizer))]
        # Decoded texts are one line, so a line break would not come out as the grammar has it.
        self.breaks = {token for token, text in enumerate(tokens) if len(f"{text}.".splitlines()) > 1}
        self.endings = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in endings]
        self.learned: dict[int, list[tuple[list[int], int]]] = {}  # by token, what has completed texts behind it
        self.preferred = self._preference(tokens, endings)
        self.lengths = np.array([len(text) for text in tokens] + [0] * (self.vocabulary.vocab_size - len(tokens)))
        self.mask = allocate_token_bitmask(1, codec.model.config.vocab_size)
        self.rows, self.room = list[_Row](), codec.max_tokens
        self.first = self._shortest(grammar)
        if self.first is None:
            raise LatentoptError(f"no text of the grammar was found that is shorter than {codec.max_tokens} tokens")

    def begin(self, room: int) -> None:
        """See `latentopt.constraint.Constraint`."""
        self.learned.clear()  # so that a batch does not depend on the ones before
        self.rows, self.room = [], room

    def join(self, tokens: Tensor) -> Tensor:
        """See `latentopt.constraint.Constraint`."""
        assert self.first is not None
        taken = [0] * len(tokens)
        for number, ids in enumerate(tokens.tolist()):
            row = _Row(self.fresh.deep_copy(), list(self.first), self.room)
            while taken[number] < len(ids) and row.ending and self._take(row, ids[taken[number]]):
                taken[number] += 1
            self.rows.append(row)
        return torch.tensor(taken, dtype=torch.long)

    def choose(self, scores: Tensor) -> Tensor:
        """See `latentopt.constraint.Constraint`."""
        chosen = scores.argmax(-1, keepdim=True).tolist()
        for position, row in enumerate(self.rows):
            if row.ending and not self._take(row, *chosen[position]):
                if chosen[position] == [self.end] and (closing := self._closing(row)):
                    chosen[position], row.ending = closing, []
                    continue
                if chosen[position] == [self.end] and len(row.ending) <= WANTED and row.room < self.room:
                    chosen[position], row.ending = row.ending, []
                    continue
                token = self._other(row, scores[position], *chosen[position])
                # Off its own way the decoder seldom comes to an end by itself, so it is given less and less room to.
                row.room = max(len(row.ending), row.room // 2)
                chosen[position] = [token]
                if row.room <= CLOSE:
                    chosen[position], row.ending = [token, *row.ending], []
        return torch.tensor(list(zip_longest(*chosen, fillvalue=self.pad)), device=scores.device).T

    def keep(self, rows: Tensor) -> None:
        """See `latentopt.constraint.RowState`."""
        self.rows = [self.rows[row] for row in rows.tolist()]

    def _take(self, row: _Row, token: int) -> bool:
        """Go on with a token, where the grammar allows it and an ending fits in the room behind it."""
        if token in self.breaks or not row.matcher.try_consume_tokens([token]):
            return False
        if token == self.end:
            row.ending = []
            return True
        ending = self._ending(row, token)
        if ending is None:
            row.matcher.rollback(1)
            return False
        row.ending, row.room = ending, row.room - 1
        row.taken.append(token)
        return True

    def _closing(self, row: _Row) -> list[int] | None:
        """What closes all that is open in a row and ends it, of a codec that does so itself, where the grammar allows it."""
        if not self.balances:
            return None
        text = self.tokenizer.decode(row.taken)
        closed = balance(text)
        ids = self.tokenizer(closed.removeprefix(text), add_special_tokens=False)["input_ids"]
        whole = [*ids, self.end]
        fits = closed.startswith(text) and len(whole) <= row.room
        return whole if fits and row.matcher.validate_tokens(whole) == len(whole) else None

    def _other(self, row: _Row, scores: Tensor, refused: int) -> int:
        """The likeliest token but one that can be taken; failing that the next one of the ending, which always can."""
        if row.room > len(row.ending) and not row.matcher.is_error():
            for token in scores.topk(min(LIKELY, len(scores))).indices.tolist():
                if token != refused and self._take(row, token):
                    return int(token)
            allowed = torch.from_numpy(self._allowed(row.matcher)).to(scores.device)
            best = scores.masked_fill(~allowed, -torch.inf).topk(CHOICES)
            for token, score in zip(best.indices.tolist(), best.values.tolist(), strict=True):
                if score > -torch.inf and self._take(row, token):
                    return int(token)
        token, row.ending, row.room = row.ending[0], row.ending[1:], row.room - 1
        row.matcher.try_consume_tokens([token])
        row.taken.append(token)
        return token

    def _allowed(self, matcher: LLMatcher) -> np.ndarray:
        """The tokens that may come next, (vocabulary,) bool."""
        fill_next_token_bitmask(matcher, self.mask)
        bits = np.unpackbits(self.mask.view(np.uint8), bitorder="little", count=self.vocabulary.vocab_size)
        return bits.astype(bool)

    def _ending(self, row: _Row, token: int) -> list[int] | None:
        """How the text could end behind a token just taken: a piece, and what is left of how it could end before."""
        room = row.room - 1
        if row.matcher.is_accepting():
            return [self.end] if room else None

        def fitting(piece: list[int], taken: int) -> list[int] | None:
            whole = [*piece, *row.ending[taken:]]
            fits = taken < len(row.ending) and len(whole) <= room
            return whole if fits and row.matcher.validate_tokens(whole) == len(whole) else None

        known = self.learned.setdefault(token, [])
        for piece, taken in reversed(known):
            if ending := fitting(piece, taken):
                return ending
        for piece in ([], *self.endings):
            if piece and row.matcher.validate_tokens(piece) < len(piece):
                continue
            for taken in range(len(row.ending)):
                if ending := fitting(piece, taken):
                    known.append((piece, taken))
                    return ending
        # Hardly anything but a piece is shorter than what was needed before.
        return self._search(row.matcher, room) if room > len(row.ending) else None

    def _shortest(self, grammar: str) -> list[int] | None:
        """The shortest text that is found: by a walk, and where that is long, by walks through grammars of short pieces."""
        found = self._search(self.fresh, self.room, AHEAD_AT_FIRST)
        for length in BOUNDS:
            if found and len(found) <= SHORT:
                break
            walker = LLMatcher(self.vocabulary, bounded(grammar, length), log_level=0)
            path = None if walker.is_error() else self._search(walker, self.room, AHEAD_AT_FIRST)
            # A bounded piece may be another kind of text: what counts is what the grammar itself takes.
            if path and self.fresh.validate_tokens(path) == len(path):
                return path if found is None else min(path, found, key=len)
        return found

    def _search(self, matcher: LLMatcher, room: int, ahead: int = AHEAD) -> list[int] | None:
        """A walk to the end of the text by preference; failing that, by what each token would lead to."""
        for look_ahead in (False, True):
            walker, path = matcher.deep_copy(), list[int]()
            cost, seen = np.zeros(self.vocabulary.vocab_size), Counter[bytes]()
            while len(path) < room and not walker.is_error():
                if walker.is_accepting():
                    return [*path, self.end]
                allowed = self._allowed(walker)
                allowed[[self.end, *self.breaks]] = False
                if not allowed.any():
                    break
                seen[allowed.tobytes()] += 1
                # Where nearly all is allowed, the walk is inside a quotation.
                order = np.where(allowed, self.preferred[int(allowed.mean() > 0.5)] + cost, np.inf)
                if look_ahead:
                    tried = np.argsort(order + 10_000 * (self.lengths > 1))[: min(ahead, allowed.sum())]
                    token = int(min(tried, key=lambda token: self._progress(walker, int(token), seen)))
                else:
                    token = int(order.argmin())
                    cost[token] += len(self.endings)  # so that it does not stay in one place
                path.append(token)
                walker.try_consume_tokens([token])
        return None

    def _progress(self, walker: LLMatcher, token: int, seen: Counter[bytes]) -> int:
        """How often the walk was where this token leads, by what is allowed there; -1 at an end."""
        ahead = walker.deep_copy()
        ahead.try_consume_tokens([token])
        allowed = self._allowed(ahead)
        allowed[[self.end, *self.breaks]] = False
        return -1 if ahead.is_accepting() else seen[allowed.tobytes()]

    def _preference(self, tokens: list[str], endings: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The rank of each token on a walk, outside of quotations and within: pieces of endings, then long ones."""
        outside = np.full(self.vocabulary.vocab_size, 1000.0)
        for token, text in enumerate(tokens):
            if text in endings:
                outside[token] = endings.index(text)
            elif text.strip():
                outside[token] = 500 - len(text)
        inside = outside.copy()
        inside[[token for token, text in enumerate(tokens) if text in ('"', "'")]] = -1
        return outside, inside
