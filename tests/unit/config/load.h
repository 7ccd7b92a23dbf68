// Loads a text and gives what came of it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/config/loader.h>

#include "fake_environment.h"

namespace sluice::config {

inline bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// One diagnostic a line.
inline std::string lines_of(const std::vector<Diagnostic>& diagnostics) {
  std::string lines;
  for (const Diagnostic& diagnostic : diagnostics) lines += to_string(diagnostic) + "\n";
  return lines;
}

inline std::string errors_of(std::string_view text,
                             const Environment& environment = FakeEnvironment()) {
  const LoadOutcome outcome = load_text(text, "x.yaml", environment);
  EXPECT_EQ(outcome.snapshot == nullptr, !outcome.errors.empty());
  return lines_of(outcome.errors);
}

inline std::unique_ptr<const Snapshot> loaded(std::string_view text,
                                              const Environment& environment = FakeEnvironment(),
                                              const Members& members = {}) {
  LoadOutcome outcome = load_text(text, "x.yaml", environment, members);
  EXPECT_EQ(lines_of(outcome.errors), "");
  return std::move(outcome.snapshot);
}

// One upstream with `fields`, lines that begin with four spaces, and a model of it.
inline std::string with_upstream(std::string_view fields) {
  return "listen: 127.0.0.1:0\ndevelopment: true\n"
         "upstreams:\n  - name: up\n    url: http://up.example\n" +
         std::string(fields) + "models:\n  - {name: m, routes: [{upstream: up}]}\n";
}

// One upstream and a model of it; then more of the file.
inline std::string with_one_model(std::string_view more) {
  return "listen: 127.0.0.1:0\ndevelopment: true\nupstreams: [{name: up, url: 'http://a'}]\n"
         "models: [{name: m, routes: [{upstream: up}]}]\n" +
         std::string(more);
}

// `items` of the list of models, over two upstreams `up` and `other`; then more of the file.
inline std::string with_models(std::string_view items, std::string_view more = "") {
  return "listen: 127.0.0.1:0\ndevelopment: true\n"
         "upstreams: [{name: up, url: 'http://up.example', timeouts: {idle: 7s, connect: 8s}},\n"
         "            {name: other, url: 'http://other.example'}]\nmodels:\n" +
         std::string(items) + std::string(more);
}

}  // namespace sluice::config
