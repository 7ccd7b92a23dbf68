"""6: endless loops, memory bombs and escapes in a script, and the requests beside them."""

import asyncio
import collections
import time

from resilience import swarm, verdict

from . import stage

TIME_MAX_MS = 10
ATTACKS_S = 10   # Attacks a second, of all kinds in turn.
CLIENTS = 4
PAUSE_S = 0.004  # Of a well-behaved client between two requests.

# By name: what the script does for a request with this x-kind. Whoever comes to its end is let in.
WITHOUT_END = {
    "loop": "while true do end",
    "loop in pcall": "while true do pcall(function() while true do end end) end",
    "recursion": "local function f() return 1 + f() end f()",
    "pattern": "string.find(string.rep('a', 30000), string.rep('a?', 100) .. string.rep('a', 100)) "
               "while true do string.find(string.rep('a', 30000), '.-.-.-b') end",
    "sort": "local t = {} for i = 1, 9999 do t[i] = i end "
            "while true do table.sort(t, function() return true end) end",
    "tostring": "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) "
                "tostring(t)",
}
BOMBS = {
    "doubling": "local s = 'x' while true do s = s .. s end",
    "rep": "string.rep('x', 2^40)",
    "table": "local t = {} for i = 1, 1e9 do t[i] = {i} end",
    "concat": "local t = {} for i = 1, 4000 do t[i] = string.rep('x', 100000) end table.concat(t)",
    "kept": "_G.kept = {} for i = 1, 1e9 do kept[i] = string.rep(tostring(i), 100) end",
    "gsub": "local s = string.rep('x', 30000) for i = 1, 20 do s = string.gsub(s, 'x', '%0%0') end",
}
# `MARK` is a file that an escape would leave behind.
ESCAPES = {
    "os": "os.execute('touch MARK')",
    "io": "io.open('MARK', 'w'):write('x')",
    "require": "require('ffi').C.system('touch MARK')",
    "package": "package.loadlib('libc.so.6', 'system')('touch MARK')",
    "debug": "debug.sethook() debug.getregistry()",
    "ffi": "ffi.cdef('int system(const char*);') ffi.C.system('touch MARK')",
    "loadstring": "loadstring('return 1')()",
    "bytecode": "load('\\\\27LJ\\\\2\\\\0')()",
    "dump": "string.dump(function() end)",
    "getfenv": "getfenv(0)",
    "string metatable": "getmetatable('').__index.format = nil assert(string.format == nil)",
    "global metatable": "local g = getmetatable(_G).__index g.os.execute('touch MARK')",
    "tables of others": "string.find = function() end",
    "request": "request.tenant = 'other'",
    "readfile": "dofile('/etc/passwd')",
    "coroutine": "coroutine.wrap(function() while true do end end)()",
    "collectgarbage": "collectgarbage('stop')",
    "newproxy": "newproxy(true)",
    "secret": "if #api_key < 20 then error('masked') end",
}
GROUPS = {"endless": WITHOUT_END, "memory": BOMBS, "escape": ESCAPES}


def script(mark):
    lines = ["local kind = request.headers['x-kind']", "if kind == nil then return end"]
    for attacks in GROUPS.values():
        for name, text in attacks.items():
            text = text.replace("MARK", mark).replace("\\\\", "\\")
            lines.append(f"if kind == '{name}' then {text}\nreturn true end")
    lines.append("if kind == 'leftovers' then return kept == nil and string.format ~= nil and "
                 "type(string.find) == 'function' and string.find('ab', 'b') == 2 end")
    return "\n".join(lines) + "\nerror('unknown kind')\n"


async def pause_between(gateway, data, stop, keep):
    line = None
    while not stop():
        answer, line = await swarm.ask(gateway.port, data, line)
        keep(answer)
        await asyncio.sleep(PAUSE_S)


async def well_behaved(gateway, secret, stop):
    """Answers to clients whose script has nothing to do."""
    answers = []
    data = stage.request(secret)
    await swarm.all_of([pause_between(gateway, data, stop, answers.append)
                        for _ in range(CLIENTS)])
    return answers


