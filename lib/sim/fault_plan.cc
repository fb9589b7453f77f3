#include "sim/fault_plan.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <random>
#include <utility>

namespace oncelog::sim {

namespace {

constexpr std::array<std::string_view, kIoCalls> kCallNames = {"open",
                                                               "read",
                                                               "write",
                                                               "size",
                                                               "truncate",
                                                               "preallocate",
                                                               "sync",
                                                               "drop_cache",
                                                               "status",
                                                               "list",
                                                               "remove",
                                                               "rename",
                                                               "create_directory",
                                                               "remove_directory",
                                                               "sync_directory",
                                                               "lock",
                                                               "commit",
                                                               "link"};
static_assert(kCallNames.back() == "link");

constexpr std::string_view kAnyCall = "any";
constexpr std::string_view kSkipped = "skipped";
constexpr std::string_view kHalf = "half";
constexpr std::string_view kLasting = "lasting";

struct ErrnoName {
  std::string_view name;
  int os_errno;
};
constexpr std::array<ErrnoName, 5> kErrnos = {
    {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EACCES", EACCES}, {"ENOENT", ENOENT}}};

/// Words of one fault, taken from the front.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) { skip_spaces(); }

  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  [[nodiscard]] std::string_view peek() const { return rest_.substr(0, rest_.find(' ')); }
  std::string_view take() {
    const std::string_view word = peek();
    rest_.remove_prefix(word.size());
    skip_spaces();
    return word;
  }
  bool take_if(std::string_view word) {
    if (peek() != word) return false;
    take();
    return true;
  }

 private:
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  std::string_view rest_;
};

std::unexpected<Error> not_a_fault(std::string_view text, std::string_view what) {
  return fail(ErrorCode::INVALID_CONFIG, "fault plan: \"", text, "\": ", what);
}

Result<std::optional<IoCall>> parse_call(std::string_view text, std::string_view word) {
  if (word == kAnyCall) return std::nullopt;
  for (std::size_t i = 0; i < kCallNames.size(); ++i) {
    if (word == kCallNames[i]) return static_cast<IoCall>(i);
  }
  return not_a_fault(text, "no call is named \"" + std::string(word) + "\"");
}

Result<std::int64_t> parse_nth(std::string_view text, std::string_view word) {
  std::int64_t nth = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data() + 1, end, nth);
  if (error != std::errc{} || stop != end || nth < 1) {
    return not_a_fault(text, "expected # and a number from 1, found \"" + std::string(word) + "\"");
  }
  return nth;
}

Result<void> parse_what(std::string_view text, std::string_view word, Fault& fault) {
  if (word == kSkipped) {
    fault.is_skipped = true;
    fault.os_errno = 0;
    return {};
  }
  for (const ErrnoName& known : kErrnos) {
    if (word != known.name) continue;
    fault.os_errno = known.os_errno;
    return {};
  }
  return not_a_fault(text, "expected an errno or " + std::string(kSkipped) + ", found \"" +
                               std::string(word) + "\"");
}

Result<Fault> parse_fault(std::string_view text) {
  Words words(text);
  Fault fault;
  ONCELOG_TRY_ASSIGN(fault.call, parse_call(text, words.take()));
  const std::string_view path = words.take();
  if (path != "*") fault.path_part = path;
  if (path.empty() || path.starts_with('#')) {
    return not_a_fault(text, "no path");
  }
  if (words.peek().starts_with('#')) {
    ONCELOG_TRY_ASSIGN(fault.nth, parse_nth(text, words.take()));
  }
  ONCELOG_TRY(parse_what(text, words.take(), fault));
  fault.leaves_half_a_write = words.take_if(kHalf);
  fault.is_lasting = words.take_if(kLasting);
  if (!words.is_empty()) {
    return not_a_fault(text, "\"" + std::string(words.peek()) + "\" is one word too many");
  }
  if (fault.is_skipped && fault.leaves_half_a_write) {
    return not_a_fault(text, "what is skipped leaves nothing");
  }
  return fault;
}

std::string print_what(const Fault& fault) {
  if (fault.is_skipped) return std::string(kSkipped);
  for (const ErrnoName& known : kErrnos) {
    if (fault.os_errno == known.os_errno) return std::string(known.name);
  }
  return std::string(kErrnos.front().name);
}

}  // namespace

std::string_view name_of(IoCall call) { return kCallNames[std::to_underlying(call)]; }

bool is_path_meant(std::string_view path_part, std::string_view path) {
  const std::size_t star = path_part.find('*');
  const std::string_view head = path_part.substr(0, star);
  const std::size_t at = path.find(head);
  if (at == std::string_view::npos) return false;
  if (star == std::string_view::npos) return true;
  // The first place is the best: whatever follows the star may stand anywhere behind it.
  return is_path_meant(path_part.substr(star + 1), path.substr(at + head.size()));
}

std::unexpected<Error> fault_error(const Fault& fault, IoCall call, std::string_view path) {
  const bool is_full = fault.os_errno == ENOSPC || fault.os_errno == EDQUOT;
  std::string verb(name_of(call));
  std::ranges::replace(verb, '_', ' ');
  auto failure = fail(is_full ? ErrorCode::STORAGE_FULL : ErrorCode::KAFKA_STORAGE_ERROR, verb, " ",
                      path, ": fault of the test");
  failure.error().os_errno = fault.os_errno;
  return failure;
}

Result<std::vector<Fault>> parse_faults(std::string_view text) {
  std::vector<Fault> faults;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    ONCELOG_TRY_ASSIGN(faults.emplace_back(), parse_fault(text.substr(0, end)));
    if (end + 1 == text.size()) return not_a_fault(text, "nothing follows the last ;");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return faults;
}

std::string print_faults(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults) {
    if (!text.empty()) text += "; ";
    text += fault.call ? name_of(*fault.call) : kAnyCall;
    text += " " + (fault.path_part.empty() ? "*" : fault.path_part);
    text += " #" + std::to_string(fault.nth) + " " + print_what(fault);
    if (fault.leaves_half_a_write) text += " " + std::string(kHalf);
    if (fault.is_lasting) text += " " + std::string(kLasting);
  }
  return text;
}

