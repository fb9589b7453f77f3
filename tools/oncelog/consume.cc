// consume.cc: `oncelog consume`: prints the records of a partition as a Kafka consumer would be
// given them, without owning the partition: somebody else may be writing to it, or be killed.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "args.h"
#include "commands.h"
#include "following.h"
#include "render.h"
#include "signals.h"

namespace oncelog::cli {

namespace {

constexpr std::int64_t kFetchBytes = 4 << 20;

struct ConsumeFlags {
  std::string path{};
  std::string partition{};
  std::string isolation = "read_committed";
  std::string from = "earliest";
  std::string format = "text";
  std::int64_t records_max = -1;
  std::int64_t idle_ms = -1;
  bool follow = false;
};

/// Where reading begins, as --from says.
struct StartPlace {
  enum class Kind : std::uint8_t { kEarliest, kLatest, kOffset, kTime } kind = Kind::kEarliest;
  std::int64_t number = 0;
};

std::optional<StartPlace> parse_start(const std::string& text) {
  using enum StartPlace::Kind;
  if (text == "earliest") return StartPlace{kEarliest};
  if (text == "latest") return StartPlace{kLatest};
  const bool is_time = text.starts_with('@');
  const auto number = parse_number(std::string_view(text).substr(is_time ? 1 : 0));
  if (!number || *number < 0) return {};
  return StartPlace{is_time ? kTime : kOffset, *number};
}

void render_text(const RecordView& record, std::string& line) {
  if (record.value) line += as_text(*record.value);
}

void render_hex(const RecordView& record, std::string& line) {
  line += fmt::format("{} {} {}", record.offset.value(), record.key ? to_hex(*record.key) : "-",
                      record.value ? to_hex(*record.value) : "-");
}

void render_json(const RecordView& record, std::string& line) {
  line += json_line({{"offset", record.offset.value()},
                     {"timestamp", record.timestamp.value()},
                     {"key", json_text(record.key)},
                     {"value", json_text(record.value)},
                     {"headers", json_headers(record)}});
}

class ConsumeLoop {
 public:
  ConsumeLoop(const ConsumeFlags& flags, StartPlace start) : flags_(flags), start_(start) {}

  /// Until the end, or with --follow until told to stop or nothing has come for --idle-ms.
  Result<void> run() {
    ONCELOG_TRY(open_reader());
    if (!reader_) return {};
    ONCELOG_TRY_ASSIGN(position_, find_start());
    while (wants_more()) {
      const Offset before = position_;
      ONCELOG_TRY(write_next_records());
      if (position_ > before) {
        following_.note_progress();
        is_at_damage_ = false;
        continue;
      }
      if (!flags_.follow || !following_.wait()) break;
      // A reader that is stuck says why; it goes on where an owner cuts or repairs the log.
      if (following_.is_another_second_silent()) ONCELOG_TRY(tell_damage());
      ONCELOG_TRY(reader_->refresh());
    }
    if (wants_more()) ONCELOG_TRY(tell_damage());
    return {};
  }

  /// Whether the records end at damage, though there is more behind it.
  [[nodiscard]] bool is_at_damage() const { return is_at_damage_; }

  [[nodiscard]] Output& output() { return output_; }

 private:
  [[nodiscard]] bool wants_more() const {
    return output_.is_open() && !stop_requested() &&
           (flags_.records_max < 0 || record_count_ < flags_.records_max);
  }

  /// Names what the records end at, unless it has been named since the last of them came.
  Result<void> tell_damage() {
    ONCELOG_TRY_ASSIGN(const std::optional<Problem> damage, reader_->damage_at_end());
    const bool is_told = std::exchange(is_at_damage_, damage.has_value());
    if (!damage || is_told) return {};
    output_.flush();  // what lies before it comes first
    fmt::print(stderr,
               "oncelog: {}: position {}: {}; what lies behind it is not shown (oncelog verify and "
               "repair say more)\n",
               damage->file, damage->position, damage->problem);
    return {};
  }

  /// Leaves the reader empty if following ended before there was a partition.
  Result<void> open_reader() {
    const std::string directory = partition_path(flags_.path, flags_.partition);
    while (true) {
      auto opened = PartitionReader::open(directory);
      if (opened) {
        reader_ = *std::move(opened);
        return {};
      }
      const bool is_missing = opened.error().code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
      if (!is_missing || !flags_.follow) return std::unexpected(std::move(opened).error());
      if (!following_.wait()) return {};
    }
  }

