#include <sluice/auth/chain.h>

#include <algorithm>

#include <sluice/crypto/digest.h>

namespace sluice::auth {
namespace {

using config::SourceKind;

bool is_outside(SourceKind kind) noexcept {
  return kind == SourceKind::kRedis || kind == SourceKind::kDatabase ||
         kind == SourceKind::kWebhook || kind == SourceKind::kJwt;
}

Unexpected refuse(ErrorCode code, std::string_view why) noexcept {
  return fail(code, Side::kDownstream, why);
}

}  // namespace

Result<void> check_state(const FoundKey& found, WallTime now) noexcept {
  if (found.is_blocked) return refuse(ErrorCode::kKeyBlocked, "key blocked");
  if (found.not_before && now < *found.not_before) {
    return refuse(ErrorCode::kKeyNotYetValid, "key not valid yet");
  }
  if (found.expires && now >= *found.expires) return refuse(ErrorCode::kKeyExpired, "key expired");
  for (const Owner* owner : found.owners) {
    if (owner == nullptr) continue;
    if (owner->is_blocked) return refuse(ErrorCode::kKeyBlocked, "owner blocked");
    if (owner->expires && now >= *owner->expires) {
      return refuse(ErrorCode::kKeyExpired, "owner expired");
    }
  }
  return {};
}

// One walk along the sources for one key.
class Chain::Walk {
 public:
  Walk(const Chain& chain, const crypto::Digest& digest, WallTime wall, MonoTime now,
       const Directory& directory, const AnswerCache& cache, Decider* decider) noexcept
      : chain_(chain),
        digest_(digest),
        wall_(wall),
        now_(now),
        directory_(directory),
        cache_(cache),
        decider_(decider) {}

  Result<Identified> run() {
    const bool needs_all = chain_.settings_.mode == config::AuthMode::kAll;
    for (uint32_t i = 0; i < count(); ++i) {
      const Result<Step> step = ask(i);
      if (!step) return Unexpected(step.error());
      switch (*step) {
        case Step::kKnown:
          if (!needs_all) return known();
          is_known_ = true;
          break;
        case Step::kUnknown:
          if (needs_all) return refuse(ErrorCode::kInvalidApiKey, "a source does not know the key");
          break;
        case Step::kMustAsk: {
          Identified must{.by = Identified::By::kMustAsk};
          must.sources_end = needs_all ? count() : first_that_knows_behind(i);
          return must;
        }
      }
    }
    if (is_known_) return known();
    return refuse(ErrorCode::kInvalidApiKey, "unknown key");
  }

 private:
  enum class Step : uint8_t { kKnown, kUnknown, kMustAsk };

  [[nodiscard]] uint32_t count() const noexcept {
    return static_cast<uint32_t>(chain_.settings_.sources.size());
  }

  // What a script has said, also that it has no objection, holds for this request alone.
  Identified known() noexcept {
    if (has_asked_script_) result_.holds_until = std::min(result_.holds_until, now_);
    return result_;
  }

  Result<Step> ask(uint32_t i) {
    const config::SourceSettings& source = chain_.settings_.sources[i];
    if (source.kind == SourceKind::kFile) return ask_file();
    if (source.kind == SourceKind::kSqlite) return ask_directory();
    if (source.kind == SourceKind::kLua) return ask_script(i);
    return ask_cache(i, source);
  }

  Result<Step> ask_file() {
    const Answer answer = chain_.file_.ask(digest_, wall_);
    if (answer.verdict == Verdict::kDeny) {
      return refuse(ErrorCode::kInvalidApiKey, answer.reason);
    }
    if (answer.verdict == Verdict::kPass) return Step::kUnknown;
    if (!is_known_) result_ = {.principal = answer.principal};
    return Step::kKnown;
  }

  Result<Step> ask_directory() {
    const std::optional<FoundKey> found = directory_.find(digest_);
    if (!found) return Step::kUnknown;
    return take(*found, metrics::KeyAnswer::kStore, MonoTime::max());
  }

  Result<Step> ask_script(uint32_t i) {
    if (decider_ == nullptr) return Step::kUnknown;
    has_asked_script_ = true;
    const bool has_found = is_known_ && result_.by == Identified::By::kFound;
    const AnsweredKey* said = nullptr;
    const Verdict verdict = decider_->decide(i, has_found ? &result_.found : nullptr, &said);
    if (verdict == Verdict::kDeny) return refuse(ErrorCode::kScriptRefused, "a script refused");
    if (verdict == Verdict::kPass) return Step::kUnknown;
    if (is_known_ || said == nullptr) return Step::kKnown;
    return take(said->view(directory_), metrics::KeyAnswer::kAsked, now_);
  }