std::vector<Fault> random_faults(std::uint64_t seed) {
  constexpr std::array<std::string_view, 6> kPaths = {"",           ".log",       "index",
                                                      "checkpoint", ".timeindex", ".tmp"};
  constexpr std::array kCalls = {IoCall::kWrite,  IoCall::kSync,          IoCall::kRename,
                                 IoCall::kRemove, IoCall::kSyncDirectory, IoCall::kOpen,
                                 IoCall::kRead,   IoCall::kTruncate};
  std::mt19937_64 random(seed);
  const auto pick = [&](std::size_t count) { return static_cast<std::size_t>(random() % count); };
  std::vector<Fault> faults(1 + pick(3));
  for (Fault& fault : faults) {
    if (pick(8) > 0) fault.call = kCalls[pick(kCalls.size())];
    fault.path_part = kPaths[pick(kPaths.size())];
    fault.nth = static_cast<std::int64_t>(1 + pick(12));
    fault.os_errno = pick(3) == 0 ? ENOSPC : EIO;
    fault.leaves_half_a_write = pick(2) == 0;
    fault.is_lasting = pick(4) == 0;
  }
  return faults;
}

void FaultPlan::add(const Fault& fault) {
  const std::scoped_lock lock(mutex_);
  pending_.push_back({fault, 0});
}

void FaultPlan::clear() {
  const std::scoped_lock lock(mutex_);
  pending_.clear();
}

std::int64_t FaultPlan::call_count() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

void FaultPlan::reset_count() {
  const std::scoped_lock lock(mutex_);
  calls_ = 0;
}

std::int64_t FaultPlan::struck_count() const {
  const std::scoped_lock lock(mutex_);
  return struck_;
}

void FaultPlan::set_paused(bool is_paused) {
  const std::scoped_lock lock(mutex_);
  is_paused_ = is_paused;
}

void FaultPlan::set_skips_syncs(bool is_skipped) {
  const std::scoped_lock lock(mutex_);
  skips_syncs_ = is_skipped;
}

bool FaultPlan::skips_syncs() const {
  const std::scoped_lock lock(mutex_);
  return skips_syncs_;
}

std::optional<Fault> FaultPlan::strike(IoCall call, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (is_paused_) return std::nullopt;
  ++calls_;
  std::optional<Fault> struck;
  for (Pending& pending : pending_) {
    const Fault& fault = pending.fault;
    if (fault.call && *fault.call != call) continue;
    if (!is_path_meant(fault.path_part, path)) continue;
    ++pending.counted;
    const bool is_due =
        fault.is_lasting ? pending.counted >= fault.nth : pending.counted == fault.nth;
    if (is_due && !struck) struck = fault;
  }
  if (struck) ++struck_;
  return struck;
}

}  // namespace oncelog::sim
