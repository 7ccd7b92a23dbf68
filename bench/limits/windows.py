"""How much was let through in every window: by access logs, and by the clocks of clients."""

import bisect
import datetime
import re

LINE = re.compile(rb'"time":"([^"]+)Z".*?"key":"([^"]+)"')
STATUS = re.compile(rb'"status":(\d+)')
TOOK = re.compile(rb'"duration_us":(\d+)')
OUTPUT = re.compile(rb'"(?:in|out)put_tokens":(\d+)')


class Clock:
    """Seconds of a log's time; the minute is looked up once."""

    def __init__(self):
        self.minutes = {}

    def seconds(self, text):
        minute = text[:16]
        if minute not in self.minutes:
            at = datetime.datetime.fromisoformat(minute.decode()).replace(
                tzinfo=datetime.timezone.utc)
            self.minutes[minute] = at.timestamp()
        return self.minutes[minute] + float(text[17:])


def read_logs(gateways):
    """{key: [(began, ended, tokens)]} of what was let through, and the count of lines by status."""
    admitted, counts, clock = {}, {}, Clock()
    for gateway in gateways:
        with open(gateway.access_log, "rb") as file:
            for line in file:
                found, status = LINE.search(line), STATUS.search(line)
                if not found or not status:
                    continue
                code = int(status.group(1))
                counts[code] = counts.get(code, 0) + 1
                if code != 200:
                    continue
                began = clock.seconds(found.group(1))
                took = TOOK.search(line)
                tokens = sum(int(each) for each in OUTPUT.findall(line))
                admitted.setdefault(found.group(2).decode(), []).append(
                    (began, began + int(took.group(1)) / 1e6, tokens))
    return admitted, counts


def most_within(spans, length_s):
    """The most that were surely let through within any interval of `length_s`.

    Each was let through somewhere between begin and end, so an interval from a begin on holds those
    that began in it and ended before it does.
    """
    began = sorted(each[0] for each in spans)
    ended = sorted(each[1] for each in spans)
    return max((bisect.bisect_right(ended, begin + length_s) - index
                for index, begin in enumerate(began)), default=0)


def tokens_within(spans, length_s):
    """The most tokens of requests that began and ended within any interval of `length_s`."""
    inside = sorted(spans, key=lambda each: each[1])
    sums = [0]
    for each in inside:
        sums.append(sums[-1] + each[2])
    ends = [each[1] for each in inside]
    begins = sorted(each[0] for each in spans)
    by_begin = [0]
    for each in sorted(spans):
        by_begin.append(by_begin[-1] + each[2])
    return max((sums[bisect.bisect_right(ends, begin + length_s)] - by_begin[index]
                for index, begin in enumerate(begins)), default=0)


def by_window(spans, begin, length_s):
    """Counts of the windows that follow one another from `begin` on."""
    counts = {}
    for each in spans:
        number = int((each[0] - begin) // length_s)
        counts[number] = counts.get(number, 0) + 1
    return [counts.get(number, 0) for number in range(max(counts, default=-1) + 1)]
