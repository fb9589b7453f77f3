#include "store/kept_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "base/hash.h"
#include "log/checkpoint.h"

namespace oncelog::store {

namespace {

constexpr std::int64_t kFileBytesMax = 64 << 10;
constexpr std::string_view kVersionLine = "version=1";
constexpr std::string_view kConfigPrefix = "config.";

using LevelName = std::pair<std::string_view, std::optional<Level>>;
constexpr LevelName kLevelNames[] = {
    {"of the store", std::nullopt}, {"written", Level::kWritten}, {"durable", Level::kDurable}};

using PolicyName = std::pair<std::string_view, HighWatermarkPolicy>;
constexpr PolicyName kPolicyNames[] = {{"by level", HighWatermarkPolicy::kByLevel},
                                       {"durable", HighWatermarkPolicy::kDurable},
                                       {"log end", HighWatermarkPolicy::kLogEnd},
                                       {"manual", HighWatermarkPolicy::kManual}};

template <class Names, class Value>
std::string_view name_in(const Names& names, const Value& value) {
  return std::ranges::find(names, value, [](const auto& one) { return one.second; })->first;
}

template <class Names, class Value>
bool find_in(const Names& names, std::string_view name, Value& value) {
  const auto* found = std::ranges::find(names, name, [](const auto& one) { return one.first; });
  if (found == std::end(names)) return false;
  value = found->second;
  return true;
}

std::string hash_line(std::string_view text) {
  std::array<char, 16> digits{};
  digits.fill('0');
  std::array<char, 16> number{};
  const auto end =
      std::to_chars(number.begin(), number.end(), base::hash64(as_bytes(text)), 16).ptr;
  std::copy_backward(number.begin(), end, digits.end());
  return "hash=" + std::string(digits.begin(), digits.end()) + "\n";
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::unexpected<Error> refuse(int line, std::string_view why) {
  return fail(ErrorCode::KAFKA_STORAGE_ERROR, "partition options, line ", line, ": ", why);
}

/// One line between the version and the hash.
Result<void> read_line(std::string_view line, int number, KeptOptions& kept) {
  const std::size_t equals = line.find('=');
  if (equals == line.npos) return refuse(number, "is no entry");
  std::string_view name = line.substr(0, equals);
  const std::string_view value = line.substr(equals + 1);
  if (name == "level") {
    return find_in(kLevelNames, value, kept.level) ? Result<void>{} : refuse(number, "is no level");
  }
  if (name == "high_watermark") {
    return find_in(kPolicyNames, value, kept.high_watermark) ? Result<void>{}
                                                             : refuse(number, "is no policy");
  }
  if (!name.starts_with(kConfigPrefix)) return refuse(number, "has a name that is unknown");
  name.remove_prefix(kConfigPrefix.size());
  TopicConfig config;
  if (const auto set = config.set(name, value); !set) return refuse(number, set.error().context);
  const bool is_new = kept.overrides.emplace(name, value).second;
  return is_new ? Result<void>{} : refuse(number, "has a name that came before");
}

}  // namespace

std::string encode_kept_options(const KeptOptions& kept) {
  std::string text(kVersionLine);
  text += "\nlevel=" + std::string(name_in(kLevelNames, kept.level));
  text += "\nhigh_watermark=" + std::string(name_in(kPolicyNames, kept.high_watermark)) + "\n";
  for (const auto& [name, value] : kept.overrides) {
    text += std::string(kConfigPrefix) + name + "=" + value + "\n";
  }
  return text + hash_line(text);
}

Result<KeptOptions> decode_kept_options(std::string_view text) {
  KeptOptions kept;
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) return refuse(number, "has no end");
    const std::string_view line = rest.substr(0, end);
    if (number == 1 && line != kVersionLine) {
      const bool is_other = line.starts_with("version=");
      if (!is_other) return refuse(number, "does not say the version");
      return fail(ErrorCode::UNSUPPORTED_VERSION, "partition options, line 1: ", line,
                  ", expected ", kVersionLine);
    }
    if (line.starts_with("hash=")) {
      const std::string_view before = text.substr(0, text.size() - rest.size());
      if (rest != hash_line(before)) {
        return refuse(number, "is not the hash of the lines before, or not the last line");
      }
      // No options have two forms.
      if (encode_kept_options(kept) != text) return refuse(number, "lines are out of order");
      return kept;
    }
    if (number > 1) ONCELOG_TRY(read_line(line, number, kept));
    rest.remove_prefix(end + 1);
  }
  return fail(ErrorCode::KAFKA_STORAGE_ERROR, "partition options: end without a hash");
}

Result<std::optional<KeptOptions>> read_kept_options(Vfs& vfs, const std::string& directory) {
  const std::string path = directory + "/" + std::string(kOptionsFile);
  ONCELOG_TRY_ASSIGN(const auto text, log::read_small_file(vfs, path, kFileBytesMax));
  if (!text) return std::nullopt;
  auto kept = decode_kept_options(*text);
  if (kept) return *std::move(kept);
  Error error = std::move(kept).error();
  error.context = path + ": " + error.context;
  return std::unexpected(std::move(error));
}

Result<void> write_kept_options(Vfs& vfs, const std::string& directory, const KeptOptions& kept) {
  return log::replace_file(vfs, directory + "/" + std::string(kOptionsFile),
                           as_bytes(encode_kept_options(kept)));
}

KeptOptions describe_options(const PartitionOptions& options, const TopicConfig& defaults) {
  KeptOptions kept;
  kept.level = options.level;
  kept.high_watermark = options.high_watermark;
  for (const std::string_view name : TopicConfig::names()) {
    const std::string value = options.config.get(name).value_or("");
    if (value != defaults.get(name).value_or("")) kept.overrides.emplace(name, value);
  }
  return kept;
}

Result<PartitionOptions> apply_kept_options(const KeptOptions& kept, const TopicConfig& defaults) {
  PartitionOptions options;
  options.config = defaults;
  options.level = kept.level;
  options.high_watermark = kept.high_watermark;
  for (const auto& [name, value] : kept.overrides) ONCELOG_TRY(options.config.set(name, value));
  ONCELOG_TRY(options.config.check());
  return options;
}

Result<KeptOptions> change_config(KeptOptions kept, const std::vector<ConfigChange>& changes) {
  std::set<std::string_view> names;
  TopicConfig config;
  for (const auto& [name, value] : changes) {
    if (!names.insert(name).second) {
      return fail(ErrorCode::INVALID_CONFIG, "config: ", name, " is to be changed twice");
    }
    if (!TopicConfig::knows(name)) {
      return fail(ErrorCode::INVALID_CONFIG, "config: ", name, " is unknown");
    }
    const std::string_view trimmed = value ? trim(*value) : std::string_view();
    if (trimmed.empty()) {
      kept.overrides.erase(name);
      continue;
    }
    ONCELOG_TRY(config.set(name, trimmed));
    kept.overrides[name] = config.get(name).value_or(std::string(trimmed));
  }
  return kept;
}

}  // namespace oncelog::store
