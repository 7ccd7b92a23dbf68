// A file whose text is replaced at one instant.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace sluice::control {

// Writes `text` beside the file that `path` leads to, with that file's mode and owner, and renames
// it over: whoever reads has the old text or the new one, also after a crash. The error is a
// sentence. Blocks on the disk.
[[nodiscard]] std::expected<void, std::string> replace_file(const std::string& path,
                                                            std::string_view text);

}  // namespace sluice::control
