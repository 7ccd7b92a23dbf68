#include "command.h"

#include <algorithm>
#include <array>

#include "render_own.h"

namespace sluice::sluicectl {
namespace {

using enum Place;

constexpr Parameter kId = {.name = "ID", .purpose = "its id", .place = kPath, .is_needed = true};
constexpr Parameter kName = {.name = "--name", .purpose = "what people call it", .member = "name"};
constexpr Parameter kOrganisation = {
    .name = "--organisation", .purpose = "id of its organisation", .member = "organisation"};
constexpr Parameter kTeam = {.name = "--team", .purpose = "id of its team", .member = "team"};
constexpr Parameter kExpires = {
    .name = "--expires",
    .purpose = "refused from then on: a time, a day, or a duration such as 30d",
    .kind = Kind::kTime,
    .member = "expires"};
constexpr Parameter kModels = {.name = "--model",
                               .purpose = "name it may call, * for any letters; none is all",
                               .kind = Kind::kTexts,
                               .member = "models"};
constexpr Parameter kLimits = {
    .name = "--limit",
    .purpose = "such as requests_per_minute=60 or budget_per_day=5 (dollars); all that hold",
    .kind = Kind::kAmounts,
    .member = "limits"};
constexpr Parameter kMetadata = {.name = "--metadata",
                                 .purpose = "NAME=TEXT that is kept with it",
                                 .kind = Kind::kPairs,
                                 .member = "metadata"};
constexpr Parameter kClear = {.name = "--clear",
                              .purpose = "member to set to nothing, such as expires",
                              .kind = Kind::kNulls};
constexpr Parameter kReplayKey = {.name = "--idempotency-key",
                                  .purpose = "the same words again do not make a second one",
                                  .place = kHeader,
                                  .member = "idempotency-key"};
constexpr Parameter kPage = {.name = "--limit",
                             .purpose = "how many at most, 1 to 1000",
                             .place = kQuery,
                             .kind = Kind::kInteger,
                             .member = "limit"};
constexpr Parameter kCursor = {.name = "--cursor",
                               .purpose = "where the list before this one ended",
                               .place = kQuery,
                               .member = "cursor"};
constexpr Parameter kFrom = {.name = "--from",
                             .purpose = "a time, a day, or how long ago, such as 24h",
                             .place = kQuery,
                             .kind = Kind::kPast,
                             .member = "from"};
constexpr Parameter kTo = {.name = "--to",
                           .purpose = "up to it, and without it",
                           .place = kQuery,
                           .kind = Kind::kPast,
                           .member = "to"};

constexpr Parameter in_query(Parameter parameter) {
  parameter.place = kQuery;
  return parameter;
}
constexpr Parameter filter(std::string_view option, std::string_view purpose) {
  return {.name = option, .purpose = purpose, .place = kQuery, .member = option.substr(2)};
}

constexpr std::array<Parameter, 15> kKeyParameters = {{
    kName,
    {.name = "--type",
     .purpose = "what it is for",
     .member = "type",
     .choices = "inference|management|read_only"},
    kOrganisation,
    kTeam,
    {.name = "--user", .purpose = "id of its user", .member = "user"},
    kExpires,
    {.name = "--not-before",
     .purpose = "refused until then",
     .kind = Kind::kTime,
     .member = "not_before"},
    kModels,
    kLimits,
    {.name = "--model-limit",
     .purpose = "limit on some models, such as gpt-4*:tokens_per_minute=1000",
     .kind = Kind::kModelLimits,
     .member = "model_limits"},
    {.name = "--allowed-address",
     .purpose = "range such as 10.0.0.0/8; none is all",
     .kind = Kind::kTexts,
     .member = "allowed_addresses"},
    {.name = "--denied-address",
     .purpose = "range that is refused",
     .kind = Kind::kTexts,
     .member = "denied_addresses"},
    {.name = "--weight",
     .purpose = "its share when requests wait",
     .kind = Kind::kInteger,
     .member = "weight"},
    {.name = "--priority-max",
     .purpose = "the highest priority it may ask for",
     .kind = Kind::kInteger,
     .member = "priority_max"},
    {.name = "--tag", .purpose = "a word to find it by", .kind = Kind::kTexts, .member = "tags"},
}};

template <class T, size_t kCount, size_t kMore>
constexpr std::array<T, kCount + kMore> join(const std::array<T, kCount>& first,
                                             const std::array<T, kMore>& more) {
  std::array<T, kCount + kMore> all{};
  for (size_t i = 0; i < kCount; ++i) all[i] = first[i];
  for (size_t i = 0; i < kMore; ++i) all[kCount + i] = more[i];
  return all;
}

constexpr std::array<Parameter, 1> kOne = {kId};
constexpr auto kKeyAll = join(kKeyParameters, std::array{kMetadata});
constexpr auto kKeyCreate =
    join(kKeyAll,
         std::array{Parameter{.name = "--from-file",
                              .purpose = "many keys at once, JSON or CSV; prints name,id,secret",
                              .place = kLocal,
                              .kind = Kind::kKeyFile},
                    kReplayKey});
constexpr auto kKeyUpdate = join(join(kOne, kKeyAll), std::array{kClear});
constexpr std::array<Parameter, 9> kKeyList = {{
    {.name = "--type",
     .purpose = "what they are for",
     .place = kQuery,
     .member = "type",
     .choices = "inference|management|read_only"},
    {.name = "--blocked",
     .purpose = "only those that are, or are not",
     .place = kQuery,
     .member = "blocked",
     .choices = "true|false"},
    in_query(kOrganisation),
    in_query(kTeam),
    filter("--user", "id of their user"),
    filter("--tag", "a word they have"),
    filter("--search", "part of their name, id or prefix"),
    kPage,
    kCursor,
}};
constexpr std::array<Parameter, 3> kRotate = {{
    kId,
    {.name = "--overlap",
     .purpose = "how long the former secret stays good, such as 24h; not at all without it",
     .member = "overlap"},
    kReplayKey,
}};
constexpr std::array<Parameter, 4> kSync = {{
    {.name = "FILE",
     .purpose = "keys as JSON or CSV, with their secrets or digests",
     .kind = Kind::kKeyFile,
     .member = "keys",
     .is_needed = true},
    {.name = "--mode",
     .purpose = "full deletes the keys that the file does not name",
     .member = "mode",
     .fallback = "incremental",
     .choices = "full|incremental"},
    {.name = "--dry-run",
     .purpose = "says what would happen",
     .kind = Kind::kFlag,
     .member = "dry_run"},
    {.name = "--allow-empty",
     .purpose = "lets a full sync of no key delete all",
     .kind = Kind::kFlag,
     .member = "allow_empty"},
}};

constexpr Parameter kOwnId = {
    .name = "--id", .purpose = "its id; made when it is not given", .member = "id"};
constexpr std::array<Parameter, 5> kOwnerShared = {kName, kExpires, kModels, kLimits, kMetadata};
constexpr auto kTeamShared = join(kOwnerShared, std::array{kOrganisation});
constexpr auto kUserShared = join(kTeamShared, std::array{kTeam});
constexpr auto kOwnerNew = std::array{kOwnId, kReplayKey};
constexpr auto kOrganisationCreate = join(kOwnerShared, kOwnerNew);
constexpr auto kTeamCreate = join(kTeamShared, kOwnerNew);
constexpr auto kUserCreate = join(kUserShared, kOwnerNew);
constexpr auto kOrganisationUpdate = join(join(kOne, kOwnerShared), std::array{kClear});
constexpr auto kTeamUpdate = join(join(kOne, kTeamShared), std::array{kClear});
constexpr auto kUserUpdate = join(join(kOne, kUserShared), std::array{kClear});
constexpr std::array<Parameter, 5> kOwnerList = {in_query(kOrganisation), in_query(kTeam),
                                                 filter("--search", "part of their name or id"),
                                                 kPage, kCursor};
constexpr std::array<Parameter, 2> kOwnerDelete = {{
    kId,
    {.name = "--with-all",
     .purpose = "deletes what belongs to it, too",
     .place = kQuery,
     .kind = Kind::kFlag,
     .member = "with_all"},
}};

constexpr std::array<Parameter, 6> kUsageFilters = {
    filter("--key", "id of a key"),
    filter("--tenant", "name of a tenant"),
    filter("--organisation", "id of an organisation"),
    filter("--team", "id of a team"),
    filter("--user", "id of a user"),
    filter("--model", "name of a model")};
constexpr auto kUsage = join(
    join(std::array{Parameter{.name = "--by",
                              .purpose = "what the sums are of",
                              .place = kQuery,
                              .member = "by",
                              .fallback = "key",
                              .choices = "key|team|user|organisation|tenant|model|deployment|day"}},
         kUsageFilters),
    std::array{kFrom, kTo});
constexpr auto kRecords = join(kUsageFilters, std::array{kFrom, kTo, kPage, kCursor});
constexpr std::array<Parameter, 2> kSpend = {{
    {.name = "--by",
     .purpose = "what the sums are of",
     .place = kPath,
     .fallback = "key",
     .choices = "key|tenant|model"},
    {.name = "--window",
     .purpose = "the present one of UTC, or all that the journal knows",
     .place = kPath,
     .fallback = "month",
     .choices = "day|week|month|total"},
}};
constexpr std::array<Parameter, 7> kAudit = {
    filter("--actor", "who did it: unix:uid=.., or the id of a key"),
    filter("--action", "such as key.create, or key.*"),
    filter("--object", "id of what it was done to"),
    kFrom,
    kTo,
    kPage,
    kCursor};
constexpr std::array<Parameter, 1> kCandidate = {{{.name = "FILE",
                                                   .purpose = "the candidate; - is standard input",
                                                   .kind = Kind::kFile,
                                                   .member = "text",
                                                   .is_needed = true}}};
constexpr std::array<Parameter, 1> kGeneration = {{{.name = "GENERATION",
                                                    .purpose = "as config history numbers them",
                                                    .kind = Kind::kInteger,
                                                    .member = "generation",
                                                    .is_needed = true}}};
constexpr std::array<Parameter, 1> kReload = {
    {{.name = "--expected-checksum",
      .purpose = "SHA-256 that the file must have, or nothing is done",
      .member = "expected_checksum"}}};
constexpr std::array<Parameter, 1> kUpgrade = {
    {{.name = "--timeout",
      .purpose = "how long the new process may take until it serves, such as 2m; 50s without it",
      .member = "timeout"}}};
constexpr std::array<Parameter, 1> kUpstream = {
    {{.name = "UPSTREAM", .purpose = "its name", .place = kPath, .is_needed = true}}};
constexpr std::array<Parameter, 2> kCooldown = {
    kUpstream[0],
    {.name = "TIME", .purpose = "how long, such as 30s", .member = "for", .is_needed = true}};
constexpr std::array<Parameter, 2> kSubject = {{
    {.name = "SCOPE",
     .purpose = "what the subject is",
     .place = kPath,
     .is_needed = true,
     .choices = "key|tenant|team|user|organisation|model|gateway|ip|upstream"},
    {.name = "SUBJECT",
     .purpose = "its id, name or address; not needed for the gateway",
     .place = kPath,
     .fallback = "all"},
}};
constexpr std::array<Parameter, 1> kLevel = {{{.name = "LEVEL",
                                               .purpose = "shows the present one without it",
                                               .member = "level",
                                               .choices = "debug|info|warn|error|off"}}};
constexpr std::array<Parameter, 2> kTop = {{
    {.name = "--once",
     .purpose = "prints one view, of two samples, and ends",
     .place = kLocal,
     .kind = Kind::kFlag},
    {.name = "--interval",
     .purpose = "between two samples, 100ms to 1m",
     .place = kLocal,
     .fallback = "1s"},
}};
constexpr std::array<Parameter, 1> kShell = {{{.name = "SHELL",
                                               .purpose = "the one to complete in",
                                               .place = kLocal,
                                               .is_needed = true,
                                               .choices = "bash|zsh|fish"}}};

constexpr std::string_view kKeyColumns =
    "id name prefix type status organisation team user expires tags";
constexpr std::string_view kOwnerColumns = "id name organisation team blocked expires limits";
constexpr std::string_view kLimitColumns =
    "name measure window most used remaining resets_in_s enforced";
constexpr std::string_view kUsageColumns =
    "name requests micro_dollars=DOLLARS input_tokens output_tokens cached_tokens reasoning_tokens "
    "errors unknown";
constexpr std::string_view kTold = "told {upstream}; sluicectl upstreams shows its state";
constexpr std::string_view kRecordColumns =
    "ended key team model deployment status input_tokens output_tokens micro_dollars=DOLLARS "
    "source error";

// The seven commands of one level of owners; $ in a path is the group.
constexpr std::array<Command, 7> owner_commands(std::string_view group, std::string_view one,
                                                std::span<const Parameter> create,
                                                std::span<const Parameter> update) {
  return {{
      {group, "create", "make one", "POST", "/v1/$", create, Shape::kRecord, one},
      {group, "list", "all, by id", "GET", "/v1/$", kOwnerList, Shape::kTable, group,
       kOwnerColumns},
      {group, "show", "all of one", "GET", "/v1/$/{}", kOne, Shape::kRecord, one},
      {group, "update", "change what is given", "PATCH", "/v1/$/{}", update, Shape::kRecord, one},
      {group, "block", "refuse all its keys from now on", "POST", "/v1/$/{}/block", kOne,
       Shape::kSentence, one, "{level} {id}: blocked is {blocked}"},
      {group, "unblock", "let its keys in again", "POST", "/v1/$/{}/unblock", kOne,
       Shape::kSentence, one, "{level} {id}: blocked is {blocked}"},
      {group, "delete", "delete it; asks for its name", "DELETE", "/v1/$/{}", kOwnerDelete,
       Shape::kSentence, "", "deleted {id}", nullptr, Question::kName, "This deletes"},
  }};
}

constexpr std::array<Command, 9> kKeyCommands = {{
    {"keys", "create", "make a key; its secret is shown this once", "POST", "/v1/keys", kKeyCreate,
     Shape::kSecret, "key"},
    {"keys", "list", "keys, by id", "GET", "/v1/keys", kKeyList, Shape::kTable, "keys",
     kKeyColumns},
    {"keys", "show", "all of one key", "GET", "/v1/keys/{}", kOne, Shape::kRecord, "key"},
    {"keys", "update", "change what is given", "PATCH", "/v1/keys/{}", kKeyUpdate, Shape::kRecord,
     "key"},
    {"keys", "block", "refuse it from now on", "POST", "/v1/keys/{}/block", kOne, Shape::kSentence,
     "key", "key {id} is {status}"},
    {"keys", "unblock", "let it in again", "POST", "/v1/keys/{}/unblock", kOne, Shape::kSentence,
     "key", "key {id} is {status}"},
    {"keys", "rotate", "give it a new secret, shown this once", "POST", "/v1/keys/{}/rotate",
     kRotate, Shape::kSecret, "key"},
    {"keys", "delete", "delete it", "DELETE", "/v1/keys/{}", kOne, Shape::kSentence, "",
     "deleted key {id}", nullptr, Question::kYes, "This deletes key"},
    {"keys", "sync", "make, change and delete many, all or none", "POST", "/v1/keys/sync", kSync,
     Shape::kSentence, "",
     "created {created}, updated {updated}, unchanged {unchanged}, deleted {deleted}; dry run: "
     "{dry_run}",
     nullptr, Question::kYes, "A full sync deletes every key that the file does not name:"},
}};

constexpr std::array<Command, 4> kConfigCommands = {{
    {"config",
     "show",
     "the configuration in force, without its secrets",
     "GET",
     "/v1/config",
     {},
     Shape::kOwn,
     "",
     "",
     render_config},
    {"config", "validate", "what would come of a candidate", "POST", "/v1/config/validate",
     kCandidate, Shape::kOwn, "", "", render_candidate},
    {"config",
     "history",
     "the configurations that were in force",
     "GET",
     "/v1/config/history",
     {},
     Shape::kTable,
     "versions",
     "generation at asked_by checksum changes"},
    {"config", "rollback", "put an earlier one into force, and into the file", "POST",
     "/v1/config/rollback", kGeneration, Shape::kOwn, "", "", render_reload, Question::kYes,
     "This replaces the configuration and its file by generation"},
}};

constexpr std::array<Command, 4> kOrderCommands = {{
    {"", "cooldown", "give an upstream no requests for a time", "POST", "/v1/upstreams/{}/cooldown",
     kCooldown, Shape::kSentence, "", kTold},
    {"", "clear", "end an upstream's cooldown, open breaker and ejection", "POST",
     "/v1/upstreams/{}/clear", kUpstream, Shape::kSentence, "", kTold},
    {"", "drain-upstream", "give an upstream no new requests", "POST", "/v1/upstreams/{}/drain",
     kUpstream, Shape::kSentence, "", kTold},
    {"", "undrain-upstream", "give a drained upstream requests again", "POST",
     "/v1/upstreams/{}/undrain", kUpstream, Shape::kSentence, "", kTold},
}};

constexpr std::array<Command, 2> kLimitCommands = {{
    {"limits", "show", "the limits of one subject, and what of them is used", "GET",
     "/v1/limits/{}/{}", kSubject, Shape::kTable, "limits", kLimitColumns},
    {"limits", "reset", "give back what the limits of one subject have counted", "POST",
     "/v1/limits/{}/{}/reset", kSubject, Shape::kOwn, "", "", render_reset, Question::kYes,
     "This forgets what was counted for"},
}};

constexpr std::array<Command, 8> kSingleCommands = {{
    {"",
     "upstreams",
     "what each upstream does",
     "GET",
     "/v1/upstreams",
     {},
     Shape::kOwn,
     "",
     "",
     render_upstreams},
    {"",
     "shards",
     "what each shard does",
     "GET",
     "/v1/shards",
     {},
     Shape::kTable,
     "shards",
     "shard cpu cpu_seconds connections in_flight requests turns buffers_in_use=BUFFERS "
     "buffers_starved=STARVED cq_overflows=OVERFLOWS"},
    {"", "usage", "what was used, the most expensive first", "GET", "/v1/usage", kUsage,
     Shape::kTable, "usage", kUsageColumns},
    {"", "usage-records", "single exchanges, the newest first", "GET", "/v1/usage/records",
     kRecords, Shape::kTable, "records", kRecordColumns},
    {"", "spend", "what was spent, the most expensive first", "GET", "/v1/spend/{}/{}", kSpend,
     Shape::kOwn, "", "", render_spend},
    {"", "audit", "what was done, the newest first", "GET", "/v1/audit", kAudit, Shape::kTable,
     "entries", "at actor origin action object outcome"},
    {"", "log-level", "what is logged, or to log more or less", "GET", "/v1/log-level", kLevel,
     Shape::kSentence, "", "the log level is {level}", nullptr, Question::kNone, "", "PUT"},
    {"",
     "version",
     "what runs, and with which configuration",
     "GET",
     "/v1/version",
     {},
     Shape::kOwn,
     "",
     "",
     render_version},
}};

constexpr std::array<Command, 7> kLastCommands = {{
    {"", "reload", "read the configuration anew", "POST", "/v1/reload", kReload, Shape::kOwn, "",
     "", render_reload},
    {"", "upgrade", "start the program anew, and give it this one's place", "POST", "/v1/upgrade",
     kUpgrade, Shape::kSentence, "",
     "process {pid} (Sluice {version}) serves now; the one before ends when its requests have"},
    {"",
     "drain",
     "take no new work, let streams end, then exit",
     "POST",
     "/v1/drain",
     {},
     Shape::kOwn,
     "",
     "",
     render_drain,
     Question::kYes,
     "This ends the gateway when its streams have ended."},
    {"",
     "openapi",
     "the description of all calls, as JSON",
     "GET",
     "/v1/openapi.json",
     {},
     Shape::kRaw},
    {"", "top", "live figures; q ends", "GET", "/v1/top", kTop, Shape::kLocal},
    {"", "completion", "print what completes these commands in a shell", "", "", kShell,
     Shape::kLocal},
    {"", "man", "print the manual page", "", "", {}, Shape::kLocal},
}};

constexpr auto kOwners = join(
    join(owner_commands("organisations", "organisation", kOrganisationCreate, kOrganisationUpdate),
         owner_commands("teams", "team", kTeamCreate, kTeamUpdate)),
    owner_commands("users", "user", kUserCreate, kUserUpdate));
constexpr auto kCommands =
    join(join(join(kKeyCommands, kOwners), join(kConfigCommands, kLimitCommands)),
         join(join(kSingleCommands, kOrderCommands), kLastCommands));

constexpr std::array<Group, 6> kGroups = {{
    {"keys", "keys of the store"},
    {"organisations", "organisations of the store"},
    {"teams", "teams of the store"},
    {"users", "users of the store"},
    {"config", "the configuration"},
    {"limits", "limits and what is used of them"},
}};

constexpr std::array<GlobalOption, 5> kGlobalOptions = {{
    {"--socket", "-s", "PATH",
     "the admin socket; $XDG_RUNTIME_DIR/sluice-admin.sock, else /tmp/sluice-admin.sock"},
    {"--url", "", "URL", "the second listener instead, http:// on loopback; needs --token-file"},
    {"--token-file", "", "FILE", "the first line is the management key to show there"},
    {"--json", "", "", "print the answer as it came"},
    {"--yes", "-y", "", "do not ask"},
}};

}  // namespace

bool Parameter::is_many() const noexcept {
  switch (kind) {
    case Kind::kTexts:
    case Kind::kPairs:
    case Kind::kAmounts:
    case Kind::kModelLimits:
    case Kind::kNulls: return true;
    default: return false;
  }
}

std::string Command::full_name() const {
  return group.empty() ? std::string(name) : std::string(group) + " " + std::string(name);
}

std::span<const Group> groups() noexcept { return kGroups; }
std::span<const Command> commands() noexcept { return kCommands; }
std::span<const Parameter> key_parameters() noexcept { return kKeyAll; }
std::span<const GlobalOption> global_options() noexcept { return kGlobalOptions; }

std::vector<std::string_view> split(std::string_view text, char mark) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(mark), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace sluice::sluicectl
