#include <sluice/control/key_desk.h>

#include <utility>

#include <fmt/format.h>

#include "key_desk_state.h"

namespace sluice::control {
namespace {

class FileSeat final : public KeyDesk::StoreSeat {
 public:
  explicit FileSeat(std::unique_ptr<auth::KeyStore> store) noexcept : store_(std::move(store)) {}
  [[nodiscard]] auth::KeyStore& store() noexcept override { return *store_; }

 private:
  std::unique_ptr<auth::KeyStore> store_;
};

class LoggedProgress final : public auth::KeyStore::Progress {
 public:
  LoggedProgress(const std::string& path, Logger& log) noexcept : path_(path), log_(log) {}
  void on_keys(uint64_t read) override {
    log_.write(LogLevel::kInfo, "keys", fmt::format("reading {}: {} keys so far", path_, read));
  }

 private:
  const std::string& path_;
  Logger& log_;
};

// Both outlive it.
struct StoreJob {
  KeyDesk::Job* job;
  auth::KeyStore* store;

  auth::DirectoryChange operator()() const {
    (*job)(*store);
    return store->take_changes();
  }
};

}  // namespace

std::expected<void, std::string> KeyDesk::open(const std::string& path, Clock& clock) {
  const MonoTime begun = clock.now();
  auto store = auth::KeyStore::open(path, clock);
  if (!store) return std::unexpected(std::move(store.error()));
  LoggedProgress progress(path, parts_.log);
  auto index = (*store)->load(progress);
  if (!index) return std::unexpected(std::move(index.error().text));
  const auth::DirectoryFigures figures = auth::figures_of(**index);
  // Of the file as it was read; only what comes after is a change.
  (void)(*store)->take_changes();
  state_->store = std::make_unique<FileSeat>(*std::move(store));
  start(*std::move(index));
  parts_.log.write(
      LogLevel::kInfo, "keys",
      fmt::format("{}: {} keys and {} owners in {:.1f} MiB, read in {:.3g} s", path, figures.keys,
                  figures.owners, static_cast<double>(figures.bytes) / (1 << 20),
                  std::chrono::duration<double>(clock.now() - begun).count()));
  return {};
}

Task<std::expected<void, std::string>> KeyDesk::run(Job job) {
  if (state_->store == nullptr) {
    co_return std::unexpected(
        "there is no key store; name its file in store.path and restart Sluice");
  }
  StoreJob on_store{&job, &state_->store->store()};
  std::expected<void, std::string> outcome = co_await put_in_force(on_store);
  co_return outcome;
}

}  // namespace sluice::control
