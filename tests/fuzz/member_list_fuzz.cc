// A list of servers is taken whole or not at all, keeps its bounds, reads back from its plainest
// spelling, and means the same in any order.
#include <sluice/control/member_list.h>
#include <sluice/json/writer.h>

#include <algorithm>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using config::Member;
using fuzz::expect;

bool is_plain(const Member& member) {
  return std::ranges::all_of(member.host, [](char c) { return c >= ' ' && c < 0x7f; });
}

std::string write(const std::vector<Member>& members) {
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Member& member : members) {
    writer.begin_object().key("host").string(member.host);
    if (member.port != 0) writer.key("port").unsigned_integer(member.port);
    writer.key("weight").unsigned_integer(member.weight).end_object();
  }
  writer.end_array();
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::vector<char> copy(bytes, bytes + size);
  const auto read = control::read_member_list(fuzz::view_of(copy));
  if (!read) {
    expect(!read.error().empty(), "a fault says what it is");
    return 0;
  }
  for (const Member& member : *read) {
    expect(!member.host.empty(), "a server has a host");
    expect(member.weight >= 1 && member.weight <= 1000, "weights have bounds");
  }
  if (std::ranges::all_of(*read, is_plain)) {
    const auto again = control::read_member_list(write(*read));
    expect(again && *again == *read, "a list reads back from its plainest spelling");
  }
  std::vector<Member> ordered = *read;
  control::put_in_order(ordered);
  expect(ordered.size() <= config::kGroupMembersMax, "a group is bounded");
  std::vector<Member> twice = ordered;
  control::put_in_order(twice);
  expect(twice == ordered, "order is final");
  std::vector<Member> turned(read->rbegin(), read->rend());
  turned.insert(turned.end(), read->begin(), read->end());
  control::put_in_order(turned);
  expect(turned == ordered, "order and repetition of the answer do not matter");
  return 0;
}
