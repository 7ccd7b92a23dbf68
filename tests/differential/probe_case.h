// What the probes are asked, one case after the other on their standard input.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

inline constexpr uint32_t kCaseBytesMax = 16u << 20;

// A letter for the kind, four bytes for the size, the bytes. False at the end.
inline bool read_case(char& kind, std::string& bytes) {
  unsigned char head[5];
  if (std::fread(head, 1, sizeof head, stdin) != sizeof head) return false;
  kind = static_cast<char>(head[0]);
  uint32_t size = 0;
  std::memcpy(&size, head + 1, sizeof size);
  if (size > kCaseBytesMax) return false;
  bytes.resize(size);
  return std::fread(bytes.data(), 1, size, stdin) == size;
}
