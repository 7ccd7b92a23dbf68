// Text of a script on its way to a client or a log.
#pragma once

#include <string>
#include <string_view>

namespace sluice::script {

// The beginning of `text` with '?' for control bytes; never cut within a UTF-8 character. What is
// not UTF-8 stays as it is: those who write JSON mend it.
[[nodiscard]] std::string plain_text(std::string_view text, size_t bytes_max);

}  // namespace sluice::script
