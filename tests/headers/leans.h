// Uses a type that it does not include: compiles only after a header that does.
#pragma once

inline std::vector<int> none() { return {}; }
