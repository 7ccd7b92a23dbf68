#include <sluice/control/ledger.h>

namespace sluice::control {
namespace {

// KEYS: the kept answer of this gateway's lane; the gateways of each bucket; each subject.
// ARGV: gateway, batch, buckets, subjects; of each bucket since when it is known; of each subject
// its bucket, and LedgerAsk in order from `kind`.
// Answers integers: of each bucket its LedgerBucket, of each subject its LedgerAnswer, both without
// is_answered.
//
// Lua's numbers hold integers up to 2^53, and `..` writes them with 14 digits only: hence int().
constexpr std::string_view kLedgerScript = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local SECOND, DAY = 1000000, 86400000000
local LEARNING, SILENCE, SLOTS, HELD_PART = 2 * SECOND, 10 * SECOND, 64, 100
local GROUP_NUMBERS, SUBJECT_NUMBERS, ARGUMENTS = 2, 8, 9
local gateway, batch = ARGV[1], ARGV[2]
local groups, subjects = tonumber(ARGV[3]), tonumber(ARGV[4])
local floor, min, max = math.floor, math.min, math.max
local function int(x) return string.format('%.0f', x) end
local function number(text) return tonumber(text or '0') or 0 end
local function expire(key, us) redis.call('PEXPIRE', key, int(max(60000, floor(us / 1000)))) end

-- Moments become times from now.
local function tell(numbers)
  for g = 1, groups do
    local at = (g - 1) * GROUP_NUMBERS + 2
    numbers[at] = max(0, numbers[at] - now)
  end
  for s = 1, subjects do
    local at = groups * GROUP_NUMBERS + (s - 1) * SUBJECT_NUMBERS
    numbers[at + 3] = max(0, numbers[at + 3] - now)
    numbers[at + 5] = max(0, numbers[at + 5] - now)
  end
  return numbers
end

if subjects > 0 then
  local kept = redis.call('GET', KEYS[1])
  if kept then
    local numbers = {}
    for word in string.gmatch(kept, '%d+') do numbers[#numbers + 1] = tonumber(word) end
    local last = table.remove(numbers, 1)
    -- One that was overtaken by a later one, on another connection.
    if last > tonumber(batch) then return redis.error_reply('STALE a later batch came') end
    local count = groups * GROUP_NUMBERS + subjects * SUBJECT_NUMBERS
    if last == tonumber(batch) and #numbers == count then
      return tell(numbers)
    end
  end
end

-- The gateways of a bucket: since when it is known, until when it learns, how many are there.
local function greet(key, known)
  local flat = redis.call('HGETALL', key)
  local since, active, silent = nil, 1, {}
  for i = 1, #flat, 2 do
    if flat[i] == 'since' then
      since = tonumber(flat[i + 1])
    elseif flat[i] ~= gateway then
      if tonumber(flat[i + 1]) > now - SILENCE then active = active + 1
      else silent[#silent + 1] = flat[i] end
    end
  end
  if not since then
    since = now
    redis.call('HSET', key, 'since', int(since))
  end
  for i = 1, #silent do redis.call('HDEL', key, silent[i]) end
  redis.call('HSET', key, gateway, int(now))
  expire(key, 3600 * SECOND)
  -- One that began in the future: the clock was set back.
  local learns = since <= now and since + LEARNING or 0
  return {since = since, learns = learns, active = active, is_learning = learns > now,
          is_known = known == since}
end

-- The lowest limit stated in this turn of 10 s and the one before.
local function lowest(turn, low, before, most)
  local present = floor(now / SILENCE)
  if turn == present then low = min(low, most)
  elseif turn == present - 1 then before, low = low, most
  else before, low = most, most end
  return present, low, before, min(low, before)
end

-- Days of the civil calendar, as in H. Hinnant, "chrono-compatible low-level date algorithms".
local function month_of(day)
  local z = day + 719468
  local era = floor(z / 146097)
  local of_era = z - era * 146097
  local year = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) -
                      floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
  local from_march = floor((5 * of_year + 2) / 153)
  local month = from_march < 10 and from_march + 3 or from_march - 9
  return (year + era * 400 + (month <= 2 and 1 or 0)) * 12 + month - 1
end
local function day_of_month(number)
  local year, month = floor(number / 12), number % 12 + 1
  if month <= 2 then year = year - 1 end
  local era = floor(year / 400)
  local of_era = year - era * 400
  local of_year = floor((153 * (month > 2 and month - 3 or month + 9) + 2) / 5)
  return era * 146097 + of_era * 365 + floor(of_era / 4) - floor(of_era / 100) + of_year - 719468
end

-- Number, end, first that still counts, and how long to keep.
local function slot_of(kind, length)
  local day = floor(now / DAY)
  if kind == 0 then
    local slot_us = max(1, floor(length / SLOTS))
    local slot = floor(now / slot_us)
    local live = floor((now - length - slot_us) / slot_us)
    return slot, (slot + 1) * slot_us, live, 2 * length, slot_us
  elseif kind == 1 then return day, (day + 1) * DAY, day, 2 * DAY
  elseif kind == 2 then
    local week = floor((day + 3) / 7)
    return week, (7 * (week + 1) - 3) * DAY, week, 14 * DAY
  elseif kind == 3 then
    local month = month_of(day)
    return month, day_of_month(month + 1) * DAY, month, 62 * DAY
  end
  return 1, now + 400 * DAY, 1, 400 * DAY
end

local function grant(key, bucket, kind, most, length, want, least, returned, return_slot, owed)
  local slot, ends, live, keep, slot_us = slot_of(kind, length)
  local state = redis.call('HMGET', key, 'sum', 'first', 'turn', 'low', 'before')
  local sum, first = max(0, number(state[1])), tonumber(state[2] or int(live))
  local turn, low, before, limit =
      lowest(number(state[3]), number(state[4]), number(state[5]), most)
  -- A clock that was set back must not let anything return early.
  slot = max(slot, first)
  if live - first > SLOTS + 6 then
    redis.call('DEL', key)
    sum, first = 0, live
  elseif live > first then
    local fields = {}
    for n = first, live - 1 do fields[#fields + 1] = int(n) end
    local counts = redis.call('HMGET', key, unpack(fields))
    for i = 1, #fields do sum = sum - number(counts[i]) end
    redis.call('HDEL', key, unpack(fields))
    first = live
  end
  local change = owed
  if returned > 0 and bucket.is_known and return_slot >= first then
    local counted = number(redis.call('HGET', key, int(return_slot)))
    local lower = min(returned, counted)
    if lower > 0 then
      redis.call('HINCRBY', key, int(return_slot), int(-lower))
      sum = sum - lower
    end
  end
  sum = sum + owed
  local room = max(0, limit - sum)
  local granted = 0
  if not bucket.is_learning then
    local size = min(floor(limit / (HELD_PART * bucket.active)), floor(room / (2 * bucket.active)))
    granted = min(want, max(1, size, least), room)
    change = change + granted
    sum = sum + granted
  end
  if change > 0 then redis.call('HINCRBY', key, int(slot), int(change)) end
  redis.call('HSET', key, 'sum', int(sum), 'first', int(first), 'turn', int(turn), 'low', int(low),
             'before', int(before))
  expire(key, keep)
  local returns = 0
  if granted < want and not bucket.is_learning then
    returns = ends
    if slot_us then
      local fields = {}
      for n = first, slot do fields[#fields + 1] = int(n) end
      local counts = redis.call('HMGET', key, unpack(fields, 1, min(#fields, SLOTS + 6)))
      for i = 1, #counts do
        if number(counts[i]) > 0 then
          returns = (first + i) * slot_us + length + slot_us
          break
        end
      end
    end
  end
  return granted, slot, ends, room - granted, returns, limit, bucket.active, 0
end

-- What one gateway may have if all get the same and nobody more than is wanted.
local function level_of(limit, wants)
  table.sort(wants)
  local left = limit
  for i = 1, #wants do
    local each = floor(left / (#wants - i + 1))
    if wants[i] > each then return each end
    left = left - wants[i]
  end
  return limit
end

local function split(key, bucket, most, hold, want, held)
  local flat = redis.call('HGETALL', key)
  local own, gone, wants, states = 'g' .. gateway, {}, {want}, {}
  local others, active, returns = 0, 1, 0
  local part, freed, freed_until = 0, 0, 0
  for i = 1, #flat, 2 do
    local field, text = flat[i], flat[i + 1]
    local p, h, w, u, f, fu = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
    if not p then
      states[field] = tonumber(text)
    elseif tonumber(u) <= now then
      gone[#gone + 1] = field
    else
      p, h, w = tonumber(p), tonumber(h), tonumber(w)
      f, fu = tonumber(f), tonumber(fu)
      if fu <= now then f = 0 end
      if field == own then
        part, freed, freed_until = p, f, fu
      else
        others = others + max(p, h) + f
        active = active + 1
        wants[#wants + 1] = w
        if f > 0 and (returns == 0 or fu < returns) then returns = fu end
      end
    end
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  local turn, low, before, limit =
      lowest(states.turn or 0, states.low or 0, states.before or 0, most)
  local free = max(0, limit - others)
  local level = level_of(limit, wants)
  -- Nothing is taken away: who has more than the level is asked to give it back.
  local given = min(want, free, max(level, part))
  if bucket.is_learning then given = min(given, part) end
  if given < part then
    freed = hold > 0 and freed + part - given or 0
    freed_until = now + hold
  else
    freed = max(0, freed - (given - part))
  end
  local ends = now + SILENCE + hold
  if given == 0 and freed == 0 and held == 0 and want == 0 then
    redis.call('HDEL', key, own)
  else
    redis.call('HSET', key, own, int(given) .. ' ' .. int(held) .. ' ' .. int(want) .. ' ' ..
               int(ends) .. ' ' .. int(freed) .. ' ' .. int(freed_until))
  end
  redis.call('HSET', key, 'turn', int(turn), 'low', int(low), 'before', int(before))
  expire(key, 2 * (SILENCE + hold))
  return given, 0, now + SILENCE, max(0, free - given), returns, limit, active, level
end

local out, buckets = {}, {}
for g = 1, groups do
  local bucket = greet(KEYS[1 + g], tonumber(ARGV[4 + g]))
  buckets[g] = bucket
  out[#out + 1] = bucket.since
  out[#out + 1] = bucket.learns
end
for s = 1, subjects do
  local key, n = KEYS[1 + groups + s], {}
  for i = 1, ARGUMENTS do n[i] = tonumber(ARGV[4 + groups + (s - 1) * ARGUMENTS + i]) end
  local bucket, answer = buckets[n[1]], nil
  if n[2] == 5 then answer = {split(key, bucket, n[3], n[4], n[5], n[6])}
  else answer = {grant(key, bucket, n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9])} end
  for i = 1, SUBJECT_NUMBERS do out[#out + 1] = answer[i] end
end
if subjects > 0 then
  local words = {batch}
  for i = 1, #out do words[i + 1] = int(out[i]) end
  redis.call('SET', KEYS[1], table.concat(words, ' '), 'PX', 600000)
end
return tell(out)
)lua";

}  // namespace

std::string_view ledger_script() noexcept { return kLedgerScript; }

}  // namespace sluice::control
