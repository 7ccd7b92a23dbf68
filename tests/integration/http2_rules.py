"""What a client may not do over HTTP/2 (RFC 9113), one function each: it breaks the rule and gives
the stream that it is about, or None for the connection."""

import struct

import http2_support as h2
from http2_support import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED,
                           PING, PRIORITIZED, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS,
                           WINDOW_UPDATE, block, head, literal)

PROTOCOL = "GOAWAY PROTOCOL_ERROR"
SIZE = "GOAWAY FRAME_SIZE_ERROR"
STREAM_PROTOCOL = "RST_STREAM PROTOCOL_ERROR"
RULES = {}  # Name: (function, outcomes that are right).


def rule(*outcomes):
    def keep(function):
        RULES[function.__name__.replace("_", " ")] = (function, outcomes)
        return function
    return keep


def get_with(client, *fields):
    return client.begin(head("GET", "/livez", more=fields), ends=True)


def fields_alone(client, *fields):
    return client.begin(list(fields), ends=True)


# --- frames ---------------------------------------------------------------------------------------

@rule(SIZE)
def a_frame_above_the_largest_size(client):
    client.send(DATA, 0, client.begin(), b"x" * (h2.FRAME_MAX + 1))


@rule(SIZE)
def a_ping_of_seven_bytes(client):
    client.send(PING, 0, 0, b"1234567")


@rule(PROTOCOL)
def a_ping_on_a_stream(client):
    client.send(PING, 0, client.begin(), b"12345678")


@rule(SIZE)
def settings_of_five_bytes(client):
    client.send(SETTINGS, 0, 0, b"12345")


@rule(SIZE)
def an_acknowledgement_with_settings(client):
    client.send(SETTINGS, h2.ACK, 0, struct.pack(">HI", 4, 1))


@rule(PROTOCOL)
def settings_on_a_stream(client):
    client.send(SETTINGS, 0, client.begin(), b"")


@rule(PROTOCOL)
def push_that_is_neither_on_nor_off(client):
    client.set_options((h2.ENABLE_PUSH, 2))


@rule("GOAWAY FLOW_CONTROL_ERROR")
def a_first_window_above_the_largest(client):
    client.set_options((h2.INITIAL_WINDOW_SIZE, 1 << 31))


@rule(PROTOCOL)
def a_largest_frame_below_the_least(client):
    client.set_options((h2.MAX_FRAME_SIZE, 100))


@rule(PROTOCOL)
def a_push_promise(client):
    client.send(PUSH_PROMISE, END_HEADERS, client.begin(), struct.pack(">I", 2) + block(head()))


@rule(PROTOCOL)
def a_continuation_of_nothing(client):
    client.send(CONTINUATION, END_HEADERS, 1, block(head()))


@rule(PROTOCOL)
def a_frame_within_a_header_block(client):
    client.send(HEADERS, 0, client.take_stream(), block(head()))
    client.send(PING, 0, 0, b"12345678")


@rule(PROTOCOL)
def a_continuation_of_another_stream(client):
    client.send(HEADERS, 0, client.take_stream(), block(head()))
    client.send(CONTINUATION, END_HEADERS, 3, b"")


@rule(PROTOCOL)
def padding_longer_than_its_frame(client):
    client.send(DATA, PADDED, client.begin(), b"\x20abc")


@rule(SIZE)
def a_reset_of_three_bytes(client):
    client.send(RST_STREAM, 0, client.begin(), b"123")


@rule(SIZE)
def a_window_update_of_three_bytes(client):
    client.send(WINDOW_UPDATE, 0, 0, b"123")


@rule(PROTOCOL)
def a_goaway_on_a_stream(client):
    client.send(GOAWAY, 0, client.begin(), struct.pack(">II", 0, 0))


@rule("goes on")
def frames_of_unknown_kinds_are_passed_over(client):
    for kind in (0x0b, 0x42, 0xff):
        client.send(kind, 0xff, 0, b"anything")


@rule("goes on")
def unknown_settings_are_passed_over(client):
    client.set_options((0x99, 1), (0xffff, 0xffffffff))


# --- streams --------------------------------------------------------------------------------------

@rule(PROTOCOL)
def a_stream_of_an_even_number(client):
    client.send(HEADERS, END_HEADERS | END_STREAM, 2, block(head("GET", "/livez")))


