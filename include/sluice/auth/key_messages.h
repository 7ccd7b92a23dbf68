// What the control thread and the shards say to each other about keys.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <sluice/auth/directory.h>
#include <sluice/auth/key_source.h>

namespace sluice::auth {

// From now on this is what keys are looked up in. Its parts live until the shard has said
// DirectoryAdopted of a later version.
struct AdoptDirectory {
  Directory directory;
};

// What the sources outside said of one digest, by the index of AuthSettings::sources; of those that
// were not asked, `kind` is kNotFound and was_asked false.
struct SourceSaid {
  uint32_t source = 0;
  KeyAnswer answer;
};
struct LookupAnswered {
  crypto::Digest digest{};
  uint64_t generation = 0;  // Of the configuration whose sources were asked.
  std::vector<SourceSaid> said;
};

using KeyCommand = std::variant<std::monostate, AdoptDirectory, std::unique_ptr<LookupAnswered>>;

// The shard uses no earlier version any more.
struct DirectoryAdopted {
  uint64_t version = 0;
};
// A request waits for what the sources say. Answered once, whatever happens, at most
// AuthSettings::wait_max later, also when the asking was given up meanwhile.
struct KeyAsked {
  KeyQuestion question;
  // The sources before this index are asked in order, until one knows the key (first_match) or all
  // have answered (all). A later one can decide on the shard.
  uint32_t sources_end = 0;
};

using KeyReport = std::variant<std::monostate, DirectoryAdopted, std::unique_ptr<KeyAsked>>;

}  // namespace sluice::auth
