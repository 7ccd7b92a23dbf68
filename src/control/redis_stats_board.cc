#include "redis_stats_board.h"

#include <algorithm>
#include <utility>

namespace sluice::control {
namespace {

// KEYS: the hash. ARGV: gateway, text. Answers gateway, age in microseconds and text of each other.
// The bounds of age, gateways and text are those of gateway_stats.h; all texts together must stay
// below what the client takes as a reply. One from the future: the clock was set back.
constexpr std::string_view kBoardScript = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local SILENCE, GATEWAYS, TEXT, TEXTS = 3000000, 64, 262144, 3145728
local key, own = KEYS[1], ARGV[1]
local flat = redis.call('HGETALL', key)
local out, count, bytes = {}, 0, 0
for i = 1, #flat, 2 do
  local field = flat[i]
  if field ~= own then
    local written, text = string.match(flat[i + 1], '^(%d+) (.*)$')
    local age = written and now - tonumber(written)
    if not age or age >= SILENCE or age <= -SILENCE then
      redis.call('HDEL', key, field)
    elseif count < GATEWAYS and #text <= TEXT and bytes + #text <= TEXTS then
      count, bytes = count + 1, bytes + #text
      out[#out + 1] = field
      out[#out + 1] = math.max(0, age)
      out[#out + 1] = text
    end
  end
end
redis.call('HSET', key, own, string.format('%.0f', now) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', key, 10000)
return out
)lua";

constexpr size_t kPartsOfGateway = 3;

Result<std::vector<GatewayText>> read(const store::RedisReply& reply) {
  using Kind = store::RedisReply::Kind;
  const auto refuse = [] {
    return fail(ErrorCode::kIo, Side::kSelf, "it answers what our script does not say");
  };
  const auto& items = reply.items;
  if (reply.kind != Kind::kList || items.size() % kPartsOfGateway != 0) return refuse();
  std::vector<GatewayText> texts;
  for (size_t i = 0; i < items.size(); i += kPartsOfGateway) {
    if (items[i].kind != Kind::kText || items[i + 1].kind != Kind::kInteger ||
        items[i + 2].kind != Kind::kText) {
      return refuse();
    }
    constexpr int64_t kAgeMost = OtherGateways::kSilenceMost / microseconds(1);
    const int64_t age = std::clamp<int64_t>(items[i + 1].integer, 0, kAgeMost);
    texts.push_back({items[i].text, microseconds(age), items[i + 2].text});
  }
  return texts;
}

}  // namespace

Task<Result<std::vector<GatewayText>>> RedisStatsBoard::swap(std::string own, Deadline deadline) {
  std::vector<store::RedisCommand> commands;
  commands.push_back(store::run_script(kBoardScript, {parts_.space + ":{stats}"},
                                       {parts_.gateway, std::move(own)}));
  const std::vector<Result<store::RedisReply>> replies =
      co_await parts_.client.call(std::move(commands), deadline);
  if (!replies.front()) co_return Unexpected(replies.front().error());
  co_return read(*replies.front());
}

}  // namespace sluice::control
