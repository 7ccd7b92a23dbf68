"""The chains that are searched, each with its processes."""

import asyncio
import contextlib

from chains import CarelessFront, Chain
from hops import Haproxy, Nginx, NodeOrigin, Sluice
from loop_peers import Echo


async def serve_echo(stack, believes="coding"):
    """The port of an echo and the list of ids that it has seen."""
    seen = []
    server = await asyncio.get_running_loop().create_server(
        lambda: Echo(seen, believes), "127.0.0.1", 0)
    stack.callback(server.close)
    return server.sockets[0].getsockname()[1], seen


async def careless(stack):
    """Two hops that disagree on purpose."""
    port, seen = await serve_echo(stack)
    front = CarelessFront(port)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    stack.callback(server.close)
    return Chain("careless proxy, careless origin", server.sockets[0].getsockname()[1],
                 lambda: front.seen, lambda: seen)


async def sluice_nginx(stack):
    port, seen = await serve_echo(stack)
    nginx = stack.enter_context(Nginx(port))
    sluice = stack.enter_context(Sluice(nginx.port))
    return Chain("Sluice, nginx, origin", sluice.port, sluice.ids, lambda: seen + nginx.ids())


async def sluice_haproxy(stack):
    port, seen = await serve_echo(stack)
    haproxy = stack.enter_context(Haproxy(port))
    sluice = stack.enter_context(Sluice(haproxy.port))
    return Chain("Sluice, HAProxy, origin", sluice.port, sluice.ids, lambda: seen + haproxy.ids())


async def sluice_node(stack):
    node = stack.enter_context(NodeOrigin())
    sluice = stack.enter_context(Sluice(node.port))
    return Chain("Sluice, node", sluice.port, sluice.ids, node.ids)


async def nginx_sluice(stack, buffering="on"):
    port, seen = await serve_echo(stack)
    sluice = stack.enter_context(Sluice(port))
    nginx = stack.enter_context(Nginx(sluice.port, buffering))
    return Chain(f"nginx (buffering {buffering}), Sluice, origin", nginx.port, nginx.ids,
                 lambda: seen + sluice.ids(), paces=False)


async def nginx_streaming_sluice(stack):
    return await nginx_sluice(stack, "off")


async def haproxy_sluice(stack):
    port, seen = await serve_echo(stack)
    sluice = stack.enter_context(Sluice(port))
    haproxy = stack.enter_context(Haproxy(sluice.port))
    return Chain("HAProxy, Sluice, origin", haproxy.port, haproxy.ids,
                 lambda: seen + sluice.ids())


async def haproxy_sluice_node(stack):
    node = stack.enter_context(NodeOrigin())
    sluice = stack.enter_context(Sluice(node.port))
    haproxy = stack.enter_context(Haproxy(sluice.port))
    return Chain("HAProxy, Sluice, node", haproxy.port, haproxy.ids,
                 lambda: node.ids() + sluice.ids())


CHAINS = (sluice_nginx, sluice_haproxy, sluice_node, nginx_sluice, nginx_streaming_sluice,
          haproxy_sluice, haproxy_sluice_node)


@contextlib.asynccontextmanager
async def standing(make):
    """A chain whose processes end with the block."""
    with contextlib.ExitStack() as stack:
        yield await make(stack)
