#include <algorithm>
#include <array>
#include <utility>

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "bounds.h"
#include "fields.h"
#include "schema.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr size_t kCertificatesMax = 256;
constexpr size_t kPinsMax = 16;
constexpr std::string_view kFile = "file://";

// A path or file:///path; the file is read later, so that its faults have places in it.
std::optional<std::string> read_file_name(Walk& walk, const Node& node) {
  if (node.kind == NodeKind::kScalar && node.text.starts_with("-----BEGIN")) {
    walk.error(node, "must be the path of a file, not its content",
               "put the PEM text into a file and write the file's path");
    return std::nullopt;
  }
  auto path = walk.path(node, kPathBytesMax);
  if (!path) return std::nullopt;
  const size_t scheme_end = path->find("://");
  if (scheme_end == std::string::npos) return path;
  if (!path->starts_with(kFile) || path->size() == kFile.size() || (*path)[kFile.size()] != '/') {
    walk.error(node, "must name a file", "write /path/of/the/file or file:///path/of/the/file");
    return std::nullopt;
  }
  return path->substr(kFile.size());
}

template <auto Member>
constexpr auto read_file = [](Walk& walk, const Node& node, auto& out) {
  if (auto path = read_file_name(walk, node)) out.*Member = std::move(*path);
};

template <auto Member>
constexpr auto read_version = [](Walk& walk, const Node& node, auto& out) {
  static constexpr std::array<std::string_view, 2> kWords = {"1.2", "1.3"};
  const auto index = walk.choice(node, kWords);
  if (index) out.*Member = *index == 0 ? TlsVersion::k12 : TlsVersion::k13;
};

constexpr std::array kCertificateFields = {
    Field<CertificateFiles>{"certificate", read_file<&CertificateFiles::certificate>,
                            Presence::kRequired},
    Field<CertificateFiles>{"key", read_file<&CertificateFiles::key>, Presence::kRequired},
    Field<CertificateFiles>{"ocsp", read_file<&CertificateFiles::ocsp>}};

void read_certificates(Walk& walk, const Node& node, ListenerTls& tls) {
  read_list(walk, node, kCertificatesMax, [&](const Node& item, size_t) {
    CertificateFiles files;
    read_mapping(walk, item, kCertificateFields, files);
    const bool is_repeated = std::ranges::any_of(tls.certificates, [&](const auto& other) {
      return !files.certificate.empty() && other.certificate == files.certificate;
    });
    if (is_repeated) {
      walk.error(item, "names a certificate that stands above already", "name each one once");
    }
    tls.certificates.push_back(std::move(files));
  });
}

void read_client_certificates(Walk& walk, const Node& node, ListenerTls& tls) {
  static constexpr std::array<std::string_view, 3> kWords = {"none", "optional", "required"};
  const auto index = walk.choice(node, kWords);
  if (index) tls.client_certificates = static_cast<ClientCertificates>(*index);
}

