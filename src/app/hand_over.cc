#include "hand_over.h"

#include <algorithm>

#include <fmt/format.h>

#include <sluice/json/value.h>
#include <sluice/json/writer.h>
#include <sluice/net/descriptor_message.h>

namespace sluice::app {
namespace {

constexpr json::ValueLimits kLimits = {
    .bytes_max = net::kMessageBytesMax, .depth_max = 4, .values_max = 4'096};
// Of a complaint that is passed on.
constexpr size_t kProblemBytesMax = 16 * 1024;

constexpr std::string_view kNotUnderstood = "a message of the hand-over is not understood";

const std::string* text_of(const json::Value& object, std::string_view name) {
  const json::Value* member = object.find(name);
  return member == nullptr ? nullptr : member->as_string();
}

bool has_kind(const json::Value& message, std::string_view kind) {
  const std::string* text = text_of(message, "kind");
  return text != nullptr && *text == kind;
}

std::expected<void, std::string> check_format(const json::Value& message) {
  const json::Value* member = message.find("format");
  int64_t format = 0;
  if (member == nullptr || !member->as_integer(format)) {
    return std::unexpected(std::string(kNotUnderstood));
  }
  if (format == kHandOverFormat) return {};
  return std::unexpected(
      fmt::format("the other version hands over in format {}, this one in format {}; restart "
                  "Sluice instead of upgrading it",
                  format, kHandOverFormat));
}

}  // namespace

std::string prepared_text(std::string_view version) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("kind").string("prepared");
  writer.key("format").integer(kHandOverFormat).key("version").string(version).end_object();
  return text;
}

std::string ready_text(std::span<const std::string> takes) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("kind").string("ready").key("takes").begin_array();
  for (const std::string& name : takes) writer.string(name);
  writer.end_array().end_object();
  return text;
}

std::string failed_text(std::string_view problem) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("kind").string("failed");
  writer.key("problem").string(problem.substr(0, kProblemBytesMax)).end_object();
  return text;
}

std::string go_text() { return R"({"kind":"go"})"; }

std::string hand_over_text(const HandOver& hand_over) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("kind").string("hand_over");
  writer.key("format").integer(kHandOverFormat);
  writer.key("version").string(hand_over.version);
  writer.key("generation").unsigned_integer(hand_over.generation);
  writer.key("descriptors").begin_array();
  for (const GivenDescriptor& item : hand_over.descriptors) {
    writer.begin_object().key("name").string(item.name);
    writer.key("place").string(item.place).end_object();
  }
  writer.end_array().end_object();
  return text;
}

std::expected<SuccessorWord, std::string> read_successor_word(std::string_view text) {
  const auto message = json::parse_value(text, kLimits);
  if (!message) return std::unexpected(std::string(kNotUnderstood));
  SuccessorWord word;
  if (has_kind(*message, "prepared")) {
    if (auto checked = check_format(*message); !checked) return std::unexpected(checked.error());
    word.kind = SuccessorWord::Kind::kPrepared;
    if (const std::string* version = text_of(*message, "version")) word.version = *version;
    return word;
  }
  if (has_kind(*message, "failed")) {
    const std::string* problem = text_of(*message, "problem");
    word.problem = problem == nullptr || problem->empty() ? "it did not say why" : *problem;
    return word;
  }
  const json::Value* takes = message->find("takes");
  const bool is_ready =
      has_kind(*message, "ready") && takes != nullptr && takes->as_array() != nullptr;
  if (!is_ready) return std::unexpected(std::string(kNotUnderstood));
  word.kind = SuccessorWord::Kind::kReady;
  for (const json::Value& name : *takes->as_array()) {
    if (name.as_string() == nullptr) return std::unexpected(std::string(kNotUnderstood));
    word.takes.push_back(*name.as_string());
  }
  return word;
}

std::expected<HandOver, std::string> read_hand_over(std::string_view text,
                                                    std::span<const int> fds) {
  const auto message = json::parse_value(text, kLimits);
  if (!message || !has_kind(*message, "hand_over")) {
    return std::unexpected(std::string(kNotUnderstood));
  }
  if (auto checked = check_format(*message); !checked) return std::unexpected(checked.error());
  HandOver hand_over;
  if (const std::string* version = text_of(*message, "version")) hand_over.version = *version;
  int64_t generation = 0;
  const json::Value* number = message->find("generation");
  const json::Value* list = message->find("descriptors");
  const bool is_whole = number != nullptr && number->as_integer(generation) && generation >= 0 &&
                        list != nullptr && list->as_array() != nullptr &&
                        list->as_array()->size() == fds.size();
  if (!is_whole) return std::unexpected(std::string(kNotUnderstood));
  hand_over.generation = static_cast<uint64_t>(generation);
  for (size_t i = 0; i < fds.size(); ++i) {
    const json::Value& item = (*list->as_array())[i];
    const std::string *name = text_of(item, "name"), *place = text_of(item, "place");
    if (name == nullptr || place == nullptr) return std::unexpected(std::string(kNotUnderstood));
    hand_over.descriptors.push_back({*name, *place, fds[i]});
  }
  return hand_over;
}

bool is_go(std::string_view text) {
  const auto message = json::parse_value(text, kLimits);
  return message && has_kind(*message, "go");
}

}  // namespace sluice::app