# "goes on": it is passed over, since nobody can tell it from one that has just ended.
@rule(PROTOCOL, "GOAWAY STREAM_CLOSED", "goes on")
def a_stream_below_one_that_was(client):
    client.next_stream = 7
    client.finish(client.get())
    client.send(HEADERS, END_HEADERS | END_STREAM, 5, block(head("GET", "/livez")))


@rule(PROTOCOL)
def a_head_on_stream_0(client):
    client.send(HEADERS, END_HEADERS | END_STREAM, 0, block(head("GET", "/livez")))


@rule(PROTOCOL)
def data_on_stream_0(client):
    client.send(DATA, 0, 0, b"x")


@rule(PROTOCOL)
def data_on_an_idle_stream(client):
    client.send(DATA, 0, 9, b"x")


@rule(PROTOCOL)
def a_reset_of_an_idle_stream(client):
    client.send(RST_STREAM, 0, 9, struct.pack(">I", 8))


@rule(PROTOCOL)
def a_reset_of_stream_0(client):
    client.send(RST_STREAM, 0, 0, struct.pack(">I", 8))


@rule(PROTOCOL)
def a_window_for_an_idle_stream(client):
    client.send(WINDOW_UPDATE, 0, 9, struct.pack(">I", 1))


@rule("GOAWAY STREAM_CLOSED", "goes on", "RST_STREAM STREAM_CLOSED")
def data_on_a_stream_that_is_over(client):
    stream = client.get()
    client.finish(stream)
    client.send(DATA, 0, stream, b"x")


@rule("GOAWAY STREAM_CLOSED", "RST_STREAM STREAM_CLOSED")
def data_behind_the_end_of_the_body(client):
    stream = client.ask(user="hang")
    client.send(DATA, END_STREAM, stream, b"x")
    return stream


@rule("GOAWAY STREAM_CLOSED", "RST_STREAM STREAM_CLOSED")
def a_head_behind_the_end_of_the_body(client):
    stream = client.ask(user="hang")
    client.send(HEADERS, END_HEADERS | END_STREAM, stream, block([("x-a", "b")]))
    return stream


@rule(PROTOCOL, "RST_STREAM PROTOCOL_ERROR", "200")
def a_stream_that_depends_on_itself(client):
    stream = client.take_stream()
    client.send(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, stream,
                struct.pack(">IB", stream, 15) + block(head("GET", "/livez")))
    return stream


@rule(PROTOCOL, "RST_STREAM PROTOCOL_ERROR", "goes on")
def a_priority_on_itself(client):
    client.send(PRIORITY, 0, 9, struct.pack(">IB", 9, 15))


# --- windows --------------------------------------------------------------------------------------

@rule("GOAWAY FLOW_CONTROL_ERROR")
def a_window_of_the_connection_that_overflows(client):
    client.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fffffff))


@rule("RST_STREAM FLOW_CONTROL_ERROR", "GOAWAY FLOW_CONTROL_ERROR")
def a_window_of_a_stream_that_overflows(client):
    stream = client.begin()
    client.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7fffffff))
    return stream


@rule(PROTOCOL)
def a_window_of_the_connection_by_nothing(client):
    client.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0))


@rule("RST_STREAM PROTOCOL_ERROR", PROTOCOL)
def a_window_of_a_stream_by_nothing(client):
    stream = client.begin()
    client.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0))
    return stream


@rule("GOAWAY FLOW_CONTROL_ERROR", "RST_STREAM FLOW_CONTROL_ERROR")
def windows_of_open_streams_that_overflow_by_settings(client):
    stream = client.begin()
    client.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7fffffff - h2.WINDOW))
    client.set_options((h2.INITIAL_WINDOW_SIZE, h2.WINDOW + 1))
    return stream


# --- heads ----------------------------------------------------------------------------------------

@rule("GOAWAY COMPRESSION_ERROR")
def an_index_that_does_not_exist(client):
    client.send(HEADERS, END_HEADERS | END_STREAM, client.take_stream(), b"\xff\xff\x7f")


@rule("GOAWAY COMPRESSION_ERROR")
def an_integer_without_end(client):
    client.send(HEADERS, END_HEADERS | END_STREAM, client.take_stream(), b"\xff" * 40)


