#include <sluice/control/member_list.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include <sluice/config/yaml_tree.h>

namespace sluice::control {
namespace {

using config::Member;
using config::Node;
using config::NodeKind;

constexpr uint32_t kPortMax = 65535;
constexpr uint32_t kWeightMax = 1000;

std::optional<uint32_t> read_number(std::string_view text, uint32_t max) noexcept {
  uint32_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number == 0 || number > max) return std::nullopt;
  return number;
}

std::optional<Member> read_address(std::string_view text) {
  std::string_view host = text;
  std::string_view behind;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    behind = text.substr(close + 1);
  } else if (const size_t colon = text.find(':'); colon == text.rfind(':')) {
    // Several colons without brackets are an IPv6 address that has no port.
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) behind = text.substr(colon);
  }
  if (host.empty()) return std::nullopt;
  Member member{.host = std::string(host)};
  if (behind.empty()) return member;
  const auto port =
      behind.starts_with(':') ? read_number(behind.substr(1), kPortMax) : std::optional<uint32_t>();
  if (!port) return std::nullopt;
  member.port = static_cast<uint16_t>(*port);
  return member;
}

std::optional<Member> read_fields(const Node& node) {
  Member member;
  for (size_t at = 0; at + 1 < node.children.size(); at += 2) {
    const Node& value = node.children[at + 1];
    const std::string& name = node.children[at].text;
    if (name != "host" && name != "port" && name != "weight") continue;
    if (value.kind != NodeKind::kScalar) return std::nullopt;
    if (name == "host") {
      member.host = value.text;
      continue;
    }
    const auto number = read_number(value.text, name == "port" ? kPortMax : kWeightMax);
    if (!number) return std::nullopt;
    if (name == "port") member.port = static_cast<uint16_t>(*number);
    if (name == "weight") member.weight = *number;
  }
  if (member.host.empty()) return std::nullopt;
  return member;
}

}  // namespace

std::expected<std::vector<Member>, std::string_view> read_member_list(std::string_view text) {
  if (text.size() > kMemberListBytesMax) return std::unexpected("is longer than 1 MiB");
  std::vector<config::Diagnostic> faults;
  const std::optional<Node> list = config::read_yaml(text, "", faults);
  if (!list || !faults.empty()) return std::unexpected("is no valid JSON or YAML");
  if (list->kind != NodeKind::kSequence) return std::unexpected("is no list");
  std::vector<Member> members;
  members.reserve(list->children.size());
  for (const Node& item : list->children) {
    std::optional<Member> member;
    if (item.kind == NodeKind::kScalar) member = read_address(item.text);
    if (item.kind == NodeKind::kMapping) member = read_fields(item);
    if (!member) return std::unexpected("has an item that is no host:port");
    members.push_back(std::move(*member));
  }
  return members;
}

void put_in_order(std::vector<Member>& members) {
  const auto whole = [](const Member& one) { return std::tie(one.host, one.port, one.weight); };
  const auto pair = [](const Member& one) { return std::tie(one.host, one.port); };
  std::ranges::sort(members, {}, whole);
  const auto repeated = std::ranges::unique(members, {}, pair);
  members.erase(repeated.begin(), repeated.end());
  if (members.size() > config::kGroupMembersMax) members.resize(config::kGroupMembersMax);
}

}  // namespace sluice::control
