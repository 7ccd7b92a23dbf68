#include <sluice/exchange/generation.h>

#include <sluice/http/serializer.h>
#include <sluice/json/writer.h>

namespace sluice::exchange {
namespace {

std::string write_request_fields(const config::Upstream& upstream) {
  constexpr size_t kOwnFieldsMax = 256;
  size_t bytes = kOwnFieldsMax + upstream.endpoint.authority.size() +
                 upstream.credential.name.size() + upstream.credential.value.size();
  for (const config::Header& header : upstream.headers) {
    bytes += header.name.size() + header.value.size() + 4;
  }
  std::string text(bytes, '\0');
  http::HeadWriter writer(text);
  writer.header("host", upstream.endpoint.authority);
  writer.header("content-type", "application/json").header("accept", "*/*");
  if (!upstream.credential.name.empty()) {
    writer.any_header(upstream.credential.name, upstream.credential.value);
  }
  for (const config::Header& header : upstream.headers) {
    writer.any_header(header.name, header.value);
  }
  text.resize(writer.text().size());
  return text;
}

}  // namespace

Generation::Generation(const config::Snapshot& snapshot, metrics::SnapshotCells snapshot_cells,
                       ShardId shard)
    : config(snapshot),
      cells(std::move(snapshot_cells)),
      auth(auth::KeyTable(snapshot)),
      router(shard, snapshot.models, snapshot.upstreams) {
  for (const config::Model& model : snapshot.models) {
    std::vector<std::string>& names = model_names.emplace_back();
    for (const config::Route& route : model.routes) {
      names.push_back(route.model == model.name ? std::string() : json::quote(route.model));
    }
  }
  for (const config::Upstream& upstream : snapshot.upstreams) {
    request_fields.push_back(write_request_fields(upstream));
  }
  for (const std::string& name : snapshot.forward_headers) {
    forwarded_headers.push_back({.id = http::header_name(name), .name = name});
  }
}

}  // namespace sluice::exchange
