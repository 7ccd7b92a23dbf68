#include "render.h"

#include <algorithm>
#include <cstdint>

namespace sluice::sluicectl {
namespace {

constexpr std::string_view kDollars = "micro_dollars";

bool is_number(std::string_view text) {
  return !text.empty() &&
         (text == "-" || text.find_first_not_of("0123456789.eE+-") == std::string_view::npos);
}

// How many columns of a terminal; every character is taken for one.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
}

// Of a time the seconds are enough.
std::string cell_of(const std::string& text) {
  const bool is_exact = text.size() == 27 && text[10] == 'T' && text[19] == '.' && text[26] == 'Z';
  if (is_exact) return printable(text.substr(0, 19)) + "Z";
  return text.empty() ? "-" : printable(text);
}

std::string cell_of(const json::Object& members) {
  std::string text;
  for (const json::Member& member : members) {
    if (member.value.is_null()) continue;
    text += (text.empty() ? "" : ",") + printable(member.name) + "=" + cell(member.value);
  }
  return text.empty() ? "-" : text;
}

std::string cell_of(const json::Array& list) {
  std::string text;
  for (const json::Value& item : list) {
    const bool is_object = item.as_object() != nullptr;
    text += text.empty() ? "" : is_object ? "; " : ",";
    text += cell(item);
  }
  return text.empty() ? "-" : text;
}

const json::Value& member_or_all(const json::Value& answer, std::string_view member) {
  const json::Value* found = member.empty() ? nullptr : answer.find(member);
  return found == nullptr ? answer : *found;
}

std::string render_page(const Command& command, const json::Value& answer) {
  std::string text = render_list(items(answer, command.member), command.columns);
  const json::Value* next = answer.find("next");
  if (next != nullptr && next->as_string() != nullptr) {
    text += "there are more: add --cursor " + printable(*next->as_string()) + "\n";
  }
  if (is_true(answer, "has_more")) text += "there are more than these\n";
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown(text);
  for (size_t i = 0; i < shown.size(); ++i) {
    const auto c = static_cast<unsigned char>(shown[i]);
    // U+0080 to U+009F are control characters, too.
    const bool is_long =
        c == 0xc2 && i + 1 < shown.size() && static_cast<unsigned char>(shown[i + 1]) < 0xa0;
    if (c < 0x20 || c == 0x7f) shown[i] = '?';
    if (is_long) shown.replace(i, 2, "?");
  }
  return shown;
}

std::string cell(const json::Value& value) {
  if (value.is_null()) return "-";
  if (const std::string* text = value.as_string()) return cell_of(*text);
  if (const json::Array* list = value.as_array()) return cell_of(*list);
  if (const json::Object* members = value.as_object()) return cell_of(*members);
  std::string text;
  value.write(text);
  // Rates are as wide when they are whole.
  const bool is_fraction = std::holds_alternative<double>(value.content());
  if (is_fraction && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string cell(const json::Value& object, std::string_view member) {
  const json::Value* value = object.find(member);
  return value == nullptr ? "-" : cell(*value);
}

bool is_true(const json::Value& object, std::string_view member) noexcept {
  const json::Value* value = object.find(member);
  const bool* truth = value == nullptr ? nullptr : value->as_boolean();
  return truth != nullptr && *truth;
}

const json::Array& items(const json::Value& object, std::string_view member) noexcept {
  static const json::Array kNone;
  const json::Value* value = object.find(member);
  const json::Array* list = value == nullptr ? nullptr : value->as_array();
  return list == nullptr ? kNone : *list;
}

std::string title_of(std::string_view member) {
  std::string title(member);
  for (char& c : title) c = c == '_' ? '-' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return title;
}

std::string dollars(std::string micro) {
  if (micro == "-") return micro;
  if (micro.size() < 7) micro.insert(0, 7 - micro.size(), '0');
  return micro.insert(micro.size() - 6, ".");
}

std::string render_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.empty() ? 0 : rows.front().size());
  std::vector<bool> are_numbers(widths.size(), rows.size() > 1);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < widths.size(); ++c) {
      widths[c] = std::max(widths[c], width_of(rows[r][c]));
      if (r > 0 && !is_number(rows[r][c])) are_numbers[c] = false;
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string space(widths[c] - width_of(row[c]), ' ');
      if (c > 0) line += "  ";
      line += are_numbers[c] ? space + row[c] : row[c] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string render_list(const json::Array& list, std::string_view columns) {
  std::vector<std::vector<std::string>> rows(1);
  std::vector<std::string_view> members;
  for (const std::string_view column : split(columns, ' ')) {
    const size_t mark = column.find('=');
    members.push_back(column.substr(0, mark));
    rows[0].push_back(mark == std::string_view::npos ? title_of(column)
                                                     : std::string(column.substr(mark + 1)));
  }
  for (const json::Value& item : list) {
    auto& row = rows.emplace_back();
    for (const std::string_view member : members) {
      std::string text = cell(item, member);
      row.push_back(member == kDollars ? dollars(std::move(text)) : std::move(text));
    }
  }
  return render_table(rows);
}

std::string render_record(const json::Value& record) {
  std::vector<std::vector<std::string>> rows;
  if (record.as_object() == nullptr) return "";
  for (const json::Member& member : *record.as_object()) {
    rows.push_back({printable(member.name) + ":", cell(member.value) + " "});
  }
  // The space keeps numbers to the left; render_table takes it away.
  return render_table(rows);
}

std::string fill_in(std::string_view text, const json::Value& record) {
  std::string filled;
  while (!text.empty()) {
    const size_t begin = std::min(text.find('{'), text.size());
    filled += text.substr(0, begin);
    text.remove_prefix(begin);
    const size_t end = text.find('}');
    if (text.empty() || end == std::string_view::npos) break;
    filled += cell(record, text.substr(1, end - 1));
    text.remove_prefix(end + 1);
  }
  return filled;
}

std::string render_sentences(const json::Array& list, std::string_view before) {
  std::string text;
  for (const json::Value& sentence : list) text += std::string(before) + cell(sentence) + "\n";
  return text;
}

std::string render(const Command& command, const json::Value& answer) {
  switch (command.shape) {
    case Shape::kOwn: return command.render(answer);
    case Shape::kTable: return render_page(command, answer);
    case Shape::kRecord:
    case Shape::kSecret: return render_record(member_or_all(answer, command.member));
    case Shape::kSentence:
      return fill_in(command.columns, member_or_all(answer, command.member)) + "\n";
    case Shape::kRaw:
    case Shape::kLocal: break;
  }
  return "";
}

std::string render_refusal(const json::Value& answer, bool is_failure) {
  const json::Value* error = answer.find("error");
  const std::string message = error == nullptr ? "without a reason" : cell(*error, "message");
  return (is_failure ? "failed: " : "refused: ") + message + "\n" +
         render_sentences(items(answer, "problems"), "");
}

}  // namespace sluice::sluicectl
