// dump.cc: `oncelog dump`: what lies in a segment file or in the segments of a partition, ours or
// Kafka's, whole or damaged: every batch, and every stretch of bytes that is none.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "args.h"
#include "commands.h"
#include "render.h"

namespace oncelog::cli {

namespace {

struct DumpFlags {
  std::string path{};
  std::string partition{};
  bool records = false;
  bool json = false;
};

constexpr const char* kHeading =
    "  position    bytes       base       last  count        pid epoch        seq kind    leader "
    "codec   max timestamp\n";

class Dump {
 public:
  explicit Dump(const DumpFlags& flags) : flags_(flags) {}

  /// Shows one visit of the scan; false ends the scan.
  bool show(const ScannedBatch& scanned) {
    if (!flags_.json) show_heading(scanned.file);
    if (scanned.batch) {
      ++batch_count_;
      flags_.json ? show_json(scanned) : show_row(scanned);
    }
    if (!scanned.damage.empty() || !scanned.batch) show_damage(scanned);
    return output_.is_open();
  }

  int finish() {
    if (!flags_.json) {
      output_.write(fmt::format("{} batches, {} damaged stretches, {} damaged bytes\n",
                                batch_count_, damage_count_, damaged_bytes_));
    }
    const int finished = output_.finish();
    return finished == kExitDone && damage_count_ > 0 ? kExitDamage : finished;
  }

 private:
  void show_heading(const std::string& file) {
    if (file == file_) return;
    file_ = file;
    output_.write(fmt::format("{}\n{}", file, kHeading));
  }

  void show_row(const ScannedBatch& scanned) {
    const RecordBatchView& batch = *scanned.batch;
    std::string kind = batch.is_transactional() ? "txn" : "data";
    if (batch.is_control()) {
      const Json control = json_control(batch);
      kind = control.is_string() ? control.get<std::string>() : "control";
    }
    output_.write(fmt::format(
        "{:>10} {:>8} {:>10} {:>10} {:>6} {:>10} {:>5} {:>10} {:<7} {:>6} {:<7} {}\n",
        scanned.position, scanned.bytes, batch.base_offset().value(), batch.last_offset().value(),
        batch.record_count(), batch.producer_id().value(), batch.producer_epoch().value(),
        batch.base_sequence().value(), kind, batch.leader_epoch().value(),
        codec_name(batch.codec_bits()), timestamp_text(batch.max_timestamp())));
    if (!flags_.records) return;
    visit_records(scanned, [&](const RecordView& record) {
      output_.write(fmt::format("      {:>10} {} {} {}\n", record.offset.value(),
                                timestamp_text(record.timestamp), json_line(json_text(record.key)),
                                json_line(json_text(record.value))));
    });
  }

  void show_json(const ScannedBatch& scanned) {
    Json line = {{"file", scanned.file}, {"position", scanned.position}, {"bytes", scanned.bytes}};
    const Json fields = json_batch(*scanned.batch);
    for (const auto& [name, value] : fields.items()) line[name] = value;
    line["base_timestamp"] = scanned.batch->base_timestamp().value();
    line["max_timestamp"] = scanned.batch->max_timestamp().value();
    line["crc"] = scanned.batch->crc();
    if (flags_.records) {
      Json& records = line["records"] = Json::array();
      visit_records(scanned,
                    [&](const RecordView& record) { records.push_back(json_record(record)); });
    }
    output_.write(json_line(line) + "\n");
  }

  static Json json_record(const RecordView& record) {
    return {{"offset", record.offset.value()},
            {"timestamp", record.timestamp.value()},
            {"key", json_text(record.key)},
            {"value", json_text(record.value)},
            {"headers", json_headers(record)}};
  }

  /// Records that cannot be read behind a right CRC are damage, too.
  template <class Visit>
  void visit_records(const ScannedBatch& scanned, const Visit& visit) {
    const Result<void> outcome = read_records(*scanned.batch, visit);
    if (outcome) return;
    ScannedBatch damaged = scanned;
    damaged.damage = outcome.error().text();
    show_damage(damaged);
  }

  template <class Visit>
  static Result<void> read_records(const RecordBatchView& batch, const Visit& visit) {
    ONCELOG_TRY_ASSIGN(RecordReader reader, RecordReader::open(batch));
    while (true) {
      ONCELOG_TRY_ASSIGN(const auto record, reader.next());
      if (!record) return {};
      visit(*record);
    }
  }

  void show_damage(const ScannedBatch& scanned) {
    ++damage_count_;
    damaged_bytes_ += scanned.bytes;
    const std::int64_t next = scanned.position + scanned.bytes;
    if (flags_.json) {
      output_.write(json_line({{"file", scanned.file},
                               {"position", scanned.position},
                               {"bytes", scanned.bytes},
                               {"damage", scanned.damage},
                               {"next_position", next}}) +
                    "\n");
      return;
    }
    const auto status = posix_vfs().status(scanned.file);
    const bool is_last = status && *status && next >= (*status)->bytes;
    output_.write(fmt::format("{:>10} {:>8} DAMAGED: {}; {}\n", scanned.position, scanned.bytes,
                              scanned.damage,
                              is_last ? "nothing is behind it in this file"
                                      : fmt::format("reading goes on at position {}", next)));
  }

  const DumpFlags& flags_;
  Output output_{};
  std::string file_{};
  std::int64_t batch_count_ = 0;
  std::int64_t damage_count_ = 0;
  std::int64_t damaged_bytes_ = 0;
};

int run_dump(const DumpFlags& flags) {
  Dump dump(flags);
  const std::string path = partition_path(flags.path, flags.partition);
  const Result<void> outcome =
      scan_batches(path, [&dump](const ScannedBatch& scanned) { return dump.show(scanned); });
  if (!outcome) return report(outcome.error());
  return dump.finish();
}

}  // namespace

void add_dump(CLI::App& app, Run& run) {
  CLI::App* const dump = app.add_subcommand(
      "dump", "Show the batches of a .log file or of a partition; exit 1 if bytes are damaged");
  const auto flags = std::make_shared<DumpFlags>();
  dump->add_option("PATH", flags->path, "A .log file, a partition's directory, or a store")
      ->required();
  dump->add_option("PARTITION", flags->partition, "Partition in the store, e.g. orders-0");
  dump->add_flag("--records", flags->records, "Show the records, too");
  dump->add_flag("--json", flags->json, "One JSON object a line");
  dump->footer("Example:\n  oncelog dump /tmp/store orders-0 --records");
  dump->callback([&run, flags] { run = [flags] { return run_dump(*flags); }; });
}

}  // namespace oncelog::cli