  Result<Step> ask_cache(uint32_t i, const config::SourceSettings& source) {
    const AnswerCache::Said* said = cache_.find(digest_, i);
    if (said == nullptr) return Step::kMustAsk;
    metrics::KeyAnswer from = metrics::KeyAnswer::kCache;
    MonoTime holds_until = said->fresh_until;
    if (!said->is_known || now_ >= said->fresh_until) {
      const bool may_stand_in = said->is_known && said->has_failed && now_ < said->stale_until &&
                                source.on_error == config::SourceLoss::kAllowCached;
      const bool has_just_failed = now_ < said->failed_until;
      if (!may_stand_in) {
        if (!has_just_failed) return Step::kMustAsk;
        return fail(ErrorCode::kKeySourceFailed, Side::kSelf, "a key source cannot be asked");
      }
      from = metrics::KeyAnswer::kStale;
      holds_until = has_just_failed ? said->failed_until : now_;
      if (!has_just_failed) refresh_before(i + 1);
    }
    if (said->found == nullptr) return Step::kUnknown;
    return take(said->found->view(directory_), from, holds_until);
  }

  // In mode `all` the first that knows the key says who it is; each one must allow it.
  Result<Step> take(const FoundKey& found, metrics::KeyAnswer from, MonoTime holds_until) {
    if (is_known_) {
      if (const Result<void> checked = check_state(found, wall_); !checked) {
        return Unexpected(checked.error());
      }
      if (found.terms->kind != KeyKind::kInference) {
        return refuse(ErrorCode::kWrongKeyType, "not an inference key to every source");
      }
      result_.holds_until = std::min(result_.holds_until, holds_until);
      return Step::kKnown;
    }
    const bool is_refresh_due = result_.is_refresh_due;
    const uint32_t sources_end = result_.sources_end;
    result_ = {.by = Identified::By::kFound,
               .from = from,
               .found = found,
               .holds_until = holds_until,
               .sources_end = sources_end,
               .is_refresh_due = is_refresh_due};
    return Step::kKnown;
  }

  void refresh_before(uint32_t end) noexcept {
    result_.is_refresh_due = true;
    result_.sources_end = std::max(result_.sources_end, end);
  }

  // Sources behind one on this shard that knows the key need not be asked.
  [[nodiscard]] uint32_t first_that_knows_behind(uint32_t i) const noexcept {
    for (uint32_t next = i + 1; next < count(); ++next) {
      const SourceKind kind = chain_.settings_.sources[next].kind;
      if (is_outside(kind)) continue;
      if (kind == SourceKind::kFile && chain_.file_.ask(digest_, wall_).verdict == Verdict::kPass) {
        continue;
      }
      if (kind == SourceKind::kSqlite && !directory_.find(digest_)) continue;
      return next;
    }
    return count();
  }

  const Chain& chain_;
  const crypto::Digest& digest_;
  WallTime wall_;
  MonoTime now_;
  const Directory& directory_;
  const AnswerCache& cache_;
  Decider* decider_;
  bool is_known_ = false;
  bool has_asked_script_ = false;
  Identified result_;
};

Chain::Chain(KeyTable table, const config::AuthSettings& settings) noexcept
    : file_(table), settings_(settings) {
  const auto is_file = [](const config::SourceSettings& source) {
    return source.kind == SourceKind::kFile;
  };
  has_more_sources_ = !std::ranges::all_of(settings.sources, is_file);
  is_open_ = table.development && table.keys.empty() && !has_more_sources_;
  file_decides_ = settings.sources.empty() ||
                  (is_file(settings.sources.front()) &&
                   (settings.mode == config::AuthMode::kFirstMatch || !has_more_sources_));
}

Result<Claim> Chain::read(const Credentials& credentials, WallTime now,
                          KeyMemory& memory) const noexcept {
  // Tenant 0 is "default", which every snapshot has.
  if (is_open_) return Claim{.principal = Principal{.key = {}, .tenant = TenantId{0}}};
  if (const std::string_view subject = memory.certificate_subject(); !subject.empty()) {
    // Proven by the handshake, so it goes before the headers, which SDKs fill with any text.
    const Answer answer = file_.ask_subject(subject, now);
    if (answer.verdict == Verdict::kAllow) return Claim{.principal = answer.principal};
    if (answer.verdict == Verdict::kDeny) return refuse(ErrorCode::kInvalidApiKey, answer.reason);
  }
  if (const crypto::Digest* known = memory.recall(credentials)) return Claim{.digest = *known};
  const Result<std::string_view> secret = extract_secret(credentials);
  if (!secret) return Unexpected(secret.error());
  return Claim{.digest = crypto::sha256(*secret), .secret = *secret};
}

Answer Chain::ask_file(const crypto::Digest& digest, WallTime now) const noexcept {
  if (!file_decides_) return {};
  Answer answer = file_.ask(digest, now);
  if (answer.verdict == Verdict::kPass && !has_more_sources_) {
    answer.verdict = Verdict::kDeny;
    answer.reason = "unknown key";
  }
  return answer;
}

Result<Identified> Chain::identify(const crypto::Digest& digest, WallTime wall, MonoTime now,
                                   const Directory& directory, const AnswerCache& cache,
                                   Decider* decider) const {
  return Walk(*this, digest, wall, now, directory, cache, decider).run();
}

}  // namespace sluice::auth