constexpr std::array kListenerTlsFields = {
    Field<ListenerTls>{"certificates", read_certificates, Presence::kRequired,
                       list_section<kCertificateFields>},
    Field<ListenerTls>{"version_min", read_version<&ListenerTls::version_min>},
    Field<ListenerTls>{"client_certificates", read_client_certificates},
    Field<ListenerTls>{"client_ca", read_file<&ListenerTls::client_ca>},
    Field<ListenerTls>{"handshakes_per_second",
                       read_number<&ListenerTls::handshakes_per_second, 1, 100'000>},
    Field<ListenerTls>{"handshakes_per_address",
                       read_number<&ListenerTls::handshakes_per_address, 0, 100'000>},
    Field<ListenerTls>{"handshake_timeout",
                       read_duration<&ListenerTls::handshake_timeout, kTimeoutMin, kHour>},
    Field<ListenerTls>{"hsts",
                       read_switched_duration<&ListenerTls::hsts, kSecond, 87'600 * kHour>}};

// A client certificate's two files become one identity once both have been read.
struct UpstreamTlsDraft {
  UpstreamTls tls;
  CertificateFiles identity;
};

template <auto Member>
constexpr auto of_tls =
    [](Walk& walk, const Node& node, UpstreamTlsDraft& draft) { Member(walk, node, draft.tls); };

template <auto Member>
constexpr auto of_identity = [](Walk& walk, const Node& node, UpstreamTlsDraft& draft) {
  Member(walk, node, draft.identity);
};

void read_server_name(Walk& walk, const Node& node, UpstreamTls& tls) {
  const auto text = walk.text(node);
  if (!text) return;
  auto name = parse_server_name(*text);
  if (!name) {
    return walk.error(node, "must be a host name or a numeric address",
                      "write the name that the server's certificate is for");
  }
  tls.server_name = std::move(*name);
}

std::optional<std::array<uint8_t, 32>> parse_pin(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256/";
  constexpr size_t kDigestTextBytes = 44;  // Of 32 bytes, with one '='.
  if (!text.starts_with(kAlgorithm)) return std::nullopt;
  text.remove_prefix(kAlgorithm.size());
  std::string bytes;
  std::array<uint8_t, 32> pin{};
  const absl::string_view source(text.data(), text.size());
  if (text.size() != kDigestTextBytes || !absl::Base64Unescape(source, &bytes)) return std::nullopt;
  // The decoder skips spaces and takes bits that stand for nothing.
  if (bytes.size() != pin.size() || absl::Base64Escape(bytes) != source) return std::nullopt;
  std::ranges::transform(bytes, pin.begin(), [](char c) { return static_cast<uint8_t>(c); });
  if (pin == std::array<uint8_t, 32>{}) return std::nullopt;  // Stands for "cannot be read".
  return pin;
}

void read_pins(Walk& walk, const Node& node, UpstreamTls& tls) {
  read_list(walk, node, kPinsMax, [&](const Node& item, size_t) {
    const auto text = walk.text(item);
    if (!text) return;
    const auto pin = parse_pin(*text);
    if (!pin) {
      return walk.error(item, "must be sha256/ and a SHA-256 in base64",
                        "docs/config.md \"TLS\" has the command that prints it");
    }
    if (std::ranges::find(tls.pins, *pin) != tls.pins.end()) {
      return walk.error(item, "repeats a pin", "name each one once");
    }
    tls.pins.push_back(*pin);
  });
}

constexpr std::array kUpstreamTlsFields = {
    Field<UpstreamTlsDraft>{"ca", of_tls<read_file<&UpstreamTls::ca>>},
    Field<UpstreamTlsDraft>{"verify", of_tls<read_boolean<&UpstreamTls::verify>>},
    Field<UpstreamTlsDraft>{"server_name", of_tls<read_server_name>},
    Field<UpstreamTlsDraft>{"certificate", of_identity<read_file<&CertificateFiles::certificate>>},
    Field<UpstreamTlsDraft>{"key", of_identity<read_file<&CertificateFiles::key>>},
    Field<UpstreamTlsDraft>{"pins", of_tls<read_pins>},
    Field<UpstreamTlsDraft>{"version_min", of_tls<read_version<&UpstreamTls::version_min>>}};

}  // namespace

void read_listener_tls(Walk& walk, const Node& node, Snapshot& snapshot) {
  ListenerTls& tls = snapshot.tls.emplace();
  read_mapping(walk, node, kListenerTlsFields, tls);
  if (node.kind != NodeKind::kMapping) return;
  const Node* ca = find_key(node, "client_ca");
  if (tls.client_certificates == ClientCertificates::kNone) {
    if (ca == nullptr) return;
    const Walk::Step step(walk, "client_ca");
    walk.error(*ca, "has no effect without client certificates",
               "write `client_certificates: optional` or `required`, or remove it");
  } else if (ca == nullptr) {
    const Walk::Step step(walk, "client_ca");
    walk.error(node, "is missing: client certificates need an authority to be checked against",
               "add a line `client_ca:` with the file of that authority's certificate");
  }
}

void read_upstream_tls(Walk& walk, const Node& node, Upstream& upstream) {
  const bool has_url = !upstream.endpoint.host.empty();
  if (has_url && !upstream.tls) {
    return walk.error(node, "has no effect, because url is http", "write https:// or remove it");
  }
  UpstreamTlsDraft draft;
  if (upstream.tls) draft.tls = std::move(*upstream.tls);
  read_mapping(walk, node, kUpstreamTlsFields, draft);
  if (node.kind != NodeKind::kMapping) return;
  const bool has_certificate = find_key(node, "certificate") != nullptr;
  if (has_certificate != (find_key(node, "key") != nullptr)) {
    walk.error(node, "has only one of `certificate` and `key`", "add the other, or remove both");
  }
  if (has_certificate) draft.tls.identity = std::move(draft.identity);
  if (has_url) upstream.tls = std::move(draft.tls);
}

void list_listener_tls_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kListenerTlsFields, prefix, names);
}

void list_upstream_tls_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kUpstreamTlsFields, prefix, names);
}

}  // namespace sluice::config
