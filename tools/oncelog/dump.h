// dump.h: what the parts of `oncelog dump` share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "render.h"

namespace oncelog::cli {

struct DumpFlags {
  std::string path{};
  std::string partition{};
  std::string kind{};  ///< --as
  bool records = false;
  bool hex = false;
  bool json = false;
  // As kafka-dump-log has them.
  std::vector<std::string> files{};
  bool deep_iteration = false;
  bool skip_record_metadata = false;
  bool verify_index_only = false;
  bool index_sanity_check = false;
  bool offsets_decoder = false;
  bool transaction_log_decoder = false;
  std::string key_decoder_class{};
  std::string value_decoder_class{};
  std::int64_t max_bytes = 0;  ///< 0: all
  std::int64_t max_message_size = 0;

  /// Only what is wrong is shown.
  [[nodiscard]] bool damage_only() const { return verify_index_only || index_sanity_check; }
};

/// Tells damage, and how much there was of it.
class DamageLines {
 public:
  DamageLines(Output& output, bool is_json) : output_(output), is_json_(is_json) {}

  /// The bytes from `position` on; reading goes on behind them.
  struct Place {
    std::string file{};
    std::int64_t position = 0;
    std::int64_t bytes = 0;
  };
  void show(const Place& place, const std::string& damage);

  [[nodiscard]] std::int64_t count() const { return count_; }
  /// "2 damaged stretches, 99 damaged bytes"
  [[nodiscard]] std::string summary() const;

 private:
  Output& output_;
  const bool is_json_;
  std::int64_t count_ = 0;
  std::int64_t bytes_ = 0;
};

// Each answers an exit status.
int dump_batches(Output& output, const DumpFlags& flags, const std::string& path);
int dump_entries(Output& output, const DumpFlags& flags, const std::string& path, FileKind kind);

}  // namespace oncelog::cli