  Result<Offset> find_start() {
    if (start_.kind == StartPlace::Kind::kOffset) return Offset(start_.number);
    if (start_.kind == StartPlace::Kind::kEarliest) return reader_->ends().log_start;
    if (start_.kind == StartPlace::Kind::kTime) {
      const Timestamp timestamp(start_.number);
      ONCELOG_TRY_ASSIGN(const OffsetFound found, reader_->list_offsets(timestamp, isolation()));
      if (found.offset != kNoOffset) return found.offset;
    }
    const LogEnds ends = reader_->ends();
    return isolation() == Isolation::kReadCommitted ? ends.last_stable_offset : ends.high_watermark;
  }

  Result<void> write_next_records() {
    FetchOptions options;
    options.isolation = isolation();
    options.bytes_max = kFetchBytes;
    ONCELOG_TRY_ASSIGN(Fetched fetched, reader_->fetch(position_, options));
    ONCELOG_TRY_ASSIGN(const auto bytes, fetched.read());
    auto aborted = std::move(fetched.aborted).value_or(std::vector<AbortedTransaction>{});
    CommittedRecords records(bytes, std::move(aborted), {.from = position_});
    while (wants_more()) {
      ONCELOG_TRY_ASSIGN(const auto record, records.next());
      if (!record) break;
      write_record(*record);
      position_ = record->offset + 1;
    }
    if (wants_more()) position_ = records.position();
    return {};
  }

  void write_record(const RecordView& record) {
    line_.clear();
    if (flags_.format == "json") {
      render_json(record, line_);
    } else if (flags_.format == "hex") {
      render_hex(record, line_);
    } else {
      render_text(record, line_);
    }
    line_ += '\n';
    output_.write(line_);
    ++record_count_;
  }

  [[nodiscard]] Isolation isolation() const {
    return flags_.isolation == "read_committed" ? Isolation::kReadCommitted
                                                : Isolation::kReadUncommitted;
  }

  const ConsumeFlags& flags_;
  StartPlace start_;
  Output output_{};
  std::unique_ptr<PartitionReader> reader_{};
  Offset position_{};
  std::int64_t record_count_ = 0;
  bool is_at_damage_ = false;  ///< and that has been told
  Following following_{output_, flags_.idle_ms};
  std::string line_{};
};

int run_consume(const ConsumeFlags& flags) {
  const auto start = parse_start(flags.from);
  if (!start) return report_usage("--from " + flags.from + ": no offset, time or name");
  if (flags.follow) watch_stop_signals();
  ConsumeLoop loop(flags, *start);
  const Result<void> outcome = loop.run();
  const int finished = loop.output().finish();
  if (!outcome) return report(outcome.error());
  return loop.is_at_damage() && finished == kExitDone ? kExitDamage : finished;
}

}  // namespace

void add_consume(CLI::App& app, Run& run) {
  CLI::App* const consume = app.add_subcommand(
      "consume", "Print records as a Kafka consumer would be given them; takes no lock");
  const auto flags = std::make_shared<ConsumeFlags>();
  consume->add_option("PATH", flags->path, "Store directory, or a partition's own directory")
      ->required();
  consume->add_option("PARTITION", flags->partition, "Partition in the store, e.g. orders-0");
  consume
      ->add_option("--isolation", flags->isolation, "read_committed (default) or read_uncommitted")
      ->check(CLI::IsMember({"read_committed", "read_uncommitted"}));
  consume->add_option("--from", flags->from,
                      "OFFSET, earliest (default), latest, or @MS: the first at or after a time");
  consume->add_option("--max", flags->records_max, "Stop after so many records")
      ->check(CLI::NonNegativeNumber);
  consume->add_flag("--follow", flags->follow,
                    "Wait for more, also for a partition that is not there yet");
  consume->add_option("--idle-ms", flags->idle_ms, "With --follow: end when nothing came so long")
      ->check(CLI::NonNegativeNumber);
  consume
      ->add_option("--format", flags->format,
                   "text (default): the value and a line end; json; hex: offset, key, value")
      ->check(CLI::IsMember({"text", "json", "hex"}));
  consume->footer(
      "Example:\n  oncelog consume /tmp/store orders-0 --from 100 --max 10 --format json");
  consume->callback([&run, flags] { run = [flags] { return run_consume(*flags); }; });
}

}  // namespace oncelog::cli
