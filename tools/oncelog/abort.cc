// abort.cc: `oncelog abort`: ends a transaction that nobody will end any more: writes the abort
// marker that its coordinator would have written, into a store that nobody has open.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "args.h"
#include "commands.h"
#include "confirm.h"
#include "overlay_vfs.h"
#include "render.h"

namespace oncelog::cli {

namespace {

struct AbortFlags {
  std::string store{};
  std::string partition{};
  std::int64_t producer_id = -1;
  std::optional<std::int64_t> epoch{};
  bool is_dry_run = false;
  bool is_confirmed = false;
  bool json = false;
};

/// The transaction, and what its end did or would do.
struct Ended {
  ProducerInfo producer{};
  LogEnds before{};
  Offset marker{};
  CoordinatorEpoch coordinator_epoch{};
  LogEnds after{};
};

/// A producer that never ended a transaction here has no coordinator epoch; 0 is at or below every
/// one that a coordinator may bring later (kafka-transactions.sh does the same).
CoordinatorEpoch coordinator_epoch_of(const ProducerInfo& producer) {
  return std::max(producer.coordinator_epoch, CoordinatorEpoch(0));
}

/// Kafka's own directory has producers that only its snapshots know, and a cluster that would not
/// know of the marker: whoever writes to it has to take it over first.
Result<void> check_adopted(const std::string& directory) {
  for (const char* name : {"/.clean", "/.state"}) {
    ONCELOG_TRY_ASSIGN(const auto status, posix_vfs().status(directory + name));
    if (status) return {};
  }
  ONCELOG_TRY_ASSIGN(const auto names, list_partitions(directory));
  if (names.empty()) return {};  // no store at all: the open says so
  return fail(ErrorCode::POLICY_VIOLATION, directory,
              " is Kafka's, oncelog has not opened it before: end the transaction with "
              "kafka-transactions.sh abort, or take the directory over first: oncelog adopt ",
              directory);
}

Result<ProducerInfo> find_open_transaction(const PartitionLog& log, const AbortFlags& flags) {
  ONCELOG_TRY_ASSIGN(const auto found, log.find_producer(ProducerId(flags.producer_id)));
  if (!found || !found->transaction_first_offset) {
    return fail(ErrorCode::INVALID_TXN_STATE, flags.partition, ": producer ", flags.producer_id,
                found ? " has no transaction open" : " is not known here");
  }
  if (flags.epoch && *flags.epoch != found->epoch.value()) {
    return fail(ErrorCode::INVALID_PRODUCER_EPOCH, flags.partition, ": producer ",
                flags.producer_id, " has epoch ", found->epoch, ", not ", *flags.epoch);
  }
  return *found;
}

Result<Ended> end_in(Store& store, const AbortFlags& flags, const TopicPartition& name) {
  ONCELOG_TRY_ASSIGN(const auto names, store.partitions());
  if (std::ranges::find(names, name) == names.end()) {
    return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, flags.store, ": no partition ",
                flags.partition);
  }
  ONCELOG_TRY_ASSIGN(const auto log, store.open_partition(name));

