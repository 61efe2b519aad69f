"""The way of bytes through a connection: into requests, and their answers out.

Held against h11, another parser: a request that both read is the same request.
Cut at other places, the same bytes are the same requests. Every answer can be
read by a client, each belongs to its request, and a connection that waits for
its client has a time limit.
"""

from __future__ import annotations

import functools

import h11

from tests.fuzz.wire import Exchange, Loop, Message, small_bounds

MOST_PIECES = 40
# What our connection drops or rewrites of a request to upgrade.
OF_AN_UPGRADE = (b"connection", b"upgrade")


def check(data: bytes) -> None:
    """Send `data[2:]` at once and in pieces; the first two bytes say how it is answered, bounded and cut."""
    if len(data) < 3:
        return
    early, size, stream = bool(data[0] & 1), 1 + data[1] % 97, bytes(data[2:])
    cut = [stream[start : start + size] for start in range(0, min(len(stream), size * MOST_PIECES), size)]
    with small_bounds(bool(data[0] & 2)):
        exchanges = [_exchange(pieces, early) for pieces in ([stream], [*cut, stream[size * MOST_PIECES :]])]
    expected = by_h11(stream)
    for exchange in exchanges:
        _same(exchange.messages, exchanges[0].messages)
        _same(exchange.messages, expected, early=early)
        _answers_fit(exchange)


def by_h11(stream: bytes) -> list[Message]:
    """Return the requests that h11 reads, up to the first that it refuses."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    found: list[Message] = []
    try:
        reader.receive_data(stream)
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Request):
                found.append(Message(event.method, event.target, list(event.headers), b"", False))
            elif isinstance(event, h11.Data):
                found[-1] = found[-1]._replace(body=found[-1].body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                found[-1] = found[-1]._replace(whole=True)
            elif not _answered(reader):
                return found
    except h11.RemoteProtocolError:
        return found


def _answered(reader: h11.Connection) -> bool:
    """Answer what h11 has read; False when it reads no further."""
    if reader.our_state is not h11.SEND_RESPONSE or reader.their_state is h11.SEND_BODY:
        return False
    reader.send(h11.Response(status_code=404, headers=[(b"content-length", b"0")]))
    reader.send(h11.EndOfMessage())
    if reader.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
        return False
    reader.start_next_cycle()
    return True


@functools.cache
def _loop() -> Loop:
    return Loop()


def _exchange(pieces: list[bytes], early: bool) -> Exchange:
    running = _loop()
    made = Exchange(running.loop, early)
    made.feed(piece for piece in pieces if piece)
    made.end()
    assert not running.failures, running.failures
    return made


def _same(ours: list[Message], others: list[Message], early: bool = False) -> None:
    """What both have read is the same; where it is early, no body was asked for."""
    for one, other in zip(ours, others, strict=False):
        assert one.method == other.method, (one, other)
        if other.target.startswith(b"/"):
            assert _parts(one) == _parts(other), (one, other)
        assert _headers(one) == _headers(other), (one, other)
        if one.whole and other.whole and not early:
            assert one.body == other.body, (one, other)


def _parts(message: Message) -> tuple[bytes, bytes]:
    path, _, query = message.target.partition(b"#")[0].partition(b"?")
    return path, query


def _headers(message: Message) -> list[tuple[bytes, bytes]]:
    return [(name, value.strip(b" \t").lower()) for name, value in message.headers if name not in OF_AN_UPGRADE]


def _answers_fit(exchange: Exchange) -> None:
    """A client reads every answer; each says which request it is for."""
    client = h11.Connection(h11.CLIENT)
    sent = bytes(exchange.wire.sent)
    place = 0
    while sent:
        method = exchange.messages[place].method if place < len(exchange.messages) else b"GET"
        client.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(sent)
        answer = _answer(client)
        if answer is None:  # the head of an answer whose connection ended
            return
        assert answer.status_code != 500, exchange.messages
        shown = dict(answer.headers).get(b"place")
        assert shown is None or int(shown) == place, (answer, place)
        sent = client.trailing_data[0]
        place += 1
        client = h11.Connection(h11.CLIENT)
    assert place <= len(exchange.messages) + len(exchange.refused), exchange.wire.sent


def _answer(client: h11.Connection) -> h11.Response | None:
    found = None
    while True:
        event = client.next_event()
        if isinstance(event, h11.Response):
            found = event
        elif isinstance(event, h11.EndOfMessage):
            return found
        elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
            return None