@rule("GOAWAY COMPRESSION_ERROR")
def a_table_above_what_was_allowed(client):
    client.send(HEADERS, END_HEADERS | END_STREAM, client.take_stream(),
                h2.integer(1 << 20, 5, 0x20) + block(head("GET", "/livez")))


@rule("GOAWAY COMPRESSION_ERROR")
def a_block_that_ends_within_a_field(client):
    client.send(HEADERS, END_HEADERS | END_STREAM, client.take_stream(),
                block(head("GET", "/livez"))[:-3])


@rule("GOAWAY COMPRESSION_ERROR", STREAM_PROTOCOL)
def huffman_that_is_padded_with_zeros(client):
    client.send(HEADERS, END_HEADERS | END_STREAM, client.take_stream(),
                block(head("GET", "/livez")) + b"\x10\x01a\x82\x00\x00")


@rule(STREAM_PROTOCOL)
def a_name_in_upper_case(client):
    return get_with(client, ("Upper", "x"))


@rule(STREAM_PROTOCOL)
def a_name_without_letters(client):
    return get_with(client, ("", "x"))


@rule(STREAM_PROTOCOL, "400")
def a_name_with_a_space(client):
    return get_with(client, ("a b", "x"))


@rule(STREAM_PROTOCOL, "400")
def a_name_with_a_colon(client):
    return get_with(client, ("a:b", "x"))


@rule(STREAM_PROTOCOL, "400")
def a_value_with_a_line_end(client):
    return get_with(client, ("x-a", "b\r\ntransfer-encoding: chunked"))


@rule(STREAM_PROTOCOL, "400")
def a_value_with_a_line_feed(client):
    return get_with(client, ("x-a", "b\nc: d"))


@rule(STREAM_PROTOCOL, "400")
def a_value_with_a_zero_byte(client):
    return get_with(client, ("x-a", "b\0"))


@rule(STREAM_PROTOCOL, "400")
def a_path_with_a_line_end(client):
    return fields_alone(client, *head("GET", "/livez HTTP/1.1\r\nx-a: b\r\n"))


@rule(STREAM_PROTOCOL)
def a_connection_field(client):
    return get_with(client, ("connection", "close"))


@rule(STREAM_PROTOCOL)
def a_transfer_encoding(client):
    return get_with(client, ("transfer-encoding", "chunked"))


@rule(STREAM_PROTOCOL)
def an_upgrade(client):
    return get_with(client, ("upgrade", "h2c"))


@rule(STREAM_PROTOCOL)
def a_keep_alive(client):
    return get_with(client, ("keep-alive", "timeout=5"))


@rule(STREAM_PROTOCOL)
def a_proxy_connection(client):
    return get_with(client, ("proxy-connection", "keep-alive"))


@rule(STREAM_PROTOCOL)
def a_te_but_trailers(client):
    return get_with(client, ("te", "gzip"))


@rule("200")
def a_te_of_trailers_is_good(client):
    return get_with(client, ("te", "trailers"))


@rule(STREAM_PROTOCOL)
def no_path(client):
    return fields_alone(client, (":method", "GET"), (":scheme", "https"), (":authority", "a"))


@rule(STREAM_PROTOCOL)
def an_empty_path(client):
    return fields_alone(client, *head("GET", ""))


@rule(STREAM_PROTOCOL, "400")
def a_path_without_its_slash(client):
    return fields_alone(client, *head("GET", "livez"))


@rule(STREAM_PROTOCOL, "400", "404")
def a_star_for_a_get(client):
    return fields_alone(client, *head("GET", "*"))


@rule(STREAM_PROTOCOL)
def two_paths(client):
    return fields_alone(client, *head("GET", "/livez")[:3], (":path", "/readyz"))


@rule(STREAM_PROTOCOL)
def no_method(client):
    return fields_alone(client, *head("GET", "/livez")[1:])


@rule(STREAM_PROTOCOL)
def no_scheme(client):
    return fields_alone(client, (":method", "GET"), (":path", "/livez"), (":authority", "a"))


@rule(STREAM_PROTOCOL)
def a_pseudo_field_behind_others(client):
    return fields_alone(client, *head("GET", "/livez", [("x-a", "b")]), (":authority", "a"))