  Ended ended;
  ONCELOG_TRY_ASSIGN(ended.producer, find_open_transaction(*log, flags));
  ended.before = log->ends();
  ended.coordinator_epoch = coordinator_epoch_of(ended.producer);
  MarkerFields marker;
  marker.type = MarkerType::kAbort;
  marker.producer_id = ended.producer.producer_id;
  marker.producer_epoch = ended.producer.epoch;
  marker.coordinator_epoch = ended.coordinator_epoch;
  ONCELOG_TRY_ASSIGN(const Appended appended, log->append_marker(marker, Level::kDurable));
  ended.marker = appended.base_offset;
  ended.after = log->ends();
  return ended;
}

/// On the disk, or on an overlay of it. Whatever comes of it, the store is closed cleanly.
Result<Ended> end_transaction(const AbortFlags& flags, const TopicPartition& name, Vfs* vfs) {
  StoreOptions options;
  options.create_if_missing = false;
  options.vfs = vfs;
  ONCELOG_TRY_ASSIGN(const auto store, Store::open(flags.store, options));
  auto ended = end_in(*store, flags, name);
  const Result<void> closed = store->close();
  if (ended && !closed) return std::unexpected(closed.error());
  return ended;
}

std::string transaction_text(const AbortFlags& flags, const Ended& ended) {
  const ProducerInfo& producer = ended.producer;
  return fmt::format(
      "{}: producer {} (epoch {}, coordinator epoch {}) has a transaction open from offset {} on; "
      "its last batch ends at offset {} and is of {}; the last stable offset is {}\n",
      flags.partition, producer.producer_id.value(), producer.epoch.value(),
      producer.coordinator_epoch.value(), producer.transaction_first_offset->value(),
      producer.last_offset.value(), timestamp_text(producer.last_timestamp),
      ended.before.last_stable_offset.value());
}

std::string outcome_text(const Ended& ended, bool is_done) {
  std::string text = fmt::format(
      "an abort marker with epoch {} and coordinator epoch {} {} at offset {}; the last stable "
      "offset {} {}",
      ended.producer.epoch.value(), ended.coordinator_epoch.value(),
      is_done ? "was written" : "would be written", ended.marker.value(),
      is_done ? "is" : "would be", ended.after.last_stable_offset.value());
  if (ended.after.high_watermark <= ended.marker) {
    text += fmt::format(" until the high watermark, {}, is above the marker",
                        ended.after.high_watermark.value());
  }
  return text + "\n";
}

std::string json_outcome(const AbortFlags& flags, const Ended& ended, bool is_done) {
  return json_line({{"partition", flags.partition},
                    {"pid", ended.producer.producer_id.value()},
                    {"epoch", ended.producer.epoch.value()},
                    {"coordinator_epoch", ended.coordinator_epoch.value()},
                    {"first_offset", json_number(ended.producer.transaction_first_offset)},
                    {"last_offset", ended.producer.last_offset.value()},
                    {"last_timestamp", ended.producer.last_timestamp.value()},
                    {"last_stable_offset_before", ended.before.last_stable_offset.value()},
                    {"marker_offset", ended.marker.value()},
                    {"last_stable_offset", ended.after.last_stable_offset.value()},
                    {"high_watermark", ended.after.high_watermark.value()},
                    {"written", is_done}}) +
         "\n";
}

int rehearse(const AbortFlags& flags, const TopicPartition& name, Output& output) {
  OverlayVfs overlay;
  const auto planned = end_transaction(flags, name, &overlay);
  if (!planned) return report(planned.error());
  if (flags.json) {
    if (flags.is_dry_run) output.write(json_outcome(flags, *planned, false));
  } else {
    output.write(transaction_text(flags, *planned) + outcome_text(*planned, false));
  }
  return output.finish();
}

int run_abort(const AbortFlags& flags) {
  const auto name = parse_partition_name(flags.partition);
  if (!name) return report_usage(flags.partition + ": no partition's name, as orders-0 is one");
  if (const auto adopted = check_adopted(flags.store); !adopted) return report(adopted.error());
  Output output;
  if (!flags.is_confirmed || flags.is_dry_run) {
    const int rehearsed = rehearse(flags, *name, output);
    if (rehearsed != kExitDone || flags.is_dry_run) return rehearsed;
    if (!confirm("Write it? Consumers never see what the transaction wrote.")) return kExitRefused;
  }
  const auto ended = end_transaction(flags, *name, nullptr);
  if (!ended) return report(ended.error());
  output.write(flags.json           ? json_outcome(flags, *ended, true)
               : flags.is_confirmed ? transaction_text(flags, *ended) + outcome_text(*ended, true)
                                    : outcome_text(*ended, true));
  return output.finish();
}

}  // namespace

void add_abort(CLI::App& app, Run& run) {
  CLI::App* const abort = app.add_subcommand(
      "abort", "End a hanging transaction, offline: write its abort marker, after asking");
  const auto flags = std::make_shared<AbortFlags>();
  abort->add_option("STORE", flags->store, "Store directory, not in use")->required();
  abort->add_option("PARTITION", flags->partition, "Partition in the store, e.g. orders-0")
      ->required();
  abort->add_option("PRODUCER_ID", flags->producer_id, "Whose transaction, as txns lists it")
      ->required()
      ->check(CLI::NonNegativeNumber);
  abort->add_option("--epoch", flags->epoch, "Only if the producer has this epoch still")
      ->check(CLI::NonNegativeNumber);
  abort->add_flag("--dry-run", flags->is_dry_run, "Say what would be done, change nothing");
  abort->add_flag("--yes", flags->is_confirmed, "Do not ask");
  abort->add_flag("--json", flags->json, "One JSON object");
  abort->footer(
      "The marker has the producer's epoch: end the producer first, or it may go on with another\n"
      "transaction. Other copies of the partition do not get the marker: where a cluster\n"
      "replicates it, use kafka-transactions.sh. Exit status 5, with no marker written: no such\n"
      "transaction is open, another epoch, a directory of Kafka's that was not adopted, or nobody\n"
      "to ask.\n"
      "\n"
      "Examples:\n"
      "  oncelog txns /tmp/store --state hanging\n"
      "  oncelog abort /tmp/store orders-0 4711 --dry-run\n"
      "  oncelog abort /tmp/store orders-0 4711 --epoch 3 --yes");
  abort->callback([&run, flags] { run = [flags] { return run_abort(*flags); }; });
}

}  // namespace oncelog::cli