async def attack(gateway, secret, kinds, seconds, found):
    """Attacks of all kinds in turn, each on a connection of its own; the shards take turns."""
    loop = asyncio.get_running_loop()
    began, number = loop.time(), 0
    tasks = set()

    async def one(kind):
        answer, _ = await swarm.ask(gateway.port, swarm.request(
            "m", stage.authorization(secret) + f"x-kind: {kind}\r\n"))
        found[kind].append((answer.status, answer.ended - answer.began))
    while number < len(kinds) or loop.time() < began + seconds:
        task = asyncio.create_task(one(kinds[number % len(kinds)]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
        await asyncio.sleep(max(0, began + number / ATTACKS_S - loop.time()))
    if tasks:
        await asyncio.wait(tasks)


async def alone(gateway, secret, seconds):
    end = time.monotonic() + seconds
    return await well_behaved(gateway, secret, lambda: time.monotonic() > end)


async def beside(gateway, secret, kinds, seconds, found):
    attacks = asyncio.create_task(attack(gateway, secret, kinds, seconds, found))
    answers = await well_behaved(gateway, secret, attacks.done)
    await attacks
    return answers


def p99(answers):
    return verdict.quantile([each.ended - each.began for each in answers], 0.99) * 1000


def resident_kb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def tell(case, group, attacks, found):
    """What each kind of a group got."""
    got = collections.Counter()
    for name in attacks:
        statuses = collections.Counter(status for status, _ in found[name])
        got += statuses
        longest = max((took for _, took in found[name]), default=0) * 1000
        case.table.append([f"{group}: {name}", f"{len(found[name])}",
                           ", ".join(f"{count} x {status or 'no answer'}"
                                     for status, count in sorted(statuses.items())),
                           f"{longest:.1f} ms"])
    case.equal(f"let in, {group}", got[200], 0)
    case.equal(f"without an answer, {group}", got[0], 0)


def start(place, simulator, path, more=""):
    """(gateway, secret of a key)."""
    folder = place.folder / f"store{len(place.gateways)}"
    folder.mkdir()
    gateway = place.gateway(stage.settings(
        simulator, folder,
        f"scripts: {{time_max: {TIME_MAX_MS}ms, on_request: {{file: {path}}}{more}}}\n"))
    _, secret = stage.make_key(gateway, name="app")
    asyncio.run(alone(gateway, secret, 0.5))  # Connections and caches.
    return gateway, secret


def measure(place, case, gateway, secret, groups, seconds):
    """Attacks of these groups, and the p99 of others beside them, and without before and after."""
    others = {}
    alone_too = asyncio.run(alone(gateway, secret, seconds))
    for group, attacks in groups.items():
        place.say(f"{len(attacks)} kinds: {group}")
        found = collections.defaultdict(list)
        others[group] = asyncio.run(beside(gateway, secret, list(attacks), seconds, found))
        tell(case, group, attacks, found)
    alone_too += asyncio.run(alone(gateway, secret, seconds))
    base = p99(alone_too)
    case.note(f"p99 without attacks, before and after: {', '.join(groups)}", base, " ms")
    for group, answers in others.items():
        case.equal(f"others that failed, {group}", sum(not each.is_good for each in answers), 0)
        case.at_most(f"p99 of others beside, {group}", p99(answers), base + 2 * TIME_MAX_MS,
                     is_timed=True, unit=" ms")
        case.note(f"as many times that without, {group}", p99(answers) / max(base, 0.001))


def run(place, is_small):
    seconds = 1 if is_small else 15
    case = verdict.Case(
        6, "Endless loops, memory bombs and escapes in `on_request`",
        f"two shards, time_max {TIME_MAX_MS} ms, memory_max 8 MiB, 1 M instructions, then so many "
        f"that the time ends a script; {CLIENTS} well-behaved clients, {ATTACKS_S} attacks a "
        "second")
    mark, path = place.folder / "escaped", place.folder / "attack.lua"
    path.write_text(script(str(mark)))
    simulator = place.simulator("sim", "ttft=1ms&tps=0&tokens=1")
    case.table = [["what it did", "times", "what it got", "longest"]]
    gateway, secret = start(place, simulator, path)
    memory = resident_kb(gateway.process)
    measure(place, case, gateway, secret, GROUPS, seconds)
    left = collections.defaultdict(list)
    asyncio.run(attack(gateway, secret, ["leftovers"] * 8, 0, left))
    case.equal("statuses of requests that look for leftovers",
               sorted({status for status, _ in left["leftovers"]}), [200])
    case.equal("files that an escape left behind", mark.exists(), False)
    case.at_most("memory has grown by", (resident_kb(gateway.process) - memory) / 1024, 64,
                 unit=" MiB")
    other, secret = start(place, simulator, path, ", instructions_max: 1000M")
    measure(place, case, other, secret, {"by time": WITHOUT_END}, seconds)
    for each in (gateway, other):
        case.equal("the gateway still runs", each.process.poll() is None, True)
    return case
