// dump_batches.cc: `oncelog dump` of a segment file or of the segments of a partition, ours or
// Kafka's, whole or damaged: every batch, and every stretch of bytes that is none.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "args.h"
#include "batch_row.h"
#include "dump.h"
#include "fields.h"
#include "progress_vfs.h"
#include "record_decoder.h"
#include "terminal.h"

namespace oncelog::cli {

namespace {

class BatchDump {
 public:
  BatchDump(Output& output, const DumpFlags& flags, const std::string& path)
      : output_(output),
        flags_(flags),
        is_directory_(is_directory(path)),
        damage_(output, flags.json),
        topic_(flags.offsets_decoder           ? CoordinatorTopic::kConsumerOffsets
               : flags.transaction_log_decoder ? CoordinatorTopic::kTransactionState
                                               : coordinator_topic_at(path)) {}

  /// Shows one visit of the scan; false ends the scan.
  bool show(const ScannedBatch& scanned) {
    if (!flags_.json) show_heading(scanned.file);
    const std::int64_t end = scanned.position + scanned.bytes;
    if (flags_.max_bytes > 0 && end > flags_.max_bytes) {
      // Behind this file there may be another one.
      return is_directory_ && output_.is_open();
    }
    if (scanned.batch) {
      ++batch_count_;
      if (!flags_.damage_only()) flags_.json ? show_json(scanned) : show_row(scanned);
      if (flags_.deep_iteration && !flags_.records) visit_records(scanned, [](const auto&) {});
    }
    if (!scanned.damage.empty() || !scanned.batch) show_damage(scanned, scanned.damage);
    if (!record_damage_.empty()) show_damage(scanned, std::exchange(record_damage_, {}));
    return output_.is_open();
  }

  int finish(const Result<void>& outcome) {
    // Where nothing could be opened there is nothing to sum up.
    if (!flags_.json && (outcome || !file_.empty())) {
      output_.write(fmt::format("{} batches, {}\n", batch_count_, damage_.summary()));
    }
    const int status = damage_.count() > 0 ? kExitDamage : kExitDone;
    return outcome ? status : std::max(status, report(outcome.error()));
  }

 private:
  static bool is_directory(const std::string& path) {
    const auto status = posix_vfs().status(path);
    return status && *status && (*status)->is_directory;
  }

  void show_heading(const std::string& file) {
    if (file == file_) return;
    file_ = file;
    output_.write(fmt::format("{}\n{}", file, flags_.damage_only() ? "" : BatchRow::kHeading));
  }

  void show_row(const ScannedBatch& scanned) {
    output_.write(row_.line(scanned));
    if (!flags_.records) return;
    visit_records(scanned, [&](const RecordView& record) {
      std::string line = "      ";
      if (!flags_.skip_record_metadata) {
        line += fmt::format("{:>10} {} ", record.offset.value(), timestamp_text(record.timestamp));
      }
      output_.write(line + text_of_record(scanned, record) + "\n");
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
      visit_records(scanned, [&](const RecordView& record) {
        records.push_back(json_record(scanned, record));
      });
    }
    output_.write(json_line(line) + "\n");
  }

  Json json_record(const ScannedBatch& scanned, const RecordView& record) {
    Json line = Json::object();
    if (!flags_.skip_record_metadata) {
      line["offset"] = record.offset.value();
      line["timestamp"] = record.timestamp.value();
    }
    const auto decoded = decode(scanned, record);
    if (decoded) line["decoded"] = json_decoded(*decoded);
    if (flags_.hex || (decoded && !decoded->not_decoded.empty())) {
      line["key_hex"] = json_hex(record.key);
      line["value_hex"] = json_hex(record.value);
    } else if (!decoded) {
      line["key"] = json_text(record.key);
      line["value"] = json_text(record.value);
    }
    if (flags_.skip_record_metadata) return line;
    Json& headers = line["headers"] = Json::array();
    for (const RecordHeader& header : record.headers()) {
      headers.push_back(
          Json::array({std::string(header.key),
                       flags_.hex ? json_hex(header.value) : json_text(header.value)}));
    }
    return line;
  }

  std::string text_of_record(const ScannedBatch& scanned, const RecordView& record) {
    const auto decoded = decode(scanned, record);
    std::string text = decoded ? text_of_decoded(*decoded) : "";
    const bool is_raw = !decoded || !decoded->not_decoded.empty() || flags_.hex;
    if (!is_raw) return text;
    if (decoded) return text + " " + hex_text(record.key) + " " + hex_text(record.value);
    if (flags_.hex) return hex_text(record.key) + " " + hex_text(record.value);
    return json_line(json_text(record.key)) + " " + json_line(json_text(record.value));
  }

  /// Nothing where records are not a coordinator's: the markers among them are not either.
  std::optional<DecodedRecord> decode(const ScannedBatch& scanned, const RecordView& record) {
    if (!topic_ || scanned.batch->is_control()) return std::nullopt;
    DecodedRecord decoded = decode_coordinator_record(*topic_, record.key, record.value);
    if (decoded.is_damaged && record_damage_.empty()) {
      record_damage_ = fmt::format("record {}: {}", record.offset.value(), decoded.not_decoded);
    }
    return decoded;
  }

  /// Records that cannot be read behind a right CRC are damage, too.
  template <class Visit>
  void visit_records(const ScannedBatch& scanned, const Visit& visit) {
    const Result<void> outcome = read_records(*scanned.batch, visit);
    if (!outcome) record_damage_ = outcome.error().text();
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

  void show_damage(const ScannedBatch& scanned, const std::string& damage) {
    damage_.show({scanned.file, scanned.position, scanned.bytes}, damage);
  }

  Output& output_;
  const DumpFlags& flags_;
  const bool is_directory_;
  DamageLines damage_;
  std::optional<CoordinatorTopic> topic_;
  BatchRow row_{};
  std::string file_{};
  std::string record_damage_{};  ///< the first record of this batch that is not what it should be
  std::int64_t batch_count_ = 0;
};

}  // namespace

int dump_batches(Output& output, const DumpFlags& flags, const std::string& path) {
  BatchDump dump(output, flags, path);
  // What scrolls by at a terminal is progress enough, and a pager draws there itself.
  ProgressVfs progress("dump");
  Vfs& vfs = output_is_file() ? progress : posix_vfs();
  const Result<void> outcome = scan_batches(
      path, [&dump](const ScannedBatch& scanned) { return dump.show(scanned); }, &vfs, 0);
  progress.clear();
  return dump.finish(outcome);
}

}  // namespace oncelog::cli