@rule(STREAM_PROTOCOL)
def a_pseudo_field_that_does_not_exist(client):
    return fields_alone(client, (":proto", "x"), *head("GET", "/livez"))


@rule(STREAM_PROTOCOL)
def a_status_in_a_request(client):
    return fields_alone(client, (":status", "200"), *head("GET", "/livez"))


@rule(STREAM_PROTOCOL, "400", "405", "501")
def a_connect_with_a_path(client):
    return fields_alone(client, *head("CONNECT", "/livez"))


@rule("400", STREAM_PROTOCOL)
def a_host_that_is_not_the_authority(client):
    return get_with(client, ("host", "elsewhere"))


# --- bodies ---------------------------------------------------------------------------------------

@rule(STREAM_PROTOCOL)
def a_body_shorter_than_its_length(client):
    stream = client.begin(head(more=[("content-length", "5")]))
    client.send(DATA, END_STREAM, stream, b"{}")
    return stream


@rule(STREAM_PROTOCOL)
def a_body_longer_than_its_length(client):
    stream = client.begin(head(more=[("content-length", "1")]))
    client.send(DATA, END_STREAM, stream, b"{}")
    return stream


@rule(STREAM_PROTOCOL)
def no_body_where_a_length_is(client):
    return client.begin(head(more=[("content-length", "5")]), ends=True)


@rule(STREAM_PROTOCOL)
def two_lengths(client):
    stream = client.begin(head(more=[("content-length", "2"), ("content-length", "3")]))
    client.send(DATA, END_STREAM, stream, b"{}")
    return stream


@rule(STREAM_PROTOCOL)
def a_length_that_is_no_number(client):
    stream = client.begin(head(more=[("content-length", "0x2")]))
    client.send(DATA, END_STREAM, stream, b"{}")
    return stream


@rule("200")
def trailers_are_good(client):
    stream = client.begin()
    client.send(DATA, 0, stream, b'{"model":"m","messages":[]}')
    client.send(HEADERS, END_HEADERS | END_STREAM, stream, block([("x-checksum", "1")]))
    return stream


@rule(STREAM_PROTOCOL, PROTOCOL)
def trailers_that_do_not_end(client):
    stream = client.begin()
    client.send(DATA, 0, stream, b"{}")
    client.send(HEADERS, END_HEADERS, stream, block([("x-checksum", "1")]))
    return stream


@rule(STREAM_PROTOCOL)
def trailers_with_a_pseudo_field(client):
    stream = client.begin()
    client.send(DATA, 0, stream, b"{}")
    client.send(HEADERS, END_HEADERS | END_STREAM, stream, block([(":path", "/x")]))
    return stream


# --- sizes ----------------------------------------------------------------------------------------

@rule("431")
def a_list_of_fields_above_the_limit(client):
    stream, fields = client.take_stream(), block(head("GET", "/livez", [
        (f"x-{i}", "y" * 1000) for i in range(40)]))
    kind, flags = HEADERS, END_STREAM
    while fields:
        part, fields = fields[:h2.FRAME_MAX], fields[h2.FRAME_MAX:]
        client.send(kind, flags | (0 if fields else END_HEADERS), stream, part)
        kind, flags = CONTINUATION, 0
    return stream


@rule("431")
def more_fields_than_the_limit(client):
    return get_with(client, *((f"x-{i}", "y") for i in range(1000)))


@rule("431")
def a_bomb_of_hpack(client):
    """A field of 4,000 bytes is put into the table once and meant 12,000 times: 48 MB."""
    stream = client.take_stream()
    client.send(HEADERS, END_HEADERS | END_STREAM, stream, block(head("GET", "/livez"))
                + literal("x-bomb", b"b" * 4000, 0x40) + b"\xbe" * 12_000)
    return stream


@rule(PROTOCOL, "RST_STREAM REFUSED_STREAM")
def more_streams_than_the_limit(client):
    streams = [client.ask(user="hang") for _ in range(101)]
    return streams[-1]


def play(port, context, name):
    """(what became of it, what would be right)."""
    function, right = RULES[name]
    with h2.Client(port, context) as client:
        stream = None
        try:
            stream = function(client.greet())
        except OSError:  # It was closed meanwhile; why is still to be read.
            pass
        return client.outcome(stream), right
